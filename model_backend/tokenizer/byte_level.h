// The byte alphabet of GPT-2-style tokenizers: each of the 256 bytes has one printable code point that stands for it in
// the vocabulary. Bytes that are printable in Latin-1 stand for themselves; the other 68 (white space, controls, 0xAD)
// are U+0100, U+0101, ... in the order of the bytes.
#pragma once

#include <string>
#include <string_view>

namespace assay {

// Appends the stand-ins of all bytes of `text`, as UTF-8.
void append_byte_level(std::string_view text, std::string& out);

// The bytes that a token of such a vocabulary stands for. A token with a code point outside the alphabet (an added
// token) stands for its own text.
std::string byte_level_bytes(std::string_view token);

}  // namespace assay
