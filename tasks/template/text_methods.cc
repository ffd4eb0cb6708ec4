// The methods of Python's str, by code points.
#include <algorithm>
#include <functional>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/methods.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

constexpr int64_t kMaxWidth = int64_t{1} << 32;

// --- case -----------------------------------------------------------------------------------------------------------

Value text_upper(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "upper", arguments);
  return runtime.heap.string(upper_text(self.text()));
}

Value text_lower(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "lower", arguments);
  return runtime.heap.string(lower_text(self.text()));
}

Value text_casefold(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "casefold", arguments);
  return runtime.heap.string(lower_text(replace_all(self.text(), "\xC3\x9F", "ss")));
}

Value text_capitalize(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "capitalize", arguments);
  return runtime.heap.string(capitalize_text(self.text()));
}

Value text_title(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "title", arguments);
  CodePoints points = decode(self.text());
  bool inside = false;
  for (char32_t& c : points) {
    c = inside ? lower(c) : upper(c);
    inside = is_upper(c) || is_lower(c);
  }
  return runtime.heap.string(encode(points));
}

Value text_swapcase(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "swapcase", arguments);
  CodePoints points = decode(self.text());
  for (char32_t& c : points) c = is_upper(c) ? lower(c) : upper(c);
  return runtime.heap.string(encode(points));
}

// --- classes --------------------------------------------------------------------------------------------------------

bool every(const Value& self, bool (*holds)(char32_t)) {
  const CodePoints points = decode(self.text());
  return !points.empty() && std::all_of(points.begin(), points.end(), holds);
}

template <bool (*kHolds)(char32_t)>
Value text_every(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "is...", arguments);
  return every(self, kHolds);
}

// Some cased character, and none of the other case.
template <bool (*kWanted)(char32_t), bool (*kOther)(char32_t)>
Value text_cased(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "is...", arguments);
  const CodePoints points = decode(self.text());
  return std::any_of(points.begin(), points.end(), kWanted) && std::none_of(points.begin(), points.end(), kOther);
}

Value text_istitle(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "istitle", arguments);
  bool inside = false, any = false;
  for (char32_t c : decode(self.text())) {
    if (is_upper(c) == inside && (is_upper(c) || is_lower(c))) return false;
    inside = is_upper(c) || is_lower(c);
    any = any || inside;
  }
  return any;
}

Value text_isascii(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "isascii", arguments);
  return is_ascii(self.text());
}

Value text_isprintable(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "isprintable", arguments);
  return self.text().empty() || every(self, is_printable);
}

Value text_isidentifier(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "isidentifier", arguments);
  return every(self, is_word) && !is_digit(decode(self.text())[0]);
}

// --- stripping ------------------------------------------------------------------------------------------------------

Value strip_ends(Runtime& runtime, const Value& self, Args arguments, bool left, bool right) {
  ArgumentReader read(runtime, "strip", arguments, {"chars"});
  std::function<bool(char32_t)> goes = is_space;
  if (!read.value(0).is_none()) {
    goes = [set = decode(read.text(0, ""))](char32_t c) { return set.find(c) != CodePoints::npos; };
  }
  const CodePoints points = decode(self.text());
  size_t begin = 0, end = points.size();
  while (left && begin < end && goes(points[begin])) ++begin;
  while (right && end > begin && goes(points[end - 1])) --end;
  return runtime.heap.string(encode(std::u32string_view(points).substr(begin, end - begin)));
}

Value text_strip(Runtime& runtime, const Value& self, Args arguments) {
  return strip_ends(runtime, self, arguments, true, true);
}

Value text_lstrip(Runtime& runtime, const Value& self, Args arguments) {
  return strip_ends(runtime, self, arguments, true, false);
}

Value text_rstrip(Runtime& runtime, const Value& self, Args arguments) {
  return strip_ends(runtime, self, arguments, false, true);
}

