// Code points: the parts of Python's str that go beyond bytes. Case and classes come from the C library's C.UTF-8
// locale, whatever the locale of the process; where the library lacks it only ASCII letters have case.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assay::jinja {

using CodePoints = std::u32string;

CodePoints decode(std::string_view utf8);
std::string encode(std::u32string_view code_points);
bool is_ascii(std::string_view text);

char32_t lower(char32_t c);
char32_t upper(char32_t c);
bool is_alpha(char32_t c);
bool is_digit(char32_t c);
bool is_alnum(char32_t c);
bool is_printable(char32_t c);
inline bool is_upper(char32_t c) {
  return lower(c) != c;
}
inline bool is_lower(char32_t c) {
  return upper(c) != c || c == 0xDF;
}
// May take part in a name: letter, digit or underscore (regular expressions' \w).
bool is_word(char32_t c);

// Whole texts. German sharp s becomes "SS" in upper case, as in Python.
std::string lower_text(std::string_view text);
std::string upper_text(std::string_view text);
// First code point in title case, the rest in lower case.
std::string capitalize_text(std::string_view text);

}  // namespace assay::jinja
