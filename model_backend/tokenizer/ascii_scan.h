// The two expressions that most byte-level tokenizers split by, matched by hand over ASCII: tokenising a benchmark is
// mostly this, and a regular expression engine is some ten times slower at it.
#pragma once

#include <cstddef>
#include <string_view>

namespace assay {

enum class Scanned {
  kMatch,    // `begin` and `end` are set
  kNoMatch,  // there is none up to the end of the text
  kUnknown,  // a byte outside ASCII decides: ask the expression itself
};

// The first match of an expression at or after `from`, as a search from there finds it.
using AsciiScan = Scanned (*)(std::string_view text, size_t from, size_t& begin, size_t& end);

// Null for an expression that is not one of them.
AsciiScan find_ascii_scan(std::string_view expression);

}  // namespace assay