Value text_removeprefix(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "removeprefix", arguments, {"prefix"}, 1);
  const std::string prefix = read.text(0, "");
  return runtime.heap.string(starts_with(self.text(), prefix) ? self.text().substr(prefix.size()) : self.text());
}

Value text_removesuffix(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "removesuffix", arguments, {"suffix"}, 1);
  const std::string suffix = read.text(0, "");
  const std::string& text = self.text();
  return runtime.heap.string(ends_with(text, suffix) ? text.substr(0, text.size() - suffix.size()) : text);
}

// --- searching ------------------------------------------------------------------------------------------------------

// The part [start, end) that searching methods look at, as bytes of the text; nothing when start is behind the end.
struct Part {
  size_t first_code_point = 0;
  std::string_view text;
};

std::optional<Part> searched_part(const ArgumentReader& read, const std::string& text) {
  if (read.value(1).is_none() && read.value(2).is_none()) return Part{0, text};
  const auto count = static_cast<int64_t>(count_code_points(text));
  auto place = [&](size_t parameter, int64_t otherwise) {
    if (read.value(parameter).is_none()) return otherwise;
    const int64_t at = read.integer(parameter, otherwise);
    return at < 0 ? std::max<int64_t>(at + count, 0) : at;
  };
  const int64_t start = place(1, 0), end = std::min(place(2, count), count);
  if (start > end) return std::nullopt;
  return Part{static_cast<size_t>(start), code_point_range(text, static_cast<size_t>(start), static_cast<size_t>(end))};
}

int64_t find_in(Runtime& runtime, const char* name, const Value& self, Args arguments, bool last) {
  ArgumentReader read(runtime, name, arguments, {"sub", "start", "end"}, 1);
  runtime.heap.charge(1 + self.text().size() / 16);
  const std::string wanted = read.text(0, "");
  auto part = searched_part(read, self.text());
  if (!part) return -1;
  const size_t at = last ? part->text.rfind(wanted) : part->text.find(wanted);
  if (at == std::string_view::npos) return -1;
  return static_cast<int64_t>(part->first_code_point + count_code_points(part->text.substr(0, at)));
}

Value text_find(Runtime& runtime, const Value& self, Args arguments) {
  return find_in(runtime, "find", self, arguments, false);
}

Value text_rfind(Runtime& runtime, const Value& self, Args arguments) {
  return find_in(runtime, "rfind", self, arguments, true);
}

Value text_index(Runtime& runtime, const Value& self, Args arguments) {
  const int64_t at = find_in(runtime, "index", self, arguments, false);
  if (at < 0) fail("ValueError", "substring not found");
  return at;
}

Value text_rindex(Runtime& runtime, const Value& self, Args arguments) {
  const int64_t at = find_in(runtime, "rindex", self, arguments, true);
  if (at < 0) fail("ValueError", "substring not found");
  return at;
}

Value text_count(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "count", arguments, {"sub", "start", "end"}, 1);
  runtime.heap.charge(1 + self.text().size() / 16);
  const std::string wanted = read.text(0, "");
  auto part = searched_part(read, self.text());
  if (!part) return 0;
  if (wanted.empty()) return static_cast<int64_t>(count_code_points(part->text)) + 1;
  int64_t count = 0;
  for (size_t at = 0; (at = part->text.find(wanted, at)) != std::string_view::npos; at += wanted.size()) ++count;
  return count;
}

Value has_affix(Runtime& runtime, const char* name, const Value& self, Args arguments,
                bool (*has)(std::string_view, std::string_view)) {
  ArgumentReader read(runtime, name, arguments, {"affix", "start", "end"}, 1);
  auto part = searched_part(read, self.text());
  const Value& affix = read.value(0);
  auto matches = [&](const Value& candidate) {
    if (!candidate.is_string()) {
      if (candidate.is_undefined()) fail_undefined(candidate);
      fail("TypeError", std::string(name) + " first arg must be str or a tuple of str, not " + type_name(candidate));
    }
    return part && has(part->text, candidate.text());
  };
  if (!affix.is(Kind::kTuple)) return matches(affix);
  return std::any_of(affix.items().begin(), affix.items().end(), matches);
}

