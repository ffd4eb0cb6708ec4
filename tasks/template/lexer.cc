#include "tasks/template/lexer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "core/text.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

// "12_000" is a number; "12_" is not.
bool is_digit_of(char c, int base) {
  if (base <= 10) return c >= '0' && c < '0' + base;
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::string normalize(std::string_view source, bool keep_trailing_newline) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out.push_back('\n');
    } else {
      out.push_back(source[i]);
    }
  }
  if (!keep_trailing_newline && !out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, const TemplateOptions& options)
      : options_(options),
        owned_(normalize(replace_invalid_utf8(source), options.keep_trailing_newline)),
        source_(owned_) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) lex_outside();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  const TemplateOptions& options_;
  std::string owned_;
  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what came last ended its line: a block tag here may start one
  std::vector<Token> tokens_;
  std::string brackets_;  // the closing ones that are due

  [[noreturn]] void error(const std::string& message) const { throw SyntaxError{line_, message}; }

  Token& push(TokenKind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
    return tokens_.back();
  }

  bool looking_at(std::string_view text, size_t at) const { return source_.substr(at, text.size()) == text; }
  bool looking_at(std::string_view text) const { return looking_at(text, at_); }

  void advance_to(size_t end) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<ptrdiff_t>(at_), source_.begin() + static_cast<ptrdiff_t>(end), '\n'));
    if (end > at_) line_starting_ = source_[end - 1] == '\n';
    at_ = end;
  }

  size_t skip_spaces(size_t at) const {
    while (at < source_.size()) {
      size_t next = at;
      if (!is_space(next_code_point(source_, next))) break;
      at = next;
    }
    return at;
  }

  // Where "%}", "-%}" with the white space behind it, or "+%}" ends; nothing when none of them is at `at`.
  std::optional<size_t> tag_end(size_t at, std::string_view mark, bool plus_allowed, bool trims) const {
    if (looking_at(mark, at)) {
      at += mark.size();
      return trims && at < source_.size() && source_[at] == '\n' ? at + 1 : at;
    }
    if (at + 1 >= source_.size() || !looking_at(mark, at + 1)) return std::nullopt;
    if (source_[at] == '-') return skip_spaces(at + 1 + mark.size());
    if (source_[at] == '+' && plus_allowed) return at + 1 + mark.size();
    return std::nullopt;
  }

  // After "{%" at `at`: where {% raw %} ends; nothing when it is another tag.
  std::optional<size_t> raw_begin_end(size_t at) const {
    at += 2;
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    at = skip_spaces(at);
    if (!looking_at("raw", at)) return std::nullopt;
    return tag_end(skip_spaces(at + 3), "%}", false, false);
  }

  // Data before a tag, with the white space control that the tag asks for.
  void push_data(size_t end, char sign, bool is_variable) {
    std::string_view data = source_.substr(at_, end - at_);
    std::string_view kept = data;
    if (sign == '-') {
      kept = strip_right(data);
    } else if (sign != '+' && options_.lstrip_blocks && !is_variable) {
      const size_t newline = data.rfind('\n');
      const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line_begin > 0 || line_starting_) && strip(data.substr(line_begin)).empty())
        kept = data.substr(0, line_begin);
    }
    if (!kept.empty()) push(TokenKind::kData, std::string(kept));
    advance_to(end);
  }

  void lex_outside() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        push(TokenKind::kData, std::string(source_.substr(at_)));
        advance_to(source_.size());
        return;
      }
      const char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char next = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = next == '-' || next == '+' ? next : '\0';
    push_data(tag, sign, kind == '{');
    if (kind == '%') {
      if (auto end = raw_begin_end(at_)) {
        advance_to(*end);
        return lex_raw();
      }
    }
    const size_t inside = at_ + 2 + (sign ? 1 : 0);
    if (kind == '#') return lex_comment(inside);
    push(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    advance_to(inside);
    lex_tag(kind == '{');
  }

  void lex_comment(size_t inside) {
    for (size_t at = inside; at < source_.size(); ++at) {
      if (auto end = tag_end(at, "#}", true, options_.trim_blocks)) {
        advance_to(*end);
        return;
      }
    }
    error("Missing end of comment tag");
  }

  void lex_raw() {
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string_view::npos; tag += 2) {
      size_t at = tag + 2;
      const char next = at < source_.size() ? source_[at] : '\0';
      const char sign = next == '-' || next == '+' ? next : '\0';
      at = skip_spaces(at + (sign ? 1 : 0));
      if (!looking_at("endraw", at)) continue;
      auto end = tag_end(skip_spaces(at + 6), "%}", true, options_.trim_blocks);
      if (!end) continue;
      push_data(tag, sign, false);
      advance_to(*end);
      return;
    }
    error("Missing end of raw directive");
  }

  void lex_tag(bool is_variable) {
    brackets_.clear();
    while (at_ < source_.size()) {
      if (brackets_.empty()) {
        auto end = is_variable ? tag_end(at_, "}}", false, false) : tag_end(at_, "%}", true, options_.trim_blocks);
        if (end) {
          push(is_variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
          advance_to(*end);
          return;
        }
      }
      lex_token();
    }
  }

  void lex_token() {
    const size_t spaces = skip_spaces(at_);
    if (spaces > at_) return advance_to(spaces);
    const char c = source_[at_];
    if (c >= '0' && c <= '9') return lex_number();
    if (c == '\'' || c == '"') return lex_string(c);
    size_t next = at_;
    if (is_word(next_code_point(source_, next))) return lex_name();
    lex_operator();
  }

  void lex_name() {
    size_t end = at_;
    for (size_t next = at_; next < source_.size();) {
      if (!is_word(next_code_point(source_, next))) break;
      end = next;
    }
    push(TokenKind::kName, std::string(source_.substr(at_, end - at_)));
    advance_to(end);
  }

  // The end of digits that single underscores may part; `at` itself when there are none.
  size_t digits_end(size_t at, int base) const {
    size_t end = at;
    while (end < source_.size()) {
      if (is_digit_of(source_[end], base)) {
        ++end;
      } else if (end > at && source_[end] == '_' && end + 1 < source_.size() && is_digit_of(source_[end + 1], base)) {
        end += 2;
      } else {
        break;
      }
    }
    return end;
  }

  // The end of a real number at the current place; nothing when it is a whole one.
  std::optional<size_t> real_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return std::nullopt;
    size_t end = digits_end(at_, 10);
    bool is_real = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit_of(source_[end + 1], 10)) {
      end = digits_end(end + 1, 10);
      is_real = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
      const size_t exponent_end = digits_end(exponent, 10);
      if (exponent_end > exponent) return exponent_end;
    }
    return is_real ? std::optional<size_t>(end) : std::nullopt;
  }

  std::string without_underscores(size_t begin, size_t end) const {
    std::string digits(source_.substr(begin, end - begin));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    return digits;
  }

  void lex_number() {
    if (auto end = real_end()) {
      push(TokenKind::kFloat, "").real = std::strtod(without_underscores(at_, *end).c_str(), nullptr);
      return advance_to(*end);
    }
    int base = 10;
    size_t begin = at_;
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
      const char mark = static_cast<char>(source_[at_ + 1] | 0x20);
      const int other = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
      size_t digits = at_ + 2;
      if (digits < source_.size() && source_[digits] == '_') ++digits;
      if (other && digits < source_.size() && is_digit_of(source_[digits], other)) base = other, begin = digits;
    }
    size_t end = digits_end(begin, base);
    // A decimal number does not start with zero, as in Python: "007" is "00" and "7", which no expression joins.
    if (base == 10 && source_[at_] == '0') {
      end = at_;
      while (end < source_.size() && (source_[end] == '0' || (source_[end] == '_' && end > at_ &&
                                                              end + 1 < source_.size() && source_[end + 1] == '0')))
        ++end;
    }
    const std::string digits = without_underscores(begin, end);
    int64_t value = 0;
    auto [stop, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (status != std::errc() || stop != digits.data() + digits.size())
      error("the number " + digits + " is beyond 64 bits");
    push(TokenKind::kInteger, "").integer = value;
    advance_to(end);
  }

  void lex_string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) error(std::string("unexpected char \"") + quote + "\": the text in quotes does not end");
    std::string value = unescape(source_.substr(at_ + 1, end - at_ - 1));
    push(TokenKind::kString, std::move(value));
    advance_to(end + 1);
  }

  // Python's escapes; an unknown one stays as it is.
  std::string unescape(std::string_view text) const {
    constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeanings = "\a\b\f\n\r\t\v\\'\"";
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out.push_back(text[i]);
        continue;
      }
      const char c = text[++i];  // never the last: the string's own end would be escaped
      const size_t known = kLetters.find(c);
      if (known != std::string_view::npos) {
        out.push_back(kMeanings[known]);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        append_code(out, text.substr(i + 1, count), count, 16);
        i += count;
      } else if (c >= '0' && c <= '7') {
        size_t count = 1;
        while (count < 3 && i + count < text.size() && is_digit_of(text[i + count], 8)) ++count;
        append_code(out, text.substr(i, count), count, 8);
        i += count - 1;
      } else if (c == 'N') {
        error("characters by name (\\N{...}) are not supported: write the character itself");
      } else if (c != '\n') {
        out += {'\\', c};
      }
    }
    return out;
  }

  void append_code(std::string& out, std::string_view digits, size_t count, int base) const {
    uint32_t code = 0;
    auto [stop, status] = std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
    if (digits.size() != count || status != std::errc() || stop != digits.data() + digits.size()) {
      error("truncated escape in a text in quotes");
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) error("illegal Unicode character in an escape");
    append_utf8(out, code);
  }

  void lex_operator() {
    constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                               "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (std::string_view candidate : kOperators) {
      if (!looking_at(candidate)) continue;
      balance(candidate[0]);
      push(TokenKind::kOperator, std::string(candidate));
      return advance_to(at_ + candidate.size());
    }
    size_t next = at_;
    next_code_point(source_, next);
    error("unexpected char '" + std::string(source_.substr(at_, next - at_)) + "'");
  }

  void balance(char c) {
    if (c == '{') brackets_.push_back('}');
    if (c == '(') brackets_.push_back(')');
    if (c == '[') brackets_.push_back(']');
    if (c != '}' && c != ')' && c != ']') return;
    if (brackets_.empty()) error(std::string("unexpected '") + c + "'");
    const char due = brackets_.back();
    brackets_.pop_back();
    if (due != c) error(std::string("unexpected '") + c + "', expected '" + due + "'");
  }
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, const TemplateOptions& options) {
  return Lexer(source, options).run();
}

}  // namespace assay::jinja
