#include "model_backend/tokenizer/ascii_scan.h"

namespace assay {
namespace {

enum Class : unsigned char { kLetter, kDigit, kSpace, kOther, kOutside };

Class class_of(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  if (code >= 0x80) return kOutside;
  if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z')) return kLetter;
  if (code >= '0' && code <= '9') return kDigit;
  return code == ' ' || (code >= '\t' && code <= '\r') ? kSpace : kOther;
}

// Where the run of this class ends that goes on at `at`.
size_t end_of_run(std::string_view text, size_t at, Class wanted) {
  while (at < text.size() && class_of(text[at]) == wanted) ++at;
  return at;
}

bool is_outside(std::string_view text, size_t at) {
  return at < text.size() && class_of(text[at]) == kOutside;
}

// Length of 's 't 're 've 'm 'll 'd at the front of `text`; 0: none of them.
size_t contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const char first = text[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const std::string_view two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of white space gives its last one up to the word behind it.
Scanned scan_space(std::string_view text, size_t begin, size_t& end) {
  end = end_of_run(text, begin, kSpace);
  if (is_outside(text, end)) return Scanned::kUnknown;
  if (end < text.size() && end - begin > 1) --end;
  return Scanned::kMatch;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ : something matches everywhere.
Scanned scan_gpt2(std::string_view text, size_t from, size_t& begin, size_t& end) {
  if (from == text.size()) return Scanned::kNoMatch;
  begin = from;
  if (const size_t length = contraction(text.substr(from)); length > 0) {
    end = from + length;
    return Scanned::kMatch;
  }
  const size_t word = from + (text[from] == ' ');
  if (is_outside(text, word)) return Scanned::kUnknown;
  const Class kind = word < text.size() ? class_of(text[word]) : kSpace;
  if (kind == kSpace) return scan_space(text, from, end);
  end = end_of_run(text, word, kind);
  return is_outside(text, end) ? Scanned::kUnknown : Scanned::kMatch;
}

// \p{N}
Scanned scan_digit(std::string_view text, size_t from, size_t& begin, size_t& end) {
  for (begin = from; begin < text.size(); ++begin) {
    const Class kind = class_of(text[begin]);
    if (kind == kOutside) return Scanned::kUnknown;
    if (kind != kDigit) continue;
    end = begin + 1;
    return Scanned::kMatch;
  }
  return Scanned::kNoMatch;
}

}  // namespace

AsciiScan find_ascii_scan(std::string_view expression) {
  if (expression == "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")
    return scan_gpt2;
  if (expression == "\\p{N}") return scan_digit;
  return nullptr;
}

}  // namespace assay