Value text_startswith(Runtime& runtime, const Value& self, Args arguments) {
  return has_affix(runtime, "startswith", self, arguments, starts_with);
}

Value text_endswith(Runtime& runtime, const Value& self, Args arguments) {
  return has_affix(runtime, "endswith", self, arguments, ends_with);
}

Value text_replace(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "replace", arguments, {"old", "new", "count"}, 2);
  const std::string from = read.text(0, ""), to = read.text(1, "");
  const std::string& text = self.text();
  int64_t left = read.integer(2, -1);
  if (left < 0) left = INT64_MAX;
  runtime.heap.charge(1 + text.size() / 16);
  std::string out;
  size_t at = 0;
  auto check = [&] {
    if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
  };
  if (from.empty()) {
    for (; left > 0; --left) {
      out += to;
      check();
      if (at >= text.size()) break;
      const size_t begin = at;
      next_code_point(text, at);
      out.append(text, begin, at - begin);
    }
    return runtime.heap.string(out + text.substr(std::min(at, text.size())));
  }
  for (size_t found; left > 0 && (found = text.find(from, at)) != std::string::npos; --left) {
    out.append(text, at, found - at).append(to);
    check();
    at = found + from.size();
  }
  return runtime.heap.string(out + text.substr(at));
}

// --- splitting and joining ------------------------------------------------------------------------------------------

std::vector<std::string> split_at_spaces(const std::string& text, int64_t limit) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (true) {
    size_t begin = at;
    while (at < text.size() && is_space(next_code_point(text, at))) begin = at;
    if (begin >= text.size()) break;
    if (static_cast<int64_t>(parts.size()) == limit) {
      parts.emplace_back(strip_right(std::string_view(text).substr(begin)));
      break;
    }
    size_t end = begin;
    for (size_t next = begin; next < text.size();) {
      if (is_space(next_code_point(text, next))) break;
      end = next;
    }
    parts.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return parts;
}

std::vector<std::string> split_right_at_spaces(const std::string& text, int64_t limit) {
  const CodePoints points = decode(text);
  const std::u32string_view view(points);
  std::vector<std::string> parts;
  size_t end = points.size();
  while (true) {
    while (end > 0 && is_space(points[end - 1])) --end;
    if (end == 0) break;
    size_t begin = end;
    if (static_cast<int64_t>(parts.size()) == limit) {
      begin = 0;
      while (begin < end && is_space(points[begin])) ++begin;
      parts.push_back(encode(view.substr(begin, end - begin)));
      break;
    }
    while (begin > 0 && !is_space(points[begin - 1])) --begin;
    parts.push_back(encode(view.substr(begin, end - begin)));
    end = begin;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_at(const std::string& text, const std::string& separator, int64_t limit) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t found;
       static_cast<int64_t>(parts.size()) < limit && (found = text.find(separator, at)) != std::string::npos;
       at = found + separator.size()) {
    parts.push_back(text.substr(at, found - at));
  }
  parts.push_back(text.substr(at));
  return parts;
}

