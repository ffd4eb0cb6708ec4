// Filters on single values, and the lookup of all of them. Texts: text_filters.cc, sequences: sequence_filters.cc.
#include "tasks/template/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/json_text.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

Value filter_abs(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "abs", arguments, {});
  if (self.is(Kind::kFloat)) return std::fabs(self.real());
  if (!self.is_integral()) fail("TypeError", "bad operand type for abs(): '" + type_name(self) + "'");
  return negate(runtime, self, self.integer() < 0);
}

Value filter_attr(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "attr", arguments, {"name"}, 1);
  const std::string name = read.text(0, "");
  if (auto found = python_attribute(runtime, self, name)) return *found;
  return runtime.heap.undefined("'" + type_name(self) + " object' has no attribute " + string_repr(name));
}

Value filter_default(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "default", arguments, {"default_value", "boolean"});
  const bool replaced = self.is_undefined() || (read.boolean(1, false) && !truth(runtime, self));
  return replaced ? read.value(0, runtime.heap.string("")) : self;
}

// int(text, base); nothing where Python raises ValueError. OverflowError beyond 64 bits.
std::optional<int64_t> parse_integer(std::string_view text, int64_t base) {
  text = strip(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == 0 || base == marked)) {
      base = marked;
      text.remove_prefix(text[2] == '_' ? 3 : 2);
    }
  }
  if (base == 0) base = 10;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool inner_underscore = text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_';
    if (!inner_underscore) digits.push_back(text[i]);
  }
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  if (negative) digits.insert(digits.begin(), '-');
  int64_t value = 0;
  auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (end != digits.data() + digits.size() || status == std::errc::invalid_argument) return std::nullopt;
  if (status != std::errc()) fail("OverflowError", "the whole number " + digits + " is beyond 64 bits");
  return value;
}

// int() of a real number; nothing for NaN.
std::optional<int64_t> truncated(double value) {
  if (std::isnan(value)) return std::nullopt;
  if (std::isinf(value)) fail("OverflowError", "cannot convert float infinity to integer");
  if (value >= 9223372036854775808.0 || value < -9223372036854775808.0) {
    fail("OverflowError", "the whole number " + float_repr(value) + " is beyond 64 bits");
  }
  return static_cast<int64_t>(value);
}

Value filter_int(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "int", arguments, {"default", "base"});
  const Value otherwise = read.value(0, 0);
  if (self.is_undefined()) fail_undefined(self);
  if (self.is_integral()) return self.integer();
  if (self.is(Kind::kFloat)) {
    auto value = truncated(self.real());
    return value ? Value(*value) : otherwise;
  }
  if (!self.is_string()) return otherwise;
  const int64_t base = read.integer(1, 10);
  if (base == 0 || (base >= 2 && base <= 36)) {
    if (auto value = parse_integer(self.text(), base)) return *value;
  }
  auto real = float_from_text(self.text());
  if (!real || std::isinf(*real)) return otherwise;
  auto value = truncated(*real);
  return value ? Value(*value) : otherwise;
}

Value filter_float(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "float", arguments, {"default"});
  if (self.is_undefined()) fail_undefined(self);
  if (self.is_number()) return self.real();
  auto value = self.is_string() ? float_from_text(self.text()) : std::nullopt;
  return value ? Value(*value) : read.value(0, 0.0);
}

