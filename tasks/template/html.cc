#include "tasks/template/html.h"

#include <cstdlib>
#include <utility>

#include "core/text.h"

namespace assay::jinja {
namespace {

// Removes every `open` ... `close`, first to last; an open one without its close stays.
std::string without_spans(std::string_view text, std::string_view open, std::string_view close) {
  std::string out;
  size_t at = 0;
  while (true) {
    size_t begin = text.find(open, at);
    size_t end = begin == std::string_view::npos ? begin : text.find(close, begin);
    if (end == std::string_view::npos) break;
    out.append(text.substr(at, begin - at));
    at = end + close.size();
  }
  out.append(text.substr(at));
  return out;
}

std::string collapse_spaces(std::string_view text) {
  std::string out;
  bool pending = false;
  for (size_t i = 0; i < text.size();) {
    size_t begin = i;
    if (is_space(next_code_point(text, i))) {
      pending = !out.empty();
      continue;
    }
    if (pending) out.push_back(' ');
    pending = false;
    out.append(text.substr(begin, i - begin));
  }
  return out;
}

// The character of "&...;" without its ends; empty when unknown.
std::string entity(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kNamed[] = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", "\xC2\xA0"}};
  for (const auto& [known, character] : kNamed) {
    if (name == known) return std::string(character);
  }
  if (name.size() < 2 || name.size() > 9 || name[0] != '#') return {};
  const bool hexadecimal = name[1] == 'x' || name[1] == 'X';
  const std::string digits(name.substr(hexadecimal ? 2 : 1));
  char* end = nullptr;
  unsigned long code = std::strtoul(digits.c_str(), &end, hexadecimal ? 16 : 10);
  if (digits.empty() || *end || code == 0 || code > 0x10FFFF) return {};
  std::string out;
  append_utf8(out, static_cast<char32_t>(code));
  return out;
}

std::string unescape_html(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '&') {
      size_t end = text.find(';', i);
      std::string character = end == std::string_view::npos ? "" : entity(text.substr(i + 1, end - i - 1));
      if (!character.empty()) {
        out += character;
        i = end;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string strip_tags(std::string_view text) {
  return unescape_html(collapse_spaces(without_spans(without_spans(text, "<!--", "-->"), "<", ">")));
}

std::string quote_url(std::string_view text, bool for_query) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    if (plain) {
      out.push_back(c);
    } else if (c == ' ' && for_query) {
      out.push_back('+');
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace assay::jinja
