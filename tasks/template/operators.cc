#include "tasks/template/operators.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "tasks/template/html.h"
#include "tasks/template/methods.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

const char* symbol(Arithmetic operation) {
  switch (operation) {
    case Arithmetic::kAdd:
      return "+";
    case Arithmetic::kSubtract:
      return "-";
    case Arithmetic::kMultiply:
      return "*";
    case Arithmetic::kDivide:
      return "/";
    case Arithmetic::kFloorDivide:
      return "//";
    case Arithmetic::kModulo:
      return "%";
    case Arithmetic::kPower:
      break;
  }
  return "** or pow()";
}

const char* symbol(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual:
      return "==";
    case Comparison::kNotEqual:
      return "!=";
    case Comparison::kLess:
      return "<";
    case Comparison::kLessEqual:
      return "<=";
    case Comparison::kGreater:
      return ">";
    case Comparison::kGreaterEqual:
      break;
  }
  return ">=";
}

[[noreturn]] void fail_operands(const std::string& operation, const Value& a, const Value& b) {
  fail("TypeError",
       "unsupported operand type(s) for " + operation + ": '" + type_name(a) + "' and '" + type_name(b) + "'");
}

[[noreturn]] void fail_overflow() {
  fail("OverflowError", "a whole number is beyond 64 bits");
}

bool equal_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(runtime, a[i], b[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key);
    if (!other || !equal(runtime, value, *other)) return false;
  }
  return true;
}

bool equal_objects(Runtime& runtime, const Value& a, const Value& b) {
  if (a.same_as(b)) return true;
  auto* left = object_cast<Range>(a);
  auto* right = object_cast<Range>(b);
  if (left && right) {
    int64_t count = left->length();
    if (count != right->length()) return false;
    return count == 0 || (left->start == right->start && (count == 1 || left->step == right->step));
  }
  auto* left_view = object_cast<DictView>(a);
  auto* right_view = object_cast<DictView>(b);
  if (!left_view || !right_view || left_view->part != right_view->part) return false;
  if (left_view->part == DictView::Part::kItems) return equal_dicts(runtime, *left_view->dict, *right_view->dict);
  if (left_view->part == DictView::Part::kValues) return false;
  if (left_view->dict->size() != right_view->dict->size()) return false;
  for (const auto& entry : left_view->dict->entries()) {
    if (!right_view->dict->find(entry.first)) return false;
  }
  return true;
}

// A whole number and a real one, compared without rounding the whole one: -1, 0, 1, or 2 for NaN.
int order_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  long double x = a.is_integral() ? static_cast<long double>(a.integer()) : a.real();
  long double y = b.is_integral() ? static_cast<long double>(b.integer()) : b.real();
  if (std::isnan(x) || std::isnan(y)) return 2;
  return x < y ? -1 : x > y;
}

bool holds(Comparison comparison, int order) {
  if (order == 2) return comparison == Comparison::kNotEqual;
  switch (comparison) {
    case Comparison::kEqual:
      return order == 0;
    case Comparison::kNotEqual:
      return order != 0;
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessEqual:
      return order <= 0;
    case Comparison::kGreater:
      return order > 0;
    case Comparison::kGreaterEqual:
      break;
  }
  return order >= 0;
}

bool compare_order(Runtime& runtime, Comparison comparison, const Value& a, const Value& b) {
  runtime.check_stack();
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) return holds(comparison, order_numbers(a, b));
  if (a.is_string() && b.is_string()) {
    runtime.heap.charge(1 + std::min(a.text().size(), b.text().size()) / 64);
    return holds(comparison, a.text().compare(b.text()));  // the order of UTF-8 bytes is the order of code points
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const auto& x = a.items();
    const auto& y = b.items();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(runtime, x[i], y[i])) return compare_order(runtime, comparison, x[i], y[i]);
    }
    return holds(comparison, x.size() < y.size() ? -1 : x.size() > y.size());
  }
  fail("TypeError", std::string("'") + symbol(comparison) + "' not supported between instances of '" + type_name(a) +
                        "' and '" + type_name(b) + "'");
}

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return result;
}

