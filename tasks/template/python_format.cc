#include "tasks/template/python_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/text.h"
#include "tasks/template/html.h"
#include "tasks/template/operators.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

constexpr int kMaxFieldWidth = 1 << 24;  // a padded field is at most this wide

void check_size(Runtime& runtime, const std::string& out) {
  if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
}

void append_repr(Runtime& runtime, const Value& value, std::string& out);

void append_repr_items(Runtime& runtime, const std::vector<Value>& items, std::string& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out += ", ";
    append_repr(runtime, items[i], out);
    check_size(runtime, out);
  }
}

void append_repr_dict(Runtime& runtime, const Dict& dict, std::string& out) {
  out += "{";
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) out += ", ";
    first = false;
    append_repr(runtime, key, out);
    out += ": ";
    append_repr(runtime, value, out);
    check_size(runtime, out);
  }
  out += "}";
}

std::string object_repr(Runtime& runtime, const Value& value) {
  std::string out;
  if (auto* range = object_cast<Range>(value)) {
    out = fmt::format("range({}, {}", range->start, range->stop);
    return out + (range->step == 1 ? ")" : fmt::format(", {})", range->step));
  }
  if (auto* view = object_cast<DictView>(value)) {
    out = view->type_name() + "([";
    append_repr_items(runtime, to_vector(runtime, value), out);
    return out + "])";
  }
  if (auto* space = object_cast<Namespace>(value)) {
    out = "<Namespace ";
    append_repr_dict(runtime, space->attributes, out);
    return out + ">";
  }
  if (auto* function = object_cast<Function>(value)) {
    return function->is_method ? "<built-in method " + function->name + " of " + type_name(function->self) + " object>"
                               : "<function " + function->name + ">";
  }
  if (auto* other = object_cast<ObjectWithAttributes>(value)) return other->repr();
  return "<" + value.object().type_name() + " object>";
}

void append_repr(Runtime& runtime, const Value& value, std::string& out) {
  runtime.check_stack();
  runtime.heap.charge(1);
  switch (value.kind()) {
    case Kind::kUndefined:
      out += "Undefined";
      return;
    case Kind::kString:
      runtime.heap.charge_bytes(value.text().size());
      out += value.string().markup ? "Markup(" + string_repr(value.text()) + ")" : string_repr(value.text());
      return;
    case Kind::kList:
      out += "[";
      append_repr_items(runtime, value.items(), out);
      out += "]";
      return;
    case Kind::kTuple:
      out += "(";
      append_repr_items(runtime, value.items(), out);
      out += value.items().size() == 1 ? ",)" : ")";
      return;
    case Kind::kDict:
      append_repr_dict(runtime, value.dict(), out);
      return;
    case Kind::kObject:
      out += object_repr(runtime, value);
      return;
    default:
      append_str(runtime, value, out);
  }
}

// repr() with everything beyond ASCII escaped.
std::string ascii_repr(std::string_view repr_text) {
  std::string out;
  for (size_t i = 0; i < repr_text.size();) {
    char32_t c = next_code_point(repr_text, i);
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else {
      out += c < 0x100     ? fmt::format("\\x{:02x}", static_cast<uint32_t>(c))
             : c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c))
                           : fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out;
}

// Pads a text of `width` code points; align: '<', '>', '^' or '=' (after the first `prefix` bytes: sign and 0x).
std::string pad(Runtime& runtime, const std::string& text, int width, const std::string& filler, char align,
                size_t prefix) {
  const int count = static_cast<int>(std::min<size_t>(count_code_points(text), kMaxFieldWidth));
  if (count >= width) return text;
  const int missing = width - count;
  runtime.heap.charge_bytes(text.size() + static_cast<size_t>(missing) * filler.size());
  auto fill = [&](int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += filler;
    return out;
  };
  switch (align) {
    case '>':
      return fill(missing) + text;
    case '^':
      return fill(missing / 2) + text + fill(missing - missing / 2);
    case '=':
      return text.substr(0, prefix) + fill(missing) + text.substr(prefix);
    default:
      return text + fill(missing);
  }
}

std::string group_digits(const std::string& digits, char separator, size_t group) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i && (digits.size() - i) % group == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

