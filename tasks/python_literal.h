// Python literals: benchmark files carry lists as Python prints them, and templates that give choices print them too.
#pragma once

#include <optional>
#include <string_view>

#include "core/json.h"

namespace assay {

// ast.literal_eval for strings, numbers, True, False, None, lists, tuples (as lists) and dictionaries with string keys.
// Nothing when the text is anything else or nests deeper than 64.
std::optional<Json> parse_python_literal(std::string_view text);

}  // namespace assay
