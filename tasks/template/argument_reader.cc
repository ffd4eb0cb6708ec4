#include "tasks/template/argument_reader.h"

#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {

ArgumentReader::ArgumentReader(Runtime& runtime, const char* function, const Arguments& arguments,
                               std::initializer_list<const char*> parameters, size_t required)
    : runtime_(runtime), function_(function), names_(parameters), values_(parameters.size()) {
  if (arguments.positional.size() > names_.size()) {
    fail("TypeError", function_ + "() takes at most " + std::to_string(names_.size()) + " arguments but " +
                          std::to_string(arguments.positional.size()) + " were given");
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    size_t i = 0;
    while (i < names_.size() && name != names_[i]) ++i;
    if (i == names_.size()) {
      fail("TypeError", function_ + "() got an unexpected keyword argument " + string_repr(name));
    }
    if (values_[i]) fail("TypeError", function_ + "() got multiple values for argument " + string_repr(name));
    values_[i] = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) {
      fail("TypeError", function_ + "() missing 1 required positional argument: '" + names_[i] + "'");
    }
  }
}

int64_t ArgumentReader::integer(size_t parameter, int64_t otherwise) const {
  if (!values_[parameter]) return otherwise;
  const Value& value = *values_[parameter];
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_integral()) {
    fail("TypeError", function_ + "(): '" + type_name(value) + "' object cannot be interpreted as an integer");
  }
  return value.integer();
}

bool ArgumentReader::boolean(size_t parameter, bool otherwise) const {
  return values_[parameter] ? truth(runtime_, *values_[parameter]) : otherwise;
}

std::string ArgumentReader::text(size_t parameter, const std::string& otherwise) const {
  if (!values_[parameter]) return otherwise;
  const Value& value = *values_[parameter];
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) fail("TypeError", function_ + "() argument must be str, not " + type_name(value));
  return value.text();
}

}  // namespace assay::jinja