Value integer_arithmetic(Arithmetic operation, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (operation) {
    case Arithmetic::kAdd:
      if (__builtin_add_overflow(a, b, &result)) fail_overflow();
      return result;
    case Arithmetic::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) fail_overflow();
      return result;
    case Arithmetic::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) fail_overflow();
      return result;
    case Arithmetic::kDivide:
      if (b == 0) fail("ZeroDivisionError", "division by zero");
      return static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b));
    case Arithmetic::kFloorDivide:
      if (b == 0) fail("ZeroDivisionError", "integer division or modulo by zero");
      if (a == INT64_MIN && b == -1) fail_overflow();
      return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
    case Arithmetic::kModulo:
      if (b == 0) fail("ZeroDivisionError", "integer modulo by zero");
      if (b == -1) return 0;
      result = a % b;
      return result != 0 && (result < 0) != (b < 0) ? result + b : result;
    case Arithmetic::kPower:
      break;
  }
  if (b >= 0) return integer_power(a, b);
  if (a == 0) fail("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  return std::pow(static_cast<double>(a), static_cast<double>(b));
}

double real_modulo(double a, double b) {
  double result = std::fmod(a, b);
  if (result != 0) return (b < 0) != (result < 0) ? result + b : result;
  return std::copysign(0.0, b);
}

Value real_power(double a, double b) {
  if (a == 0 && b < 0) fail("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
    fail("TypeError", "a negative number to a fractional power is complex, which templates do not have");
  }
  double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    fail("OverflowError", "(34, 'Numerical result out of range')");
  }
  return result;
}

// Python's floor division rounds through the remainder, which differs from floor(a / b) at the last bit.
double real_floor_division(double a, double b) {
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (b < 0) != (remainder < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value real_arithmetic(Arithmetic operation, double a, double b) {
  switch (operation) {
    case Arithmetic::kAdd:
      return a + b;
    case Arithmetic::kSubtract:
      return a - b;
    case Arithmetic::kMultiply:
      return a * b;
    case Arithmetic::kDivide:
      if (b == 0) fail("ZeroDivisionError", "float division by zero");
      return a / b;
    case Arithmetic::kFloorDivide:
      if (b == 0) fail("ZeroDivisionError", "float floor division by zero");
      return real_floor_division(a, b);
    case Arithmetic::kModulo:
      if (b == 0) fail("ZeroDivisionError", "float modulo");
      return real_modulo(a, b);
    case Arithmetic::kPower:
      break;
  }
  return real_power(a, b);
}

Value repeat(Runtime& runtime, const Value& value, int64_t times) {
  const size_t count = times > 0 ? static_cast<size_t>(times) : 0;
  if (value.is_string()) {
    const std::string& text = value.text();
    size_t bytes = 0;
    if (__builtin_mul_overflow(text.size(), count, &bytes)) bytes = SIZE_MAX;
    runtime.heap.charge_bytes(bytes);
    std::string out;
    out.reserve(bytes);
    for (size_t i = 0; i < count && !text.empty(); ++i) out += text;
    return runtime.heap.string(std::move(out), value.string().markup);
  }
  std::vector<Value> items;
  const std::vector<Value>& source = value.items();
  runtime.heap.charge_items(source.size(), count);
  for (size_t i = 0; i < count && !source.empty(); ++i) items.insert(items.end(), source.begin(), source.end());
  return value.is(Kind::kList) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
}

Value concatenate_texts(Runtime& runtime, const Value& a, const Value& b) {
  runtime.heap.charge_bytes(a.text().size() + b.text().size());
  const bool left = a.string().markup, right = b.string().markup;
  if (left == right) return runtime.heap.string(a.text() + b.text(), left);
  return runtime.heap.string((left ? a.text() : escape_html(a.text())) + (right ? b.text() : escape_html(b.text())),
                             true);
}

Value add(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return concatenate_texts(runtime, a, b);
  if (a.is_sequence() && a.kind() == b.kind()) {
    runtime.heap.charge_items(a.items().size() + b.items().size());
    std::vector<Value> items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return a.is(Kind::kList) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
  }
  if (a.is_string()) {
    fail("TypeError", "can only concatenate str (not \"" + type_name(b) + "\") to str");
  }
  if (a.is_sequence()) {
    fail("TypeError", "can only concatenate " + type_name(a) + " (not \"" + type_name(b) + "\") to " + type_name(a));
  }
  fail_operands("+", a, b);
}

// An index that Python would accept; nothing for any other value.
std::optional<int64_t> as_index(const Value& value) {
  if (value.is_integral()) return value.integer();
  return std::nullopt;
}

// The position of a possibly negative index, nothing when it is outside.
std::optional<size_t> resolve_index(int64_t index, int64_t count) {
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<size_t>(index);
}

std::optional<Value> text_item(Runtime& runtime, const Value& object, int64_t index) {
  const std::string& text = object.text();
  runtime.heap.charge(1 + text.size() / 64);
  auto at = resolve_index(index, static_cast<int64_t>(is_ascii(text) ? text.size() : count_code_points(text)));
  if (!at) return std::nullopt;
  return runtime.heap.string(std::string(code_point_range(text, *at, *at + 1)));
}

// object[key] of Python; nothing where Python raises LookupError or TypeError.
std::optional<Value> python_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::kDict)) {
    if (key.is_undefined()) require_defined(runtime, key);
    if (key.is(Kind::kList) || key.is(Kind::kDict)) return std::nullopt;
    const Value* found = object.dict().find(key);
    if (found) return *found;
    return std::nullopt;
  }
  auto index = as_index(key);
  if (!index) return std::nullopt;
  if (object.is_sequence()) {
    auto at = resolve_index(*index, static_cast<int64_t>(object.items().size()));
    if (at) return object.items()[*at];
    return std::nullopt;
  }
  if (object.is_string()) return text_item(runtime, object, *index);
  if (auto* range = object_cast<Range>(object)) {
    auto at = resolve_index(*index, range->length());
    if (at) return Value(range->at(static_cast<int64_t>(*at)));
  }
  return std::nullopt;
}

