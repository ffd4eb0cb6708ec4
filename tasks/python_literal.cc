#include "tasks/python_literal.h"

#include <charconv>

#include "core/text.h"

namespace assay {
namespace {

constexpr int kDeepest = 64;

// Recursive descent over one literal. Every reader returns nothing on malformed text.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : text_(text) {}

  std::optional<Json> read_all() {
    auto value = read_value(0);
    skip_space();
    if (!value || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n\f").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  std::optional<Json> read_value(int depth) {
    if (depth > kDeepest) return std::nullopt;
    skip_space();
    if (at_ >= text_.size()) return std::nullopt;
    const char c = text_[at_];
    if (c == '\'' || c == '"') return read_strings();
    if (take('[')) return read_list(']', depth);
    if (take('(')) return read_list(')', depth);
    if (take('{')) return read_dictionary(depth);
    if (take_word("None")) return Json(nullptr);
    if (take_word("True")) return Json(true);
    if (take_word("False")) return Json(false);
    return read_number();
  }

  std::optional<Json> read_list(char close, int depth) {
    Json list = Json::array();
    bool comma = false;
    while (!take(close)) {
      if (!list.empty() && !comma) return std::nullopt;
      auto value = read_value(depth + 1);
      if (!value) return std::nullopt;
      list.push_back(std::move(*value));
      comma = take(',');
    }
    if (close == ')' && list.size() == 1 && !comma) return list[0];  // brackets around one value make no tuple
    return list;
  }

  std::optional<Json> read_dictionary(int depth) {
    Json object = Json::object();
    bool comma = true;
    while (!take('}')) {
      if (!comma) return std::nullopt;
      auto key = read_value(depth + 1);
      if (!key || !key->is_string() || !take(':')) return std::nullopt;
      auto value = read_value(depth + 1);
      if (!value) return std::nullopt;
      object[key->get<std::string>()] = std::move(*value);
      comma = take(',');
    }
    return object;
  }

  // Adjacent string literals are one string.
  std::optional<Json> read_strings() {
    std::string all;
    do {
      if (!read_string(all)) return std::nullopt;
      skip_space();
    } while (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"'));
    return Json(std::move(all));
  }

  bool read_string(std::string& out) {
    const char quote = text_[at_++];
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) return true;
      if (c == '\n') return false;
      if (c != '\\') {
        out.push_back(c);
      } else if (!read_escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool read_escape(std::string& out) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    switch (c) {
      case '\n':
        return true;
      case '\\':
      case '\'':
      case '"':
        out.push_back(c);
        return true;
      case 'n':
        out.push_back('\n');
        return true;
      case 't':
        out.push_back('\t');
        return true;
      case 'r':
        out.push_back('\r');
        return true;
      case 'a':
        out.push_back('\a');
        return true;
      case 'b':
        out.push_back('\b');
        return true;
      case 'f':
        out.push_back('\f');
        return true;
      case 'v':
        out.push_back('\v');
        return true;
      case 'x':
        return read_code(out, 2);
      case 'u':
        return read_code(out, 4);
      case 'U':
        return read_code(out, 8);
      default:
        break;
    }
    if (c >= '0' && c <= '7') return read_octal(out, c);
    out.push_back('\\');  // Python keeps an escape that it does not know
    out.push_back(c);
    return true;
  }

  bool read_code(std::string& out, size_t digits) {
    const std::string_view hex = text_.substr(at_, digits);
    uint32_t code = 0;
    auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    if (hex.size() != digits || error != std::errc() || end != hex.data() + hex.size()) return false;
    if (code > 0x10FFFF) return false;
    at_ += digits;
    append_utf8(out, code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code);
    return true;
  }

  bool read_octal(std::string& out, char first) {
    uint32_t code = static_cast<uint32_t>(first - '0');
    for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i)
      code = code * 8 + static_cast<uint32_t>(text_[at_++] - '0');
    append_utf8(out, code);
    return true;
  }

  std::optional<Json> read_number() {
    size_t end = at_;
    while (end < text_.size() && std::string_view("+-.0123456789eE_").find(text_[end]) != std::string_view::npos) ++end;
    std::string digits = replace_all(std::string(text_.substr(at_, end - at_)), "_", "");
    if (!digits.empty() && digits[0] == '+') digits.erase(0, 1);
    const char* begin = digits.data();
    const char* stop = begin + digits.size();
    int64_t integer = 0;
    double real = 0;
    at_ = end;
    if (auto [p, e] = std::from_chars(begin, stop, integer); e == std::errc() && p == stop && !digits.empty())
      return Json(integer);
    if (auto [p, e] = std::from_chars(begin, stop, real); e == std::errc() && p == stop && !digits.empty())
      return Json(real);
    return std::nullopt;
  }
};

}  // namespace

std::optional<Json> parse_python_literal(std::string_view text) {
  return LiteralReader(text).read_all();
}

}  // namespace assay
