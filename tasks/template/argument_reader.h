// Python's rules for the arguments of a function with named parameters.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "tasks/template/objects.h"

namespace assay::jinja {

// Fits a call's arguments to parameters, all of which may be given by position or by name:
//   ArgumentReader read(runtime, "truncate", arguments, {"length", "killwords", "end", "leeway"});
//   int64_t length = read.integer(0, 255);
// Throws TypeError for too many, unknown, doubled or (with `required`) missing ones, and for values of a wrong type.
class ArgumentReader {
 public:
  ArgumentReader(Runtime& runtime, const char* function, const Arguments& arguments,
                 std::initializer_list<const char*> parameters, size_t required = 0);

  bool has(size_t parameter) const { return values_[parameter].has_value(); }
  // The argument, none when it was not given.
  Value value(size_t parameter) const { return values_[parameter].value_or(Value()); }
  Value value(size_t parameter, const Value& otherwise) const { return values_[parameter].value_or(otherwise); }
  int64_t integer(size_t parameter, int64_t otherwise) const;
  bool boolean(size_t parameter, bool otherwise) const;
  // Texts only.
  std::string text(size_t parameter, const std::string& otherwise) const;

 private:
  Runtime& runtime_;
  std::string function_;
  std::vector<const char*> names_;
  std::vector<std::optional<Value>> values_;
};

// Throws TypeError when any argument was given.
inline void no_arguments(Runtime& runtime, const char* function, const Arguments& arguments) {
  ArgumentReader(runtime, function, arguments, {});
}

}  // namespace assay::jinja