std::string python_type_in_messages(const Value& object) {
  if (object.is_none()) return "None";
  const std::string name = type_name(object);
  if (object.is(Kind::kObject)) {
    if (name == "Namespace" || name == "Cycler" || name == "Joiner") return "jinja2.utils." + name + " object";
    if (name == "Macro" || name == "LoopContext") return "jinja2.runtime." + name + " object";
  }
  if (name == "Markup") return "markupsafe.Markup object";
  return name + " object";
}

Value missing_item(Runtime& runtime, const Value& object, const Value& key) {
  if (key.is_string()) {
    return runtime.heap.undefined(string_repr(python_type_in_messages(object)) + " has no attribute " +
                                  string_repr(key.text()));
  }
  return runtime.heap.undefined(python_type_in_messages(object) + " has no element " + repr(runtime, key));
}

// Python's slice.indices().
struct SliceBounds {
  int64_t start, stop, step;
};

int64_t slice_bound(const Value& value) {
  if (value.is_integral()) return value.integer();
  if (value.is_undefined()) fail_undefined(value);
  fail("TypeError", "slice indices must be integers or None or have an __index__ method");
}

SliceBounds slice_bounds(const Value& start, const Value& stop, const Value& step, int64_t count) {
  SliceBounds bounds{};
  bounds.step = step.is_none() ? 1 : slice_bound(step);
  if (bounds.step == 0) fail("ValueError", "slice step cannot be zero");
  const int64_t lowest = bounds.step > 0 ? 0 : -1;
  const int64_t highest = bounds.step > 0 ? count : count - 1;
  auto place = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = slice_bound(value);
    if (at < 0) at += count;  // cannot overflow: at is negative, count is not
    return std::clamp(at, lowest, highest);
  };
  bounds.start = place(start, bounds.step > 0 ? lowest : highest);
  bounds.stop = place(stop, bounds.step > 0 ? highest : lowest);
  return bounds;
}

template <typename Take>
void walk_slice(const SliceBounds& bounds, Take take) {
  if (bounds.step > 0) {
    for (int64_t i = bounds.start; i < bounds.stop;) {
      take(static_cast<size_t>(i));
      if (__builtin_add_overflow(i, bounds.step, &i)) break;
    }
  } else {
    for (int64_t i = bounds.start; i > bounds.stop;) {
      take(static_cast<size_t>(i));
      if (__builtin_add_overflow(i, bounds.step, &i)) break;
    }
  }
}

