// Filters on texts. A value that is not a text is printed first, where Jinja does that.
#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/filters.h"
#include "tasks/template/html.h"
#include "tasks/template/methods.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

// soft_str of Jinja: texts as they are, anything else printed.
Value as_text(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.heap.string(str(runtime, value));
}

const std::string& require_text(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) fail("TypeError", "a text is needed, not '" + type_name(value) + "'");
  return value.text();
}

// A filter that is the method of the same name on the printed value.
Value method_of(Runtime& runtime, const char* name, const Value& self, Args arguments) {
  return find_text_method(name)->body(runtime, as_text(runtime, self), arguments);
}

Value filter_upper(Runtime& runtime, const Value& self, Args arguments) {
  return method_of(runtime, "upper", self, arguments);
}

Value filter_lower(Runtime& runtime, const Value& self, Args arguments) {
  return method_of(runtime, "lower", self, arguments);
}

Value filter_capitalize(Runtime& runtime, const Value& self, Args arguments) {
  return method_of(runtime, "capitalize", self, arguments);
}

Value filter_trim(Runtime& runtime, const Value& self, Args arguments) {
  return method_of(runtime, "strip", self, arguments);
}

Value filter_center(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "center", arguments, {"width"});
  Arguments width;
  width.positional.push_back(read.value(0, 80));
  return method_of(runtime, "center", self, width);
}

Value filter_replace(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "replace", arguments, {"old", "new", "count"}, 2);
  Arguments texts;
  texts.positional = {runtime.heap.string(str(runtime, read.value(0))),
                      runtime.heap.string(str(runtime, read.value(1)))};
  if (!read.value(2).is_none()) texts.positional.push_back(read.value(2));
  return method_of(runtime, "replace", self, texts);
}

Value filter_string(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "string", arguments, {});
  return as_text(runtime, self);
}

Value filter_safe(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "safe", arguments, {});
  return runtime.heap.string(str(runtime, self), true);
}

Value filter_escape(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "escape", arguments, {});
  if (self.is_string() && self.string().markup) return self;
  return runtime.heap.string(escape_html(str(runtime, self)), true);
}

Value filter_forceescape(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "forceescape", arguments, {});
  return runtime.heap.string(escape_html(str(runtime, self)), true);
}

Value filter_striptags(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "striptags", arguments, {});
  return runtime.heap.string(strip_tags(str(runtime, self)));
}

Value filter_title(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "title", arguments, {});
  CodePoints points = decode(str(runtime, self));
  bool begins = true;
  for (char32_t& c : points) {
    c = begins ? upper(c) : lower(c);
    begins = is_space(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
  }
  return runtime.heap.string(encode(points));
}

Value filter_format(Runtime& runtime, const Value& self, Args arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    fail("FilterArgumentError", "can't handle positional and keyword arguments at the same time");
  }
  const Value format = as_text(runtime, self);
  if (arguments.named.empty())
    return format_percent(runtime, format.string(), runtime.heap.tuple(arguments.positional));
  Dict* named = runtime.heap.make<Dict>();
  for (const auto& [name, value] : arguments.named) named->set(runtime.heap.string(name), value);
  return format_percent(runtime, format.string(), Value(named));
}

std::vector<std::string> lines_of(Runtime& runtime, const Value& text) {
  std::vector<std::string> lines;
  const Value list = find_text_method("splitlines")->body(runtime, text, Arguments{});
  for (const Value& line : list.items()) lines.push_back(line.text());
  return lines;
}

Value filter_indent(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "indent", arguments, {"width", "first", "blank"});
  const Value width = read.value(0, 4);
  std::string indention;
  if (width.is_string()) {
    indention = width.text();
  } else {
    const int64_t count = std::max<int64_t>(read.integer(0, 4), 0);
    runtime.heap.charge_bytes(static_cast<size_t>(count));
    indention.assign(static_cast<size_t>(count), ' ');
  }
  const bool first = read.boolean(1, false), blank = read.boolean(2, false);
  std::string out;
  bool is_first = true;
  for (const std::string& line : lines_of(runtime, runtime.heap.string(require_text(self) + "\n"))) {
    if (!is_first) out += '\n';
    if (is_first ? first : (blank || !line.empty())) out += indention;
    out += line;
    is_first = false;
    if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
  }
  return runtime.heap.string(std::move(out));
}

