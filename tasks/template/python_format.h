// How Python writes values: str(), repr(), the % operator of texts, str.format() and format().
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tasks/template/objects.h"

namespace assay::jinja {

// str(value) at the end of `out`. An undefined value is nothing, or UndefinedError in a strict environment. Throws
// LimitError when `out` outgrows the heap's bound.
void append_str(Runtime& runtime, const Value& value, std::string& out);
std::string str(Runtime& runtime, const Value& value);
std::string repr(Runtime& runtime, const Value& value);

std::string float_repr(double value);                          // the shortest text that reads back as the same number
std::optional<double> float_from_text(std::string_view text);  // float(text); nothing where that raises ValueError
std::string string_repr(std::string_view text);

// `format % arguments`. Throws TypeError and ValueError as Python does.
Value format_percent(Runtime& runtime, const String& format, const Value& arguments);

// format.format(*positional, **named).
std::string format_braces(Runtime& runtime, const std::string& format, const Arguments& arguments);

// format(value, spec).
std::string format_value(Runtime& runtime, const Value& value, std::string_view spec);

}  // namespace assay::jinja