Value slice_text(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  const std::string& text = object.text();
  runtime.heap.charge_bytes(text.size());
  const bool ascii = is_ascii(text);
  const int64_t count = static_cast<int64_t>(ascii ? text.size() : count_code_points(text));
  const SliceBounds bounds = slice_bounds(start, stop, step, count);
  if (bounds.step == 1) {
    if (bounds.start >= bounds.stop) return runtime.heap.string("", object.string().markup);
    return runtime.heap.string(
        std::string(code_point_range(text, static_cast<size_t>(bounds.start), static_cast<size_t>(bounds.stop))),
        object.string().markup);
  }
  std::string out;
  if (ascii) {
    walk_slice(bounds, [&](size_t i) { out.push_back(text[i]); });
  } else {
    const CodePoints points = decode(text);
    walk_slice(bounds, [&](size_t i) { append_utf8(out, points[i]); });
  }
  return runtime.heap.string(std::move(out), object.string().markup);
}

Value slice_range(Runtime& runtime, const Range& range, const Value& start, const Value& stop, const Value& step) {
  const SliceBounds bounds = slice_bounds(start, stop, step, range.length());
  Range* part = runtime.heap.make<Range>();
  int64_t offset_start = 0, offset_stop = 0;
  if (__builtin_mul_overflow(range.step, bounds.step, &part->step) ||
      __builtin_mul_overflow(bounds.start, range.step, &offset_start) ||
      __builtin_mul_overflow(bounds.stop, range.step, &offset_stop) ||
      __builtin_add_overflow(range.start, offset_start, &part->start) ||
      __builtin_add_overflow(range.start, offset_stop, &part->stop)) {
    fail_overflow();
  }
  return part;
}

}  // namespace

void fail_undefined(const Value& value) {
  fail(value.undefined().error_type, value.undefined().message);
}

void require_defined(Runtime& runtime, const Value& value) {
  if (!value.is_undefined() || !runtime.environment.strict_undefined) return;
  if (!value.undefined().lenient) fail_undefined(value);
}

bool truth(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      require_defined(runtime, value);
      return false;
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.real() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return value.dict().size() > 0;
    case Kind::kObject:
      break;
  }
  auto count = length(runtime, value);
  return !count || *count > 0;
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  runtime.check_stack();
  runtime.heap.charge(1);
  if (a.is_undefined() || b.is_undefined()) {
    require_defined(runtime, a);
    require_defined(runtime, b);
    return a.kind() == b.kind();
  }
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
      return equal_items(runtime, a.items(), b.items());
    case Kind::kDict:
      return equal_dicts(runtime, a.dict(), b.dict());
    case Kind::kObject:
      return equal_objects(runtime, a, b);
    default:
      return true;  // none
  }
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  return compare(runtime, Comparison::kLess, a, b);
}

bool compare(Runtime& runtime, Comparison comparison, const Value& a, const Value& b) {
  if (comparison == Comparison::kEqual) return equal(runtime, a, b);
  if (comparison == Comparison::kNotEqual) return !equal(runtime, a, b);
  runtime.heap.charge(1);
  return compare_order(runtime, comparison, a, b);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      fail("TypeError", "'in <string>' requires string as left operand, not " + type_name(item));
    }
    runtime.heap.charge(1 + container.text().size() / 64);
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) {
    require_defined(runtime, item);
    return container.dict().find(item) != nullptr;
  }
  if (container.is_sequence()) {
    for (const Value& candidate : container.items()) {
      if (equal(runtime, candidate, item)) return true;
    }
    return false;
  }
  if (auto* range = object_cast<Range>(container); range && item.is_integral()) {
    const __int128 offset = static_cast<__int128>(item.integer()) - range->start;
    return offset % range->step == 0 && offset / range->step >= 0 && offset / range->step < range->length();
  }
  if (!is_iterable(container) && !container.is_undefined()) {
    fail("TypeError", "argument of type '" + type_name(container) + "' is not iterable");
  }
  Iterator* iterator = iterate(runtime, container);
  for (Value candidate; iterator->next(candidate);) {
    if (equal(runtime, candidate, item)) return true;
  }
  return false;
}

