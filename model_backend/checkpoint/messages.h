// Small pieces of error messages.
#pragma once

#include <string>
#include <string_view>

#include "core/text.h"

namespace assay {

// A name read from a file, fit to be shown: in quotation marks, valid UTF-8, at most 200 bytes.
inline std::string in_quotes(std::string_view name) {
  return "\"" + replace_invalid_utf8(name.substr(0, 200)) + "\"";
}

}  // namespace assay