std::vector<std::string> split_right_at(const std::string& text, const std::string& separator, int64_t limit) {
  std::vector<std::string> parts;
  std::string_view rest = text;
  for (size_t found; static_cast<int64_t>(parts.size()) < limit && (found = rest.rfind(separator)) != std::string::npos;
       rest = rest.substr(0, found)) {
    parts.emplace_back(rest.substr(found + separator.size()));
  }
  parts.emplace_back(rest);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Value text_list(Runtime& runtime, std::vector<std::string> parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (std::string& part : parts) items.push_back(runtime.heap.string(std::move(part)));
  return runtime.heap.list(std::move(items));
}

Value split_text(Runtime& runtime, const Value& self, Args arguments, bool right) {
  ArgumentReader read(runtime, right ? "rsplit" : "split", arguments, {"sep", "maxsplit"});
  int64_t limit = read.integer(1, -1);
  if (limit < 0) limit = INT64_MAX;
  runtime.heap.charge_bytes(self.text().size());
  if (read.value(0).is_none()) {
    return text_list(runtime, right ? split_right_at_spaces(self.text(), limit) : split_at_spaces(self.text(), limit));
  }
  const std::string separator = read.text(0, "");
  if (separator.empty()) fail("ValueError", "empty separator");
  return text_list(runtime,
                   right ? split_right_at(self.text(), separator, limit) : split_at(self.text(), separator, limit));
}

Value text_split(Runtime& runtime, const Value& self, Args arguments) {
  return split_text(runtime, self, arguments, false);
}

Value text_rsplit(Runtime& runtime, const Value& self, Args arguments) {
  return split_text(runtime, self, arguments, true);
}

bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

Value text_splitlines(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "splitlines", arguments, {"keepends"});
  const bool keep = read.boolean(0, false);
  const std::string& text = self.text();
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const char32_t c = next_code_point(text, i);
    if (!ends_line(c)) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(begin, (keep ? i : end) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return text_list(runtime, std::move(lines));
}

Value partition_text(Runtime& runtime, const Value& self, Args arguments, bool right) {
  ArgumentReader read(runtime, "partition", arguments, {"sep"}, 1);
  const std::string separator = read.text(0, "");
  const std::string& text = self.text();
  if (separator.empty()) fail("ValueError", "empty separator");
  const size_t at = right ? text.rfind(separator) : text.find(separator);
  if (at == std::string::npos) {
    const Value empty = runtime.heap.string("");
    return right ? runtime.heap.tuple({empty, empty, self}) : runtime.heap.tuple({self, empty, empty});
  }
  return runtime.heap.tuple({runtime.heap.string(text.substr(0, at)), runtime.heap.string(separator),
                             runtime.heap.string(text.substr(at + separator.size()))});
}

Value text_partition(Runtime& runtime, const Value& self, Args arguments) {
  return partition_text(runtime, self, arguments, false);
}

Value text_rpartition(Runtime& runtime, const Value& self, Args arguments) {
  return partition_text(runtime, self, arguments, true);
}

Value text_join(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "join", arguments, {"iterable"}, 1);
  if (!is_iterable(read.value(0))) fail("TypeError", "can only join an iterable");
  std::string out;
  size_t index = 0;
  Iterator* iterator = iterate(runtime, read.value(0));
  for (Value item; iterator->next(item); ++index) {
    if (!item.is_string()) {
      fail("TypeError",
           "sequence item " + std::to_string(index) + ": expected str instance, " + type_name(item) + " found");
    }
    if (index) out += self.text();
    out += item.text();
    if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
  }
  return runtime.heap.string(std::move(out));
}

// --- padding --------------------------------------------------------------------------------------------------------

std::string repeated(Runtime& runtime, const std::string& text, int64_t times) {
  if (times > kMaxWidth) fail("LimitError", "a padded text is too wide");
  runtime.heap.charge_bytes(text.size() * static_cast<size_t>(std::max<int64_t>(times, 0)));
  std::string out;
  for (int64_t i = 0; i < times; ++i) out += text;
  return out;
}

// left_share: how many of `missing` blanks stand before the text.
Value pad_text(Runtime& runtime, const char* name, const Value& self, Args arguments,
               int64_t (*left_share)(int64_t missing, int64_t width)) {
  ArgumentReader read(runtime, name, arguments, {"width", "fillchar"}, 1);
  const int64_t width = read.integer(0, 0);
  const std::string filler = read.text(1, " ");
  if (count_code_points(filler) != 1) {
    fail("TypeError", "The fill character must be exactly one character long");
  }
  const int64_t missing = width - static_cast<int64_t>(count_code_points(self.text()));
  if (missing <= 0) return self;
  const int64_t left = left_share(missing, width);
  return runtime.heap.string(repeated(runtime, filler, left) + self.text() + repeated(runtime, filler, missing - left));
}