Value arithmetic(Runtime& runtime, Arithmetic operation, const Value& a, const Value& b) {
  // str % anything formats, and prints an undefined argument as text.
  if (operation == Arithmetic::kModulo && a.is_string()) return format_percent(runtime, a.string(), b);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(operation, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return real_arithmetic(operation, a.real(), b.real());
  if (operation == Arithmetic::kAdd) return add(runtime, a, b);
  if (operation == Arithmetic::kMultiply) {
    const bool a_repeats = a.is_string() || a.is_sequence();
    const bool b_repeats = b.is_string() || b.is_sequence();
    if (a_repeats && b.is_integral()) return repeat(runtime, a, b.integer());
    if (b_repeats && a.is_integral()) return repeat(runtime, b, a.integer());
    if (a_repeats || b_repeats) {
      fail("TypeError", "can't multiply sequence by non-int of type '" + type_name(a_repeats ? b : a) + "'");
    }
  }
  fail_operands(symbol(operation), a, b);
}

Value negate(Runtime&, const Value& value, bool minus) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is(Kind::kFloat)) return minus ? -value.real() : value.real();
  if (!value.is_integral()) {
    fail("TypeError",
         std::string("bad operand type for unary ") + (minus ? "-" : "+") + ": '" + type_name(value) + "'");
  }
  if (!minus) return value.integer();
  if (value.integer() == INT64_MIN) fail_overflow();
  return -value.integer();
}

std::optional<int64_t> length(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      require_defined(runtime, value);
      return 0;
    case Kind::kString:
      runtime.heap.charge(1 + value.text().size() / 64);
      return static_cast<int64_t>(count_code_points(value.text()));
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<int64_t>(value.items().size());
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().size());
    case Kind::kObject:
      if (auto* range = object_cast<Range>(value)) return range->length();
      if (auto* view = object_cast<DictView>(value)) return static_cast<int64_t>(view->dict->size());
      if (auto* object = object_cast<ObjectWithAttributes>(value)) return object->length();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

int64_t require_length(Runtime& runtime, const Value& value) {
  auto count = length(runtime, value);
  if (!count) fail("TypeError", "object of type '" + type_name(value) + "' has no len()");
  return *count;
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
      return true;
    case Kind::kObject:
      return object_cast<Iterator>(value) || object_cast<Range>(value) || object_cast<DictView>(value);
    default:
      return false;
  }
}

bool is_callable(const Value& value) {
  if (object_cast<Function>(value) || object_cast<Joiner>(value)) return true;
  if (value.is_undefined()) return true;  // the class has __call__, which raises
  auto* object = object_cast<ObjectWithAttributes>(value);
  return object && object->is_callable();
}

Iterator* iterate(Runtime& runtime, const Value& value) {
  if (auto* iterator = object_cast<Iterator>(value)) return iterator;
  require_defined(runtime, value);
  Iterator* iterator = runtime.heap.make<Iterator>();
  Heap* heap = &runtime.heap;
  switch (value.kind()) {
    case Kind::kUndefined:
      iterator->next = [](Value&) { return false; };
      return iterator;
    case Kind::kString:
      iterator->next = [heap, text = &value.text(), at = size_t{0}](Value& out) mutable {
        if (at >= text->size()) return false;
        size_t begin = at;
        next_code_point(*text, at);
        out = heap->string(text->substr(begin, at - begin));
        return true;
      };
      return iterator;
    case Kind::kList:
    case Kind::kTuple:
      iterator->next = [heap, items = &value.items(), at = size_t{0}](Value& out) mutable {
        heap->charge(1);
        if (at >= items->size()) return false;
        out = (*items)[at++];
        return true;
      };
      return iterator;
    case Kind::kDict:
      iterator->next = [heap, dict = &value.dict(), at = size_t{0}](Value& out) mutable {
        heap->charge(1);
        if (at >= dict->size()) return false;
        out = dict->entries()[at++].first;
        return true;
      };
      return iterator;
    default:
      break;
  }
  if (auto* range = object_cast<Range>(value)) {
    iterator->next = [heap, range, count = range->length(), at = int64_t{0}](Value& out) mutable {
      heap->charge(1);
      if (at >= count) return false;
      out = range->at(at++);
      return true;
    };
    return iterator;
  }
  if (auto* view = object_cast<DictView>(value)) {
    iterator->next = [heap, view, at = size_t{0}](Value& out) mutable {
      heap->charge(1);
      if (at >= view->dict->size()) return false;
      const auto& [key, item] = view->dict->entries()[at++];
      out = view->part == DictView::Part::kKeys     ? key
            : view->part == DictView::Part::kValues ? item
                                                    : heap->tuple({key, item});
      return true;
    };
    return iterator;
  }
  fail("TypeError", "'" + type_name(value) + "' object is not iterable");
}