// Magnitude of a real number in Python's e, f, g, % and empty presentation. type 0: as repr, precision -1 = shortest.
std::string real_digits(double value, char type, int precision, bool alternate) {
  const bool upper_case = type == 'E' || type == 'F' || type == 'G';
  if (std::isnan(value)) return upper_case ? "NAN" : "nan";
  if (std::isinf(value)) return upper_case ? "INF" : "inf";
  if (precision > 1000) precision = 1000;
  switch (type) {
    case 'e':
      return alternate ? fmt::format("{:#.{}e}", value, precision) : fmt::format("{:.{}e}", value, precision);
    case 'E':
      return fmt::format("{:.{}E}", value, precision);
    case 'f':
    case 'F':
      return alternate ? fmt::format("{:#.{}f}", value, precision) : fmt::format("{:.{}f}", value, precision);
    case 'G':
      return fmt::format("{:.{}G}", value, precision == 0 ? 1 : precision);
    default:
      return alternate ? fmt::format("{:#.{}g}", value, precision == 0 ? 1 : precision)
                       : fmt::format("{:.{}g}", value, precision == 0 ? 1 : precision);
  }
}

uint64_t magnitude(int64_t value) {
  return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

std::string integer_digits(uint64_t value, char type) {
  switch (type) {
    case 'x':
      return fmt::format("{:x}", value);
    case 'X':
      return fmt::format("{:X}", value);
    case 'o':
      return fmt::format("{:o}", value);
    case 'b':
      return fmt::format("{:b}", value);
    default:
      return fmt::format("{}", value);
  }
}

// int() of a finite real number that fits.
int64_t truncate_real(double value) {
  if (std::isnan(value)) fail("ValueError", "cannot convert float NaN to integer");
  if (std::isinf(value)) fail("OverflowError", "cannot convert float infinity to integer");
  if (value >= 9223372036854775808.0 || value < -9223372036854775808.0) {
    fail("OverflowError", "a whole number is beyond 64 bits");
  }
  return static_cast<int64_t>(value);
}

// --- the % operator -------------------------------------------------------------------------------------------------

struct PercentField {
  bool left = false, plus = false, blank = false, zero = false, alternate = false;
  int width = 0;
  int precision = -1;
  char type = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const String& format, const Value& arguments)
      : runtime_(runtime), format_(format.text), markup_(format.markup), arguments_(arguments) {}

  Value run() {
    std::string out;
    while (at_ < format_.size()) {
      if (format_[at_] != '%') {
        out.push_back(format_[at_++]);
        continue;
      }
      ++at_;
      append_field(out);
      check_size(runtime_, out);
    }
    const bool mapping = arguments_.is(Kind::kDict);
    const size_t given = arguments_.is(Kind::kTuple) ? arguments_.items().size() : 1;
    const bool ignorable = mapping || arguments_.is(Kind::kList) || object_cast<Range>(arguments_);
    if (used_ < given && !(ignorable && !arguments_.is(Kind::kTuple))) {
      fail("TypeError", "not all arguments converted during string formatting");
    }
    return runtime_.heap.string(std::move(out), markup_);
  }

 private:
  Runtime& runtime_;
  const std::string& format_;
  bool markup_;
  const Value& arguments_;
  size_t at_ = 0;
  size_t used_ = 0;

  char take() {
    if (at_ >= format_.size()) fail("ValueError", "incomplete format");
    return format_[at_++];
  }

  Value next_argument() {
    if (arguments_.is(Kind::kTuple)) {
      if (used_ < arguments_.items().size()) return arguments_.items()[used_++];
    } else if (used_ == 0) {
      ++used_;
      return arguments_;
    }
    fail("TypeError", "not enough arguments for format string");
  }

  int number(char& c) {
    if (c == '*') {
      Value value = next_argument();
      if (!value.is_integral()) fail("TypeError", "* wants int");
      c = take();
      return static_cast<int>(std::clamp<int64_t>(value.integer(), -kMaxFieldWidth, kMaxFieldWidth));
    }
    int result = 0;
    for (; c >= '0' && c <= '9'; c = take()) {
      result = result * 10 + (c - '0');
      if (result > kMaxFieldWidth) fail("ValueError", "width too big");
    }
    return result;
  }

  std::optional<Value> named_argument(char& c) {
    if (c != '(') return std::nullopt;
    if (!arguments_.is(Kind::kDict)) fail("TypeError", "format requires a mapping");
    std::string key;
    for (int depth = 1; (c = take()) != ')' || --depth > 0; key.push_back(c)) depth += c == '(';
    c = take();
    const Value* found = arguments_.dict().find_text(key);
    if (!found) fail("KeyError", string_repr(key));
    return *found;
  }

  void append_field(std::string& out) {
    char c = take();
    std::optional<Value> named = named_argument(c);
    PercentField field;
    for (;; c = take()) {
      if (c == '-') {
        field.left = true;
      } else if (c == '+') {
        field.plus = true;
      } else if (c == ' ') {
        field.blank = true;
      } else if (c == '0') {
        field.zero = true;
      } else if (c == '#') {
        field.alternate = true;
      } else {
        break;
      }
    }
    field.width = number(c);
    if (field.width < 0) field.left = true, field.width = -field.width;
    if (c == '.') {
      c = take();
      field.precision = std::max(0, number(c));
    }
    while (c == 'h' || c == 'l' || c == 'L') c = take();
    field.type = c;
    if (c == '%') {
      out.push_back('%');
      return;
    }
    if (std::string_view("diouxXeEfFgGcrsa").find(c) == std::string_view::npos) {
      fail("ValueError", fmt::format("unsupported format character '{}' (0x{:x}) at index {}", c,
                                     static_cast<unsigned char>(c), at_ - 1));
    }
    append_value(field, named ? *named : next_argument(), out);
  }

  void append_value(const PercentField& field, const Value& value, std::string& out) {
    size_t prefix = 0;
    bool numeric = true;
    std::string text;
    switch (field.type) {
      case 's':
      case 'r':
      case 'a':
      case 'c':
        numeric = false;
        text = text_of(field, value);
        break;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        text = integer_of(field, value, prefix);
        break;
      default:
        text = real_of(field, value, prefix);
    }
    const bool zeros = numeric && field.zero && !field.left;
    out += pad(runtime_, text, field.width, zeros ? "0" : " ", field.left ? '<' : zeros ? '=' : '>', prefix);
  }

  std::string text_of(const PercentField& field, const Value& value) {
    if (field.type == 'c') {
      if (value.is_string() && count_code_points(value.text()) == 1) return value.text();
      if (!value.is_integral()) fail("TypeError", "%c requires int or char");
      if (value.integer() < 0 || value.integer() > 0x10FFFF) fail("OverflowError", "%c arg not in range(0x110000)");
      std::string out;
      append_utf8(out, static_cast<char32_t>(value.integer()));
      return out;
    }
    std::string text = field.type == 's' ? str(runtime_, value) : repr(runtime_, value);
    if (field.type == 'a') text = ascii_repr(text);
    if (markup_ && !(value.is_string() && value.string().markup)) text = escape_html(text);
    if (field.precision >= 0) {
      const size_t count = std::min<size_t>(count_code_points(text), static_cast<size_t>(field.precision));
      text = std::string(code_point_range(text, 0, count));
    }
    return text;
  }

  static std::string sign_of(const PercentField& field, bool negative) {
    return negative ? "-" : field.plus ? "+" : field.blank ? " " : "";
  }

  std::string integer_of(const PercentField& field, const Value& value, size_t& prefix) {
    if (value.is_undefined()) fail_undefined(value);
    const bool decimal = field.type == 'd' || field.type == 'i' || field.type == 'u';
    if (!value.is_integral() && !(decimal && value.is(Kind::kFloat))) {
      fail("TypeError", fmt::format("%{} format: {} is required, not {}", field.type,
                                    decimal ? "a real number" : "an integer", type_name(value)));
    }
    const int64_t number_value = value.is_integral() ? value.integer() : truncate_real(value.real());
    std::string text = sign_of(field, number_value < 0);
    if (field.alternate && !decimal) text += std::string("0") + field.type;
    prefix = text.size();
    std::string digits = integer_digits(magnitude(number_value), field.type);
    if (field.precision > static_cast<int>(digits.size())) {
      digits = pad(runtime_, digits, field.precision, "0", '>', 0);
    }
    return text + digits;
  }

  std::string real_of(const PercentField& field, const Value& value, size_t& prefix) {
    if (value.is_undefined()) fail_undefined(value);
    if (!value.is_number()) fail("TypeError", "must be real number, not " + type_name(value));
    const double number_value = value.real();
    std::string text = sign_of(field, std::signbit(number_value) && !std::isnan(number_value));
    prefix = text.size();
    return text +
           real_digits(std::fabs(number_value), field.type, field.precision < 0 ? 6 : field.precision, field.alternate);
  }
};

