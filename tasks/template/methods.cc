#include "tasks/template/methods.h"

#include <algorithm>
#include <cmath>

#include "tasks/template/argument_reader.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

// --- list and tuple -------------------------------------------------------------------------------------------------

Value sequence_index(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "index", arguments, {"value", "start", "stop"}, 1);
  const auto& items = self.items();
  const auto count = static_cast<int64_t>(items.size());
  auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count); };
  const int64_t stop = place(read.integer(2, count));
  for (int64_t i = place(read.integer(1, 0)); i < stop; ++i) {
    if (equal(runtime, items[static_cast<size_t>(i)], read.value(0))) return i;
  }
  if (self.is(Kind::kTuple)) fail("ValueError", "tuple.index(x): x not in tuple");
  fail("ValueError", repr(runtime, read.value(0)) + " is not in list");
}

Value sequence_count(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "count", arguments, {"value"}, 1);
  int64_t count = 0;
  for (const Value& item : self.items()) count += equal(runtime, item, read.value(0));
  return count;
}

Value list_copy(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "copy", arguments, {});
  return runtime.heap.list(self.items());
}

Value list_append(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "append", arguments, {"object"}, 1);
  runtime.heap.charge(2);
  self.items().push_back(read.value(0));
  return Value();
}

Value list_extend(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "extend", arguments, {"iterable"}, 1);
  const std::vector<Value> more = to_vector(runtime, read.value(0));
  self.items().insert(self.items().end(), more.begin(), more.end());
  return Value();
}

Value list_insert(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "insert", arguments, {"index", "object"}, 2);
  auto& items = self.items();
  const auto count = static_cast<int64_t>(items.size());
  const int64_t index = read.integer(0, 0);
  runtime.heap.charge(2 + items.size() / 16);
  items.insert(items.begin() + std::clamp<int64_t>(index < 0 ? index + count : index, 0, count), read.value(1));
  return Value();
}

Value list_pop(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "pop", arguments, {"index"});
  auto& items = self.items();
  const auto count = static_cast<int64_t>(items.size());
  if (items.empty()) fail("IndexError", "pop from empty list");
  int64_t index = read.integer(0, -1);
  if (index < 0) index += count;
  if (index < 0 || index >= count) fail("IndexError", "pop index out of range");
  Value popped = items[static_cast<size_t>(index)];
  items.erase(items.begin() + index);
  return popped;
}

Value list_remove(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "remove", arguments, {"value"}, 1);
  auto& items = self.items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!equal(runtime, items[i], read.value(0))) continue;
    items.erase(items.begin() + static_cast<ptrdiff_t>(i));
    return Value();
  }
  fail("ValueError", "list.remove(x): x not in list");
}

Value list_reverse(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "reverse", arguments, {});
  std::reverse(self.items().begin(), self.items().end());
  return Value();
}

Value list_clear(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "clear", arguments, {});
  self.items().clear();
  return Value();
}

Value list_sort(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "sort", arguments, {"reverse"});
  std::vector<Value> items = self.items();
  const bool reverse = read.boolean(0, false);
  std::stable_sort(items.begin(), items.end(),
                   [&](const Value& a, const Value& b) { return reverse ? less(runtime, b, a) : less(runtime, a, b); });
  self.items() = std::move(items);
  return Value();
}

// --- dict -----------------------------------------------------------------------------------------------------------

Value dict_view(Runtime& runtime, const Value& self, DictView::Part part) {
  DictView* view = runtime.heap.make<DictView>();
  view->dict = &self.dict();
  view->part = part;
  return view;
}

Value dict_items(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "items", arguments, {});
  return dict_view(runtime, self, DictView::Part::kItems);
}

Value dict_keys(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "keys", arguments, {});
  return dict_view(runtime, self, DictView::Part::kKeys);
}

Value dict_values(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "values", arguments, {});
  return dict_view(runtime, self, DictView::Part::kValues);
}

Value dict_get(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "get", arguments, {"key", "default"}, 1);
  require_defined(runtime, read.value(0));
  const Value* found = self.dict().find(read.value(0));
  return found ? *found : read.value(1);
}

Value dict_copy(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "copy", arguments, {});
  runtime.heap.charge_items(self.dict().size(), 4);
  Dict* copy = runtime.heap.make<Dict>();
  *copy = self.dict();
  return copy;
}

Value dict_update(Runtime& runtime, const Value& self, Args arguments) {
  if (arguments.positional.size() > 1) fail("TypeError", "update expected at most 1 argument");
  if (!arguments.positional.empty()) {
    const Value& other = arguments.positional[0];
    if (!other.is(Kind::kDict)) fail("TypeError", "update() wants a dict, not " + type_name(other));
    const std::vector<Dict::Entry> entries = other.dict().entries();
    runtime.heap.charge_items(entries.size(), 4);
    for (const auto& [key, value] : entries) self.dict().set(key, value);
  }
  for (const auto& [name, value] : arguments.named) self.dict().set(runtime.heap.string(name), value);
  return Value();
}

