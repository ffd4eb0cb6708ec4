// Document transforms that a task file names in `process_docs`: what a YAML file cannot say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace assay {

// One row of the table in transforms.cc.
struct Transform {
  const char* name;  // as in the task file
  const char* what;  // fields it reads -> fields it adds, for people
  // Changes one document's fields. False: the row is no item and is dropped (ids of the others stay).
  // Throws Error(kInput) at `where` ("path:line") when the row lacks what the transform needs.
  bool (*apply)(Json& fields, const std::string& where);
};

// Null when there is none of this name.
const Transform* find_transform(std::string_view name);
// In the order of the table, for messages.
std::vector<std::string> transform_names();

}  // namespace assay