// --- format() -------------------------------------------------------------------------------------------------------

struct FormatSpec {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  int width = 0;
  char grouping = 0;
  int precision = -1;
  char type = 0;
};

int spec_number(std::string_view spec, size_t& at) {
  int result = 0;
  for (; at < spec.size() && spec[at] >= '0' && spec[at] <= '9'; ++at) {
    result = result * 10 + (spec[at] - '0');
    if (result > kMaxFieldWidth) fail("ValueError", "Too many decimal digits in format string");
  }
  return result;
}

FormatSpec parse_spec(std::string_view spec, const std::string& type) {
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  FormatSpec out;
  size_t at = 0;
  size_t after_fill = 0;
  if (!spec.empty()) next_code_point(spec, after_fill);
  if (after_fill < spec.size() && is_align(spec[after_fill])) {
    out.fill = spec.substr(0, after_fill);
    out.align = spec[after_fill];
    at = after_fill + 1;
  } else if (!spec.empty() && is_align(spec[0])) {
    out.align = spec[0];
    at = 1;
  }
  auto peek = [&] { return at < spec.size() ? spec[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ') out.sign = spec[at++];
  if (peek() == 'z') ++at;
  if (peek() == '#') out.alternate = true, ++at;
  if (peek() == '0') {
    if (!out.align) out.fill = "0", out.align = '=';
    ++at;
  }
  out.width = spec_number(spec, at);
  if (peek() == ',' || peek() == '_') out.grouping = spec[at++];
  if (peek() == '.') {
    size_t digits = ++at;
    out.precision = spec_number(spec, at);
    if (at == digits) fail("ValueError", "Format specifier missing precision");
  }
  if (at < spec.size()) out.type = spec[at++];
  if (at < spec.size()) {
    fail("ValueError", "Invalid format specifier '" + std::string(spec) + "' for object of type '" + type + "'");
  }
  return out;
}

[[noreturn]] void fail_format_code(char code, const Value& value) {
  fail("ValueError", fmt::format("Unknown format code '{}' for object of type '{}'", code, type_name(value)));
}

std::string sign_text(const FormatSpec& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string format_integer(Runtime& runtime, const FormatSpec& spec, const Value& value) {
  const int64_t number = value.integer();
  if (spec.type == 'c') {
    std::string out;
    if (number < 0 || number > 0x10FFFF) fail("OverflowError", "%c arg not in range(0x110000)");
    append_utf8(out, static_cast<char32_t>(number));
    return pad(runtime, out, spec.width, spec.fill, spec.align ? spec.align : '<', 0);
  }
  if (spec.precision >= 0) fail("ValueError", "Precision not allowed in integer format specifier");
  std::string text = sign_text(spec, number < 0);
  if (spec.alternate && (spec.type == 'x' || spec.type == 'X' || spec.type == 'o' || spec.type == 'b')) {
    text += std::string("0") + spec.type;
  }
  const size_t prefix = text.size();
  std::string digits = integer_digits(magnitude(number), spec.type);
  if (spec.grouping)
    digits = group_digits(digits, spec.grouping, spec.type == 0 || spec.type == 'd' || spec.type == 'n' ? 3 : 4);
  return pad(runtime, text + digits, spec.width, spec.fill, spec.align ? spec.align : '>', prefix);
}

std::string format_real(Runtime& runtime, const FormatSpec& spec, const Value& value) {
  double number = value.real();
  std::string text = sign_text(spec, std::signbit(number) && !std::isnan(number));
  const size_t prefix = text.size();
  number = std::fabs(number);
  std::string digits;
  if (spec.type == 0 && spec.precision < 0) {
    digits = float_repr(number);
  } else if (spec.type == 0) {
    digits = real_digits(number, 'g', spec.precision, false);
    if (digits.find_first_not_of("0123456789") == std::string::npos) digits += ".0";
  } else if (spec.type == '%') {
    digits = real_digits(number * 100, 'f', spec.precision < 0 ? 6 : spec.precision, spec.alternate) + "%";
  } else {
    digits = real_digits(number, spec.type == 'n' ? 'g' : spec.type, spec.precision < 0 ? 6 : spec.precision,
                         spec.alternate);
  }
  if (spec.grouping) {
    const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
    digits = group_digits(digits.substr(0, whole), spec.grouping, 3) + digits.substr(whole);
  }
  return pad(runtime, text + digits, spec.width, spec.fill, spec.align ? spec.align : '>', prefix);
}

std::string format_text(Runtime& runtime, const FormatSpec& spec, const Value& value) {
  if (spec.sign != '-') fail("ValueError", "Sign not allowed in string format specifier");
  if (spec.grouping) fail("ValueError", fmt::format("Cannot specify '{}' with 's'.", spec.grouping));
  if (spec.align == '=' && spec.fill != "0") {
    fail("ValueError", "'=' alignment not allowed in string format specifier");
  }
  std::string text = value.text();
  if (spec.precision >= 0) {
    text = std::string(
        code_point_range(text, 0, std::min<size_t>(count_code_points(text), static_cast<size_t>(spec.precision))));
  }
  return pad(runtime, text, spec.width, spec.fill, spec.align && spec.align != '=' ? spec.align : '<', 0);
}

// --- str.format() ---------------------------------------------------------------------------------------------------

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) fail("ValueError", "Max string recursion exceeded");
    std::string out;
    for (size_t i = 0; i < format.size();) {
      const char c = format[i++];
      if (c != '{' && c != '}') {
        out.push_back(c);
        continue;
      }
      if (i < format.size() && format[i] == c) {
        out.push_back(c);
        ++i;
        continue;
      }
      if (c == '}') fail("ValueError", "Single '}' encountered in format string");
      if (i >= format.size()) fail("ValueError", "Single '{' encountered in format string");
      out += field(take_field(format, i), depth);
      check_size(runtime_, out);
    }
    return out;
  }

 private:
  Runtime& runtime_;
  const Arguments& arguments_;
  size_t automatic_ = 0;
  bool uses_automatic_ = false, uses_manual_ = false;

  // The text up to the brace that closes the field at `at`, which moves behind it.
  static std::string_view take_field(std::string_view format, size_t& at) {
    const size_t begin = at;
    for (int open = 1; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return format.substr(begin, at++ - begin);
    }
    fail("ValueError", "expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    size_t end = 0;
    for (bool bracket = false; end < text.size(); ++end) {
      if (text[end] == '[') bracket = true;
      if (text[end] == ']') bracket = false;
      if (!bracket && (text[end] == '!' || text[end] == ':')) break;
    }
    Value value = resolve(text.substr(0, end));
    if (end < text.size() && text[end] == '!') {
      if (end + 1 >= text.size()) fail("ValueError", "end of string while looking for conversion specifier");
      value = convert(value, text[end + 1]);
      end += 2;
      if (end < text.size() && text[end] != ':') fail("ValueError", "expected ':' after conversion specifier");
    }
    std::string spec;
    if (end < text.size()) spec = run(text.substr(end + 1), depth + 1);
    return format_value(runtime_, value, spec);
  }

  Value convert(const Value& value, char conversion) {
    if (conversion == 's') return runtime_.heap.string(str(runtime_, value));
    if (conversion == 'r') return runtime_.heap.string(repr(runtime_, value));
    if (conversion == 'a') return runtime_.heap.string(ascii_repr(repr(runtime_, value)));
    fail("ValueError", fmt::format("Unknown conversion specifier {}", conversion));
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  static int64_t number_of(std::string_view digits) {
    if (digits.size() > 9) fail("ValueError", "Too many decimal digits in format string");
    return std::stoll(std::string(digits));
  }

  Value positional(std::string_view name) {
    (name.empty() ? uses_automatic_ : uses_manual_) = true;
    if (uses_automatic_ && uses_manual_) {
      fail("ValueError", "cannot switch from manual field specification to automatic field numbering");
    }
    const size_t index = name.empty() ? automatic_++ : static_cast<size_t>(number_of(name));
    if (index >= arguments_.positional.size()) {
      fail("IndexError", fmt::format("Replacement index {} out of range for positional args tuple", index));
    }
    return arguments_.positional[index];
  }

  Value named(std::string_view name) {
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    fail("KeyError", string_repr(name));
  }

  // The sandbox of chat templates resolves fields as templates do; otherwise they are Python's own.
  Value attribute_of(const Value& object, const std::string& name) {
    if (runtime_.environment.chat) return get_attribute(runtime_, object, name);
    if (auto found = python_attribute(runtime_, object, name)) return *found;
    fail("AttributeError", "'" + type_name(object) + "' object has no attribute " + string_repr(name));
  }

  Value item_of(const Value& object, const Value& key) {
    const Value item = get_item(runtime_, object, key);
    if (item.is_undefined() && !runtime_.environment.chat) {
      fail(object.is(Kind::kDict) ? "KeyError" : "IndexError", repr(runtime_, key));
    }
    return item;
  }

  Value resolve(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    const std::string_view first = path.substr(0, at);
    Value value = first.empty() || is_number(first) ? positional(first) : named(first);
    while (at < path.size()) {
      if (path[at] == '.') {
        size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        if (end == at + 1) fail("ValueError", "Empty attribute in format string");
        value = attribute_of(value, std::string(path.substr(at + 1, end - at - 1)));
        at = end;
      } else if (path[at] == '[') {
        size_t end = path.find(']', at);
        if (end == std::string_view::npos) fail("ValueError", "Missing ']' in format string");
        const std::string_view key = path.substr(at + 1, end - at - 1);
        if (key.empty()) fail("ValueError", "Empty attribute in format string");
        value = item_of(value, is_number(key) ? Value(number_of(key)) : runtime_.heap.string(std::string(key)));
        at = end + 1;
      } else {
        fail("ValueError", "Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }
};

}  // namespace

void append_str(Runtime& runtime, const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::kUndefined:
      require_defined(runtime, value);
      return;
    case Kind::kNone:
      out += "None";
      return;
    case Kind::kBool:
      out += value.integer() ? "True" : "False";
      return;
    case Kind::kInt:
      out += std::to_string(value.integer());
      return;
    case Kind::kFloat:
      out += float_repr(value.real());
      return;
    case Kind::kString:
      runtime.heap.charge(1 + value.text().size() / 16);
      out += value.text();
      break;
    default:
      append_repr(runtime, value, out);
  }
  check_size(runtime, out);
}

std::string str(Runtime& runtime, const Value& value) {
  std::string out;
  append_str(runtime, value, out);
  return out;
}

std::string repr(Runtime& runtime, const Value& value) {
  std::string out;
  append_repr(runtime, value, out);
  return out;
}

std::optional<double> float_from_text(std::string_view text) {
  std::string digits(strip(text));
  for (size_t i = 1; i + 1 < digits.size(); ++i) {
    const bool parts_digits = digits[i] == '_' && std::isdigit(static_cast<unsigned char>(digits[i - 1])) &&
                              std::isdigit(static_cast<unsigned char>(digits[i + 1]));
    if (parts_digits) digits.erase(i, 1);
  }
  if (digits.empty() || digits.find_first_of("xXpP(_") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size()) return std::nullopt;
  return value;
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string text(buffer, end);
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  text.assign(buffer, end);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string string_repr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const char32_t c = next_code_point(text, i);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out.append(text.substr(begin, i - begin));
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else {
      out += c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c))
                         : fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  out.push_back(quote);
  return out;
}

Value format_percent(Runtime& runtime, const String& format, const Value& arguments) {
  return PercentFormatter(runtime, format, arguments).run();
}

std::string format_braces(Runtime& runtime, const std::string& format, const Arguments& arguments) {
  return BraceFormatter(runtime, arguments).run(format, 0);
}

std::string format_value(Runtime& runtime, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return str(runtime, value);
  if (!value.is_number() && !value.is_string()) {
    require_defined(runtime, value);
    fail("TypeError", "unsupported format string passed to " + type_name(value) + ".__format__");
  }
  const FormatSpec spec = parse_spec(spec_text, type_name(value));
  if (value.is_string()) {
    if (spec.type && spec.type != 's') fail_format_code(spec.type, value);
    return format_text(runtime, spec, value);
  }
  const bool real_type = spec.type && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (value.is(Kind::kFloat) || real_type) {
    if (spec.type && spec.type != 'n' && !real_type) fail_format_code(spec.type, value);
    return format_real(runtime, spec, value);
  }
  if (spec.type && std::string_view("bcdoxXn").find(spec.type) == std::string_view::npos) {
    fail_format_code(spec.type, value);
  }
  return format_integer(runtime, spec, value);
}

}  // namespace assay::jinja
