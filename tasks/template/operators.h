// What Python's operators and protocols do to values: truth, comparison, arithmetic, len(), in, [], dots, iteration.
// All throw PythonError with Python's class; whole numbers beyond 64 bits are an OverflowError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/template/objects.h"

namespace assay::jinja {

enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

// Throws the error that a use of an undefined value is.
[[noreturn]] void fail_undefined(const Value& value);
// The same, only in an environment in which every use is an error.
void require_defined(Runtime& runtime, const Value& value);

bool truth(Runtime& runtime, const Value& value);
bool equal(Runtime& runtime, const Value& a, const Value& b);
// `<` as sort, min and max need it.
bool less(Runtime& runtime, const Value& a, const Value& b);
bool compare(Runtime& runtime, Comparison comparison, const Value& a, const Value& b);
bool contains(Runtime& runtime, const Value& container, const Value& item);

Value arithmetic(Runtime& runtime, Arithmetic operation, const Value& a, const Value& b);
Value negate(Runtime& runtime, const Value& value, bool minus);

// len(); nothing when the value has none.
std::optional<int64_t> length(Runtime& runtime, const Value& value);
// As length, throws TypeError.
int64_t require_length(Runtime& runtime, const Value& value);

bool is_iterable(const Value& value);
bool is_callable(const Value& value);
// iter(). Throws TypeError for what cannot be iterated. The iterator lives on the heap.
Iterator* iterate(Runtime& runtime, const Value& value);
// list().
std::vector<Value> to_vector(Runtime& runtime, const Value& value);

// object[key] and object.name with Jinja's fallback of one on the other; Undefined when there is neither.
Value get_item(Runtime& runtime, const Value& object, const Value& key);
Value get_attribute(Runtime& runtime, const Value& object, const std::string& name);
// Only attributes and methods of Python, not items: what the filter `attr` sees.
std::optional<Value> python_attribute(Runtime& runtime, const Value& object, const std::string& name);
// object[start:stop:step]; none where a bound is left out.
Value slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step);

// Text of code points [begin, end), with end <= number of code points.
std::string_view code_point_range(std::string_view text, size_t begin, size_t end);

}  // namespace assay::jinja