Value filter_truncate(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "truncate", arguments, {"length", "killwords", "end", "leeway"});
  const int64_t length = read.integer(0, 255);
  const std::string end = read.text(2, "...");
  const int64_t leeway = read.value(3).is_none() ? 5 : read.integer(3, 5);
  const auto end_length = static_cast<int64_t>(count_code_points(end));
  if (length < end_length) {
    fail("AssertionError", fmt::format("expected length >= {}, got {}", end_length, length));
  }
  if (leeway < 0) fail("AssertionError", fmt::format("expected leeway >= 0, got {}", leeway));
  const std::string& text = require_text(self);
  const auto count = static_cast<int64_t>(count_code_points(text));
  if (count <= length || count - length <= leeway) return self;
  std::string_view kept = code_point_range(text, 0, static_cast<size_t>(length - end_length));
  if (!read.boolean(1, false)) kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  return runtime.heap.string(std::string(kept) + end);
}

Value filter_wordcount(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "wordcount", arguments, {});
  int64_t count = 0;
  bool inside = false;
  for (char32_t c : decode(str(runtime, self))) {
    count += is_word(c) && !inside;
    inside = is_word(c);
  }
  return count;
}

// --- wordwrap -------------------------------------------------------------------------------------------------------
// Python's textwrap: a line is cut into chunks (white space, words, parts of words up to a hyphen), and lines are
// filled with them greedily.

bool is_wrap_space(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13);
}

// Whether a word may be broken behind the hyphen at `i`: two letters, or a letter, a hyphen and a letter, stand before
// it, and two letters, perhaps parted by a hyphen, behind it.
bool breaks_at_hyphen(std::u32string_view text, size_t i) {
  auto letter = [&](size_t at) {
    return at < text.size() && is_word(text[at]) && !is_digit(text[at]) && text[at] != '_';
  };
  const bool before = i >= 2 && letter(i - 1) && (letter(i - 2) || (i >= 3 && text[i - 2] == '-' && letter(i - 3)));
  return before && letter(i + 1) && (letter(i + 2) || (i + 2 < text.size() && text[i + 2] == '-' && letter(i + 3)));
}

std::vector<CodePoints> wrap_chunks(std::u32string_view text, bool break_on_hyphens) {
  std::vector<CodePoints> chunks;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    const bool space = is_wrap_space(text[begin]);
    end = begin;
    while (end < text.size() && is_wrap_space(text[end]) == space) {
      ++end;
      if (!space && break_on_hyphens && text[end - 1] == '-' && breaks_at_hyphen(text, end - 1)) break;
    }
    chunks.emplace_back(text.substr(begin, end - begin));
  }
  return chunks;
}

// Takes the part of an overlong chunk that goes into a line with `room` left.
CodePoints cut_long_word(CodePoints& chunk, size_t room, bool break_on_hyphens) {
  size_t end = room;
  if (break_on_hyphens && chunk.size() > room && room > 0) {
    const size_t hyphen = chunk.rfind('-', room - 1);
    if (hyphen != CodePoints::npos && hyphen > 0 && chunk.find_first_not_of('-') < hyphen) end = hyphen + 1;
  }
  CodePoints part = chunk.substr(0, end);
  chunk.erase(0, end);
  return part;
}

