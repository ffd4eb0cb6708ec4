// The methods that Python's str, list, tuple, dict, int and float have, and those of Jinja's cycler.
#pragma once

#include <optional>
#include <string>

#include "tasks/template/objects.h"

namespace assay::jinja {

// The method `name` of `object`, bound to it; nothing when its type has none. In the chat environment a method that
// would change a list or a dict is an undefined value whose use is a SecurityError, as in Jinja's immutable sandbox.
std::optional<Value> bound_method(Runtime& runtime, const Value& object, const std::string& name);

// One row of a method table, sorted by nothing: tables are short.
struct Method {
  const char* name;
  Function::Body body;
};

// text_methods.cc
const Method* find_text_method(const std::string& name);

}  // namespace assay::jinja
