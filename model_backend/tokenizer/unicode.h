// Unicode normal forms (UAX 15) and lower case, for the normalisers of tokenizers. Tables: unicode_tables.h.
#pragma once

#include <string>
#include <string_view>

namespace assay {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` must be valid UTF-8. Linear in its length, apart from runs of combining marks, which are sorted.
std::string normalize_unicode(std::string_view text, NormalForm form);

// Each code point by its full mapping, without the context rules (a final sigma stays a plain one).
std::string lower_case(std::string_view text);

}  // namespace assay
