#include "tasks/template/predicates.h"

#include "tasks/template/argument_reader.h"
#include "tasks/template/filters.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

Value remainder(Runtime& runtime, const Value& value, const Value& divisor) {
  return arithmetic(runtime, Arithmetic::kModulo, value, divisor);
}

Value is_odd(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "odd", arguments);
  return equal(runtime, remainder(runtime, self, 2), 1);
}

Value is_even(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "even", arguments);
  return equal(runtime, remainder(runtime, self, 2), 0);
}

Value is_divisible(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "divisibleby", arguments, {"num"}, 1);
  return equal(runtime, remainder(runtime, self, read.value(0)), 0);
}

Value is_defined(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "defined", arguments);
  return !self.is_undefined();
}

Value is_undefined(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "undefined", arguments);
  return self.is_undefined();
}

Value is_filter(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "filter", arguments);
  return self.is_string() && find_filter(self.text(), runtime.environment.chat) != nullptr;
}

Value is_test(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "test", arguments);
  return self.is_string() && find_test(self.text()) != nullptr;
}

Value is_none(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "none", arguments);
  return self.is_none();
}

Value is_boolean(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "boolean", arguments);
  return self.is(Kind::kBool);
}

Value is_false(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "false", arguments);
  return self.is(Kind::kBool) && self.integer() == 0;
}

Value is_true(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "true", arguments);
  return self.is(Kind::kBool) && self.integer() != 0;
}

Value is_integer(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "integer", arguments);
  return self.is(Kind::kInt);
}

Value is_float(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "float", arguments);
  return self.is(Kind::kFloat);
}

Value is_number(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "number", arguments);
  return self.is_number();
}

Value is_string(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "string", arguments);
  return self.is_string();
}

Value is_mapping(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "mapping", arguments);
  return self.is(Kind::kDict);
}

Value is_sequence(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "sequence", arguments);
  if (self.is_undefined()) return !runtime.environment.strict_undefined;
  return self.is_string() || self.is_sequence() || self.is(Kind::kDict) || object_cast<Range>(self) != nullptr;
}

Value is_iterable_value(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "iterable", arguments);
  require_defined(runtime, self);
  return is_iterable(self);
}

Value is_callable_value(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "callable", arguments);
  return is_callable(self);
}

// Some cased character and none of the other case, in the value's text.
Value is_cased(Runtime& runtime, const Value& self, bool wants_upper) {
  bool some = false;
  for (char32_t c : decode(str(runtime, self))) {
    if (wants_upper ? is_lower(c) : is_upper(c)) return false;
    some = some || (wants_upper ? is_upper(c) : is_lower(c));
  }
  return some;
}

Value is_lower_text(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "lower", arguments);
  return is_cased(runtime, self, false);
}

Value is_upper_text(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "upper", arguments);
  return is_cased(runtime, self, true);
}

Value is_same(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "sameas", arguments, {"other"}, 1);
  return self.same_as(read.value(0));
}

Value is_escaped(Runtime& runtime, const Value& self, Args arguments) {
  no_arguments(runtime, "escaped", arguments);
  return self.is_string() && self.string().markup;
}

Value is_in(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "in", arguments, {"seq"}, 1);
  return contains(runtime, read.value(0), self);
}

template <Comparison kComparison>
Value is_compared(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "comparison", arguments, {"other"}, 1);
  return compare(runtime, kComparison, self, read.value(0));
}

constexpr Filter kTests[] = {
    {"!=", is_compared<Comparison::kNotEqual>},
    {"<", is_compared<Comparison::kLess>},
    {"<=", is_compared<Comparison::kLessEqual>},
    {"==", is_compared<Comparison::kEqual>},
    {">", is_compared<Comparison::kGreater>},
    {">=", is_compared<Comparison::kGreaterEqual>},
    {"boolean", is_boolean},
    {"callable", is_callable_value},
    {"defined", is_defined},
    {"divisibleby", is_divisible},
    {"eq", is_compared<Comparison::kEqual>},
    {"equalto", is_compared<Comparison::kEqual>},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_false},
    {"filter", is_filter},
    {"float", is_float},
    {"ge", is_compared<Comparison::kGreaterEqual>},
    {"greaterthan", is_compared<Comparison::kGreater>},
    {"gt", is_compared<Comparison::kGreater>},
    {"in", is_in},
    {"integer", is_integer},
    {"iterable", is_iterable_value},
    {"le", is_compared<Comparison::kLessEqual>},
    {"lessthan", is_compared<Comparison::kLess>},
    {"lower", is_lower_text},
    {"lt", is_compared<Comparison::kLess>},
    {"mapping", is_mapping},
    {"ne", is_compared<Comparison::kNotEqual>},
    {"none", is_none},
    {"number", is_number},
    {"odd", is_odd},
    {"sameas", is_same},
    {"sequence", is_sequence},
    {"string", is_string},
    {"test", is_test},
    {"true", is_true},
    {"undefined", is_undefined},
    {"upper", is_upper_text},
};

}  // namespace

Function::Body find_test(const std::string& name) {
  for (const Filter& row : kTests) {
    if (name == row.name) return row.body;
  }
  return nullptr;
}

}  // namespace assay::jinja
