// Jinja's filters. A filter is a function of the piped value (`self`) and the arguments in parentheses.
#pragma once

#include <string>

#include "tasks/template/objects.h"

namespace assay::jinja {

// One row of a filter table.
struct Filter {
  const char* name;
  Function::Body body;
};

// The filter of that name, null when there is none. `chat`: the environment of chat templates, where `tojson` differs
// and `regex_replace` is absent.
Function::Body find_filter(const std::string& name, bool chat);

// text_filters.cc and sequence_filters.cc: null when the name is of neither.
Function::Body find_text_filter(const std::string& name);
Function::Body find_sequence_filter(const std::string& name);

// regex_replace(value, pattern, replacement, count=0): Python's re.sub as far as RE2 knows the pattern.
Value regex_replace(Runtime& runtime, const Value& self, const Arguments& arguments);

}  // namespace assay::jinja
