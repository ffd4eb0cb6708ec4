// Values as JSON: the text that Python's json.dumps writes, and the Json that leaves the interpreter.
#pragma once

#include <optional>
#include <string>

#include "core/json.h"
#include "tasks/template/objects.h"

namespace assay::jinja {

struct JsonStyle {
  bool ascii = true;                                         // everything beyond ASCII as \uXXXX
  std::optional<std::string> indent;                         // what one level is indented by; none: all on one line
  std::optional<std::string> item_separator, key_separator;  // default: as json.dumps chooses
  bool sort_keys = false;
};

// json.dumps(value). Throws TypeError for what JSON has no form for.
std::string json_dumps(Runtime& runtime, const Value& value, const JsonStyle& style);

// For Template::evaluate: iterators become arrays, undefined null (an error when strict), other objects their str().
Json to_json(Runtime& runtime, const Value& value);

}  // namespace assay::jinja