std::vector<Value> to_vector(Runtime& runtime, const Value& value) {
  if (value.is_sequence()) {
    runtime.heap.charge_items(value.items().size());
    return value.items();
  }
  std::vector<Value> items;
  Iterator* iterator = iterate(runtime, value);
  for (Value item; iterator->next(item);) {
    runtime.heap.charge(2);
    items.push_back(item);
  }
  return items;
}

std::optional<Value> python_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto* space = object_cast<Namespace>(object)) {
    const Value* found = space->attributes.find_text(name);
    if (found) return *found;
    return std::nullopt;
  }
  if (starts_with(name, "__") && ends_with(name, "__")) {
    return runtime.heap.undefined(
        "access to attribute " + string_repr(name) + " of " + string_repr(type_name(object)) + " object is unsafe.",
        "SecurityError");
  }
  if (object.is_sequence() && object.sequence().is_group) {
    if (name == "grouper") return object.items()[0];
    if (name == "list") return object.items()[1];
  }
  if (object.is_integral() && (name == "real" || name == "numerator")) return object.integer();
  if (object.is_integral() && name == "imag") return 0;
  if (object.is_integral() && name == "denominator") return 1;
  if (object.is(Kind::kFloat) && name == "real") return object.real();
  if (object.is(Kind::kFloat) && name == "imag") return 0.0;
  if (auto* range = object_cast<Range>(object)) {
    if (name == "start") return range->start;
    if (name == "stop") return range->stop;
    if (name == "step") return range->step;
  }
  if (auto* cycler = object_cast<Cycler>(object); cycler && name == "current") return cycler->items[cycler->position];
  if (auto* other = object_cast<ObjectWithAttributes>(object)) return other->attribute(runtime, name);
  return bound_method(runtime, object, name);
}

Value get_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  if (auto found = python_attribute(runtime, object, name)) return *found;
  if (object.is(Kind::kDict)) {
    if (const Value* found = object.dict().find_text(name)) return *found;
  }
  return missing_item(runtime, object, runtime.heap.string(name));
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto found = python_item(runtime, object, key)) return *found;
  if (key.is_string()) {
    if (auto found = python_attribute(runtime, object, key.text())) return *found;
  }
  return missing_item(runtime, object, key);
}

Value slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is_undefined()) fail_undefined(object);
  if (object.is_string()) return slice_text(runtime, object, start, stop, step);
  if (auto* range = object_cast<Range>(object)) return slice_range(runtime, *range, start, stop, step);
  if (!object.is_sequence()) {
    return runtime.heap.undefined(python_type_in_messages(object) + " has no element slice(" + repr(runtime, start) +
                                  ", " + repr(runtime, stop) + ", " + repr(runtime, step) + ")");
  }
  std::vector<Value> items;
  const SliceBounds bounds = slice_bounds(start, stop, step, static_cast<int64_t>(object.items().size()));
  walk_slice(bounds, [&](size_t i) { items.push_back(object.items()[i]); });
  return object.is(Kind::kList) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
}

std::string_view code_point_range(std::string_view text, size_t begin, size_t end) {
  if (is_ascii(text)) return text.substr(begin, end - begin);
  size_t at = 0;
  size_t index = 0;
  for (; index < begin; ++index) next_code_point(text, at);
  const size_t first = at;
  for (; index < end; ++index) next_code_point(text, at);
  return text.substr(first, at - first);
}

}  // namespace assay::jinja
