// What a tokenizer's JSON calls a pattern: a literal text or a regular expression in Oniguruma's syntax. Also the two
// character classes that added tokens need. This is the only file of the folder that knows Oniguruma.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace assay {

struct TextRange {
  size_t begin;
  size_t end;  // half-open, bytes
};

// Immutable and cheap to copy; any thread may search.
class Pattern {
 public:
  static Pattern literal(std::string_view text);
  // Throws Error(kInput) headed by `where` when the expression is malformed.
  static Pattern regex(std::string_view expression, std::string_view where);
  // {"String": "..."} or {"Regex": "..."}.
  static Pattern from_json(const Json& json, const std::string& where);

  // Appends the matches from left to right; none overlap. An empty match is kept unless it touches the match before it.
  // `text` must be valid UTF-8. Throws Error(kInput) when the expression exceeds Oniguruma's limits on this text.
  void find_all(std::string_view text, std::vector<TextRange>& matches) const;
  std::string replace_all(std::string_view text, std::string_view replacement) const;
  // As it was given; empty for a literal.
  std::string_view expression() const;

 private:
  struct Compiled;
  std::string literal_;
  std::shared_ptr<const Compiled> compiled_;  // null for a literal
};

// \w (with the two joiners) and \s of a Unicode-aware regular expression.
bool is_word_character(char32_t code_point);
bool is_white_space(char32_t code_point);

}  // namespace assay