Value dict_pop(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "pop", arguments, {"key", "default"}, 1);
  const Value* found = self.dict().find(read.value(0));
  if (!found) {
    if (read.has(1)) return read.value(1);
    fail("KeyError", repr(runtime, read.value(0)));
  }
  Value popped = *found;
  runtime.heap.charge(self.dict().size());
  self.dict().erase(read.value(0));
  return popped;
}

Value dict_popitem(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "popitem", arguments, {});
  if (self.dict().size() == 0) fail("KeyError", "'popitem(): dictionary is empty'");
  const Dict::Entry last = self.dict().entries().back();
  runtime.heap.charge(self.dict().size());
  self.dict().erase(last.first);
  return runtime.heap.tuple({last.first, last.second});
}

Value dict_setdefault(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "setdefault", arguments, {"key", "default"}, 1);
  if (const Value* found = self.dict().find(read.value(0))) return *found;
  runtime.heap.charge(4);
  self.dict().set(read.value(0), read.value(1));
  return read.value(1);
}

Value dict_clear(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "clear", arguments, {});
  self.dict().clear();
  return Value();
}

// --- numbers --------------------------------------------------------------------------------------------------------

Value integer_bit_length(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "bit_length", arguments, {});
  const int64_t value = self.integer();
  const uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  return magnitude ? 64 - __builtin_clzll(magnitude) : 0;
}

Value real_is_integer(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "is_integer", arguments, {});
  return std::isfinite(self.real()) && self.real() == std::floor(self.real());
}

// --- cycler ---------------------------------------------------------------------------------------------------------

Value cycler_next(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "next", arguments, {});
  auto& cycler = static_cast<Cycler&>(self.object());
  Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value cycler_reset(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "reset", arguments, {});
  static_cast<Cycler&>(self.object()).position = 0;
  return Value();
}

// --- tables ---------------------------------------------------------------------------------------------------------

constexpr Method kTuple[] = {{"count", sequence_count}, {"index", sequence_index}};
constexpr Method kList[] = {{"count", sequence_count}, {"index", sequence_index}, {"copy", list_copy}};
constexpr Method kListChanging[] = {{"append", list_append},   {"clear", list_clear}, {"extend", list_extend},
                                    {"insert", list_insert},   {"pop", list_pop},     {"remove", list_remove},
                                    {"reverse", list_reverse}, {"sort", list_sort}};
constexpr Method kDict[] = {
    {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", dict_copy}};
constexpr Method kDictChanging[] = {{"clear", dict_clear},
                                    {"pop", dict_pop},
                                    {"popitem", dict_popitem},
                                    {"setdefault", dict_setdefault},
                                    {"update", dict_update}};
constexpr Method kInteger[] = {{"bit_length", integer_bit_length}};
constexpr Method kReal[] = {{"is_integer", real_is_integer}};
constexpr Method kCycler[] = {{"next", cycler_next}, {"reset", cycler_reset}};

template <size_t kCount>
const Method* find(const Method (&table)[kCount], const std::string& name) {
  for (const Method& method : table) {
    if (name == method.name) return &method;
  }
  return nullptr;
}

const Method* find_method(const Value& object, const std::string& name) {
  switch (object.kind()) {
    case Kind::kString:
      return find_text_method(name);
    case Kind::kList:
      return find(kList, name);
    case Kind::kTuple:
      return find(kTuple, name);
    case Kind::kDict:
      return find(kDict, name);
    case Kind::kBool:
    case Kind::kInt:
      return find(kInteger, name);
    case Kind::kFloat:
      return find(kReal, name);
    case Kind::kObject:
      return object_cast<Cycler>(object) ? find(kCycler, name) : nullptr;
    default:
      return nullptr;
  }
}

const Method* find_changing_method(const Value& object, const std::string& name) {
  if (object.is(Kind::kList)) return find(kListChanging, name);
  return object.is(Kind::kDict) ? find(kDictChanging, name) : nullptr;
}

}  // namespace

std::optional<Value> bound_method(Runtime& runtime, const Value& object, const std::string& name) {
  const Method* method = find_method(object, name);
  if (!method) {
    method = find_changing_method(object, name);
    if (!method) return std::nullopt;
    if (runtime.environment.chat) {
      return runtime.heap.undefined(
          "access to attribute " + string_repr(name) + " of " + string_repr(type_name(object)) + " object is unsafe.",
          "SecurityError");
    }
  }
  Function* function = runtime.heap.make<Function>();
  function->name = name;
  function->self = object;
  function->body = method->body;
  function->is_method = true;
  return function;
}

}  // namespace assay::jinja