// round(value, precision): halves to even, of the number as it is and not as it prints.
Value round_common(const Value& value, int64_t precision) {
  if (value.is_integral() && precision >= 0) return value.integer();
  precision = std::clamp<int64_t>(precision, -400, 400);
  if (precision >= 0) {
    if (!std::isfinite(value.real())) return value.real();
    return std::strtod(fmt::format("{:.{}f}", value.real(), precision).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  const double rounded = std::isinf(unit) ? 0.0 : std::nearbyint(value.real() / unit) * unit;
  if (value.is_integral()) return static_cast<int64_t>(rounded);
  return rounded;
}

Value filter_round(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "round", arguments, {"precision", "method"});
  const std::string method = read.text(1, "common");
  const int64_t precision = read.integer(0, 0);
  if (method != "common" && method != "ceil" && method != "floor") {
    fail("FilterArgumentError", "method must be common, ceil or floor");
  }
  if (!self.is_number()) fail("TypeError", "type " + type_name(self) + " doesn't define __round__ method");
  if (method == "common") return round_common(self, precision);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.real() * unit;
  if (!std::isfinite(scaled)) fail("OverflowError", "cannot convert float infinity to integer");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

// Jinja's own: for HTML.
Value filter_tojson(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "tojson", arguments, {"indent"});
  JsonStyle style;
  style.sort_keys = true;
  if (!read.value(0).is_none())
    style.indent = std::string(static_cast<size_t>(std::clamp<int64_t>(read.integer(0, 0), 0, 64)), ' ');
  std::string text = json_dumps(runtime, self, style);
  for (const auto& [from, to] :
       {std::pair("<", "\\u003c"), std::pair(">", "\\u003e"), std::pair("&", "\\u0026"), std::pair("'", "\\u0027")}) {
    text = replace_all(std::move(text), from, to);
  }
  return runtime.heap.string(std::move(text), true);
}

// Hugging Face's: json.dumps(value, ensure_ascii=False, ...).
Value filter_tojson_chat(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = read.boolean(0, false);
  const Value indent = read.value(1);
  if (indent.is_string()) {
    style.indent = indent.text();
  } else if (!indent.is_none()) {
    style.indent = std::string(static_cast<size_t>(std::clamp<int64_t>(read.integer(1, 0), 0, 64)), ' ');
  }
  if (const Value separators = read.value(2); !separators.is_none()) {
    const std::vector<Value> pair = to_vector(runtime, separators);
    if (pair.size() != 2) fail("ValueError", "separators must be a pair of texts");
    style.item_separator = str(runtime, pair[0]);
    style.key_separator = str(runtime, pair[1]);
  }
  style.sort_keys = read.boolean(3, false);
  return runtime.heap.string(json_dumps(runtime, self, style));
}

// A copy whose dicts are sorted by key, as pprint shows them.
Value with_sorted_dicts(Runtime& runtime, const Value& value) {
  runtime.check_stack();
  if (value.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(with_sorted_dicts(runtime, item));
    return value.is(Kind::kList) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
  }
  if (!value.is(Kind::kDict)) return value;
  std::vector<Dict::Entry> entries = value.dict().entries();
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const Dict::Entry& a, const Dict::Entry& b) { return less(runtime, a.first, b.first); });
  Dict* sorted = runtime.heap.make<Dict>();
  for (const auto& [key, item] : entries) sorted->set(key, with_sorted_dicts(runtime, item));
  return sorted;
}

Value filter_pprint(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "pprint", arguments, {});
  std::string text = repr(runtime, with_sorted_dicts(runtime, self));
  if (count_code_points(text) > 80)
    fail("ValueError", "pprint of a value that needs more than one line is not supported");
  return runtime.heap.string(std::move(text));
}

Value filter_random(Runtime&, const Value&, Args) {
  fail("TypeError", "the filter random makes prompts that differ from run to run, which is not supported");
}

constexpr Filter kFilters[] = {
    {"abs", filter_abs},         {"attr", filter_attr},     {"d", filter_default},
    {"default", filter_default}, {"float", filter_float},   {"int", filter_int},
    {"pprint", filter_pprint},   {"random", filter_random}, {"round", filter_round},
};

}  // namespace

Function::Body find_filter(const std::string& name, bool chat) {
  if (name == "tojson") return chat ? filter_tojson_chat : filter_tojson;
  if (name == "regex_replace") return chat ? nullptr : regex_replace;
  for (const Filter& filter : kFilters) {
    if (name == filter.name) return filter.body;
  }
  if (Function::Body found = find_text_filter(name)) return found;
  return find_sequence_filter(name);
}

}  // namespace assay::jinja