Value text_center(Runtime& runtime, const Value& self, Args arguments) {
  return pad_text(runtime, "center", self, arguments,
                  [](int64_t missing, int64_t width) { return missing / 2 + (missing & width & 1); });
}

Value text_ljust(Runtime& runtime, const Value& self, Args arguments) {
  return pad_text(runtime, "ljust", self, arguments, [](int64_t, int64_t) { return int64_t{0}; });
}

Value text_rjust(Runtime& runtime, const Value& self, Args arguments) {
  return pad_text(runtime, "rjust", self, arguments, [](int64_t missing, int64_t) { return missing; });
}

Value text_zfill(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "zfill", arguments, {"width"}, 1);
  const std::string& text = self.text();
  const int64_t missing = read.integer(0, 0) - static_cast<int64_t>(count_code_points(text));
  if (missing <= 0) return self;
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return runtime.heap.string(text.substr(0, sign) + repeated(runtime, "0", missing) + text.substr(sign));
}

Value text_expandtabs(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "expandtabs", arguments, {"tabsize"});
  const int64_t size = read.integer(0, 8);
  const std::string& text = self.text();
  std::string out;
  int64_t column = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const char32_t c = next_code_point(text, i);
    if (c == '\t') {
      const int64_t blanks = size > 0 ? size - column % size : 0;
      out += repeated(runtime, " ", blanks);
      column += blanks;
      continue;
    }
    out.append(text, begin, i - begin);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return runtime.heap.string(std::move(out));
}

// --- formatting -----------------------------------------------------------------------------------------------------

Value text_format(Runtime& runtime, const Value& self, Args arguments) {
  return runtime.heap.string(format_braces(runtime, self.text(), arguments));
}

Value text_format_map(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "format_map", arguments, {"mapping"}, 1);
  if (!read.value(0).is(Kind::kDict)) fail("TypeError", "format_map() wants a dict");
  Arguments named;
  for (const auto& [key, value] : read.value(0).dict().entries()) {
    if (key.is_string()) named.named.emplace_back(key.text(), value);
  }
  return runtime.heap.string(format_braces(runtime, self.text(), named));
}

constexpr Method kText[] = {
    {"capitalize", text_capitalize},
    {"casefold", text_casefold},
    {"center", text_center},
    {"count", text_count},
    {"endswith", text_endswith},
    {"expandtabs", text_expandtabs},
    {"find", text_find},
    {"format", text_format},
    {"format_map", text_format_map},
    {"index", text_index},
    {"isalnum", text_every<is_alnum>},
    {"isalpha", text_every<is_alpha>},
    {"isascii", text_isascii},
    {"isdecimal", text_every<is_digit>},
    {"isdigit", text_every<is_digit>},
    {"isidentifier", text_isidentifier},
    {"islower", text_cased<is_lower, is_upper>},
    {"isnumeric", text_every<is_digit>},
    {"isprintable", text_isprintable},
    {"isspace", text_every<is_space>},
    {"istitle", text_istitle},
    {"isupper", text_cased<is_upper, is_lower>},
    {"join", text_join},
    {"ljust", text_ljust},
    {"lower", text_lower},
    {"lstrip", text_lstrip},
    {"partition", text_partition},
    {"removeprefix", text_removeprefix},
    {"removesuffix", text_removesuffix},
    {"replace", text_replace},
    {"rfind", text_rfind},
    {"rindex", text_rindex},
    {"rjust", text_rjust},
    {"rpartition", text_rpartition},
    {"rsplit", text_rsplit},
    {"rstrip", text_rstrip},
    {"split", text_split},
    {"splitlines", text_splitlines},
    {"startswith", text_startswith},
    {"strip", text_strip},
    {"swapcase", text_swapcase},
    {"title", text_title},
    {"upper", text_upper},
    {"zfill", text_zfill},
};

}  // namespace

const Method* find_text_method(const std::string& name) {
  for (const Method& method : kText) {
    if (name == method.name) return &method;
  }
  return nullptr;
}

}  // namespace assay::jinja