std::vector<std::string> wrap_line(const std::string& line, size_t width, bool break_long, bool break_on_hyphens) {
  std::vector<CodePoints> chunks = wrap_chunks(decode(line), break_on_hyphens);
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (!lines.empty() && is_wrap_space(chunks.back()[0])) chunks.pop_back();
    std::vector<CodePoints> row;
    size_t used = 0;
    while (!chunks.empty() && used + chunks.back().size() <= width) {
      used += chunks.back().size();
      row.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) {
      if (break_long) {
        row.push_back(cut_long_word(chunks.back(), std::max<size_t>(width - used, 1), break_on_hyphens));
        if (chunks.back().empty()) chunks.pop_back();
      } else if (row.empty()) {
        row.push_back(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!row.empty() && is_wrap_space(row.back()[0])) row.pop_back();
    if (row.empty()) continue;
    CodePoints joined;
    for (const CodePoints& chunk : row) joined += chunk;
    lines.push_back(encode(joined));
  }
  return lines;
}

Value filter_wordwrap(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "wordwrap", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const int64_t width = read.integer(0, 79);
  if (width <= 0) fail("ValueError", fmt::format("invalid width {} (must be > 0)", width));
  const std::string wrap = read.value(2).is_none() ? "\n" : read.text(2, "\n");
  require_text(self);
  std::string out;
  bool first = true;
  for (const std::string& paragraph : lines_of(runtime, self)) {
    std::vector<std::string> lines =
        wrap_line(paragraph, static_cast<size_t>(width), read.boolean(1, true), read.boolean(3, true));
    if (lines.empty()) lines.emplace_back();
    for (const std::string& line : lines) {
      if (!first) out += wrap;
      out += line;
      first = false;
    }
    if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
  }
  return runtime.heap.string(std::move(out));
}

// --- numbers and markup ---------------------------------------------------------------------------------------------

Value filter_filesizeformat(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "filesizeformat", arguments, {"binary"});
  const bool binary = read.boolean(0, false);
  const double base = binary ? 1024 : 1000;
  Value number = self;
  if (self.is_string()) number = find_filter("float", runtime.environment.chat)(runtime, self, Arguments{});
  if (number.is_undefined()) fail_undefined(number);
  if (!number.is_number()) {
    fail("TypeError", "float() argument must be a string or a real number, not '" + type_name(self) + "'");
  }
  const double bytes = number.real();
  if (bytes == 1) return runtime.heap.string("1 Byte");
  if (bytes < base) return runtime.heap.string(fmt::format("{} Bytes", static_cast<int64_t>(bytes)));
  constexpr const char* kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr const char* kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  double unit = base * base;
  size_t i = 0;
  for (; i + 1 < std::size(kDecimal) && bytes >= unit; ++i) unit *= base;
  return runtime.heap.string(fmt::format("{:.1f} {}", base * bytes / unit, (binary ? kBinary : kDecimal)[i]));
}

Value filter_urlencode(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "urlencode", arguments, {});
  if (self.is_string() || !is_iterable(self)) return runtime.heap.string(quote_url(str(runtime, self), false));
  std::string out;
  auto append_pair = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out += quote_url(str(runtime, key), true) + "=" + quote_url(str(runtime, value), true);
  };
  if (self.is(Kind::kDict)) {
    for (const auto& [key, value] : self.dict().entries()) append_pair(key, value);
    return runtime.heap.string(std::move(out));
  }
  for (const Value& item : to_vector(runtime, self)) {
    const std::vector<Value> pair = to_vector(runtime, item);
    if (pair.size() != 2) fail("ValueError", "urlencode wants pairs of key and value");
    append_pair(pair[0], pair[1]);
  }
  return runtime.heap.string(std::move(out));
}

Value filter_xmlattr(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "xmlattr", arguments, {"autospace"});
  if (self.is_undefined()) fail_undefined(self);
  if (!self.is(Kind::kDict)) fail("AttributeError", "'" + type_name(self) + "' object has no attribute 'items'");
  std::string out;
  for (const auto& [key, value] : self.dict().entries()) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string name = require_text(key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      fail("ValueError", "Invalid character in attribute name: " + string_repr(name));
    }
    if (!out.empty()) out += ' ';
    out += escape_html(name) + "=\"" + filter_escape(runtime, value, Arguments{}).text() + "\"";
  }
  if (read.boolean(0, true) && !out.empty()) out.insert(0, " ");
  return runtime.heap.string(std::move(out));
}

constexpr Filter kTextFilters[] = {
    {"capitalize", filter_capitalize},
    {"center", filter_center},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"filesizeformat", filter_filesizeformat},
    {"forceescape", filter_forceescape},
    {"format", filter_format},
    {"indent", filter_indent},
    {"lower", filter_lower},
    {"replace", filter_replace},
    {"safe", filter_safe},
    {"string", filter_string},
    {"striptags", filter_striptags},
    {"title", filter_title},
    {"trim", filter_trim},
    {"truncate", filter_truncate},
    {"upper", filter_upper},
    {"urlencode", filter_urlencode},
    {"wordcount", filter_wordcount},
    {"wordwrap", filter_wordwrap},
    {"xmlattr", filter_xmlattr},
};

}  // namespace

Function::Body find_text_filter(const std::string& name) {
  for (const Filter& filter : kTextFilters) {
    if (name == filter.name) return filter.body;
  }
  return nullptr;
}

}  // namespace assay::jinja
