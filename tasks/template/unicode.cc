#include "tasks/template/unicode.h"

#include <clocale>
#include <cwctype>

#include <algorithm>

#include "core/text.h"

namespace assay::jinja {
namespace {

locale_t utf8_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

constexpr char32_t kSharpS = 0xDF;

void append_upper(std::string& out, char32_t c) {
  if (c == kSharpS) {
    out += "SS";
  } else {
    append_utf8(out, upper(c));
  }
}

}  // namespace

CodePoints decode(std::string_view utf8) {
  CodePoints out;
  out.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size();) out.push_back(next_code_point(utf8, i));
  return out;
}

std::string encode(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (char32_t c : code_points) append_utf8(out, c);
  return out;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char32_t lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return utf8_locale() ? static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), utf8_locale())) : c;
}

char32_t upper(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return utf8_locale() ? static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), utf8_locale())) : c;
}

bool is_digit(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  // Decimal digits of the scripts that benchmarks are written in.
  constexpr char32_t kZeros[] = {0x660, 0x6F0, 0x7C0, 0x966, 0x9E6,  0xA66,  0xAE6,  0xB66,  0xBE6,  0xC66,  0xCE6,
                                 0xD66, 0xE50, 0xED0, 0xF20, 0x1040, 0x17E0, 0x1810, 0x1946, 0xFF10, 0x1D7CE};
  return std::any_of(std::begin(kZeros), std::end(kZeros), [&](char32_t zero) { return c >= zero && c < zero + 10; });
}

bool is_alpha(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return !is_digit(c) && utf8_locale() && iswalpha_l(static_cast<wint_t>(c), utf8_locale());
}

bool is_alnum(char32_t c) {
  return is_alpha(c) || is_digit(c);
}

bool is_word(char32_t c) {
  return c == '_' || is_alnum(c);
}

bool is_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  if (is_space(c) || c == 0xAD) return false;
  return utf8_locale() ? iswprint_l(static_cast<wint_t>(c), utf8_locale()) : c >= 0xA1;
}

std::string lower_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) append_utf8(out, lower(next_code_point(text, i)));
  return out;
}

std::string upper_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) append_upper(out, next_code_point(text, i));
  return out;
}

std::string capitalize_text(std::string_view text) {
  if (text.empty()) return {};
  size_t rest = 0;
  char32_t first = next_code_point(text, rest);
  std::string out;
  if (first == kSharpS) {
    out = "Ss";
  } else {
    append_utf8(out, upper(first));
  }
  return out + lower_text(text.substr(rest));
}

}  // namespace assay::jinja
