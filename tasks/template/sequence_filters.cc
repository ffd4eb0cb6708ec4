// Filters on sequences. Those that are generators in Jinja are lazy here too: nothing is computed, and no error
// raised, before an item is asked for.
#include <algorithm>
#include <functional>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/filters.h"
#include "tasks/template/operators.h"
#include "tasks/template/predicates.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;
using Getter = std::function<Value(const Value&)>;

Iterator* generator(Runtime& runtime, std::function<bool(Value&)> next, const char* name = "generator") {
  Iterator* iterator = runtime.heap.make<Iterator>();
  iterator->name = name;
  iterator->next = std::move(next);
  return iterator;
}

Iterator* generator_of(Runtime& runtime, std::vector<Value> items, const char* name = "generator") {
  runtime.heap.charge_items(items.size());
  return generator(
      runtime,
      [items = std::move(items), at = size_t{0}](Value& item) mutable {
        if (at >= items.size()) return false;
        item = items[at++];
        return true;
      },
      name);
}

// --- what an item is compared or mapped by --------------------------------------------------------------------------

// "a.b.0" -> keys "a", "b", 0.
std::vector<Value> attribute_path(Runtime& runtime, const Value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  std::vector<Value> path;
  for (const std::string& part : split(attribute.text(), '.')) {
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    path.push_back(number ? Value(int64_t{std::stoll(part)}) : runtime.heap.string(part));
  }
  return path;
}

Value ignore_case(Runtime& runtime, const Value& value) {
  return value.is_string() ? runtime.heap.string(lower_text(value.text())) : value;
}

Getter getter_of(Runtime& runtime, const Value& attribute, bool case_sensitive, const Value& otherwise = Value()) {
  return [&runtime, path = attribute_path(runtime, attribute), case_sensitive, otherwise](const Value& item) {
    Value value = item;
    for (const Value& key : path) {
      value = get_item(runtime, value, key);
      if (value.is_undefined() && !otherwise.is_none()) value = otherwise;
    }
    return case_sensitive ? value : ignore_case(runtime, value);
  };
}

// As getter_of for "a,b": a list of the values, which compares part by part.
Getter getter_of_many(Runtime& runtime, const Value& attribute, bool case_sensitive) {
  std::vector<Getter> getters;
  if (attribute.is_string()) {
    for (const std::string& part : split(attribute.text(), ',')) {
      getters.push_back(getter_of(runtime, runtime.heap.string(part), case_sensitive));
    }
  } else {
    getters.push_back(getter_of(runtime, attribute, case_sensitive));
  }
  return [&runtime, getters = std::move(getters)](const Value& item) {
    std::vector<Value> values;
    for (const Getter& getter : getters) values.push_back(getter(item));
    return runtime.heap.list(std::move(values));
  };
}

struct Keyed {
  Value key, item;
};

std::vector<Keyed> sorted_by(Runtime& runtime, const std::vector<Value>& items, const Getter& getter, bool reverse) {
  std::vector<Keyed> keyed;
  keyed.reserve(items.size());
  for (const Value& item : items) keyed.push_back({getter(item), item});
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(runtime, b.key, a.key) : less(runtime, a.key, b.key);
  });
  return keyed;
}

Value items_of(Runtime& runtime, const std::vector<Keyed>& keyed) {
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (const Keyed& entry : keyed) items.push_back(entry.item);
  return runtime.heap.list(std::move(items));
}

// --- order ----------------------------------------------------------------------------------------------------------

Value filter_sort(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const Getter getter = getter_of_many(runtime, read.value(2), read.boolean(1, false));
  return items_of(runtime, sorted_by(runtime, to_vector(runtime, self), getter, read.boolean(0, false)));
}

Value filter_dictsort(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = read.text(1, "key");
  if (by != "key" && by != "value") {
    fail("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
  }
  if (self.is_undefined()) fail_undefined(self);
  if (!self.is(Kind::kDict)) fail("AttributeError", "'" + type_name(self) + "' object has no attribute 'items'");
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict().entries()) pairs.push_back(runtime.heap.tuple({key, value}));
  const Getter getter = getter_of(runtime, Value(by == "key" ? 0 : 1), read.boolean(0, false));
  return items_of(runtime, sorted_by(runtime, pairs, getter, read.boolean(2, false)));
}

Value extreme(Runtime& runtime, const char* name, const Value& self, Args arguments, bool largest) {
  ArgumentReader read(runtime, name, arguments, {"case_sensitive", "attribute"});
  const Getter getter = getter_of(runtime, read.value(1), read.boolean(0, false));
  const std::vector<Value> items = to_vector(runtime, self);
  if (items.empty()) return runtime.heap.undefined("No aggregated item, sequence was empty.");
  Keyed best{getter(items[0]), items[0]};
  for (size_t i = 1; i < items.size(); ++i) {
    const Value key = getter(items[i]);
    if (compare(runtime, largest ? Comparison::kGreater : Comparison::kLess, key, best.key)) best = {key, items[i]};
  }
  return best.item;
}

Value filter_min(Runtime& runtime, const Value& self, Args arguments) {
  return extreme(runtime, "min", self, arguments, false);
}

Value filter_max(Runtime& runtime, const Value& self, Args arguments) {
  return extreme(runtime, "max", self, arguments, true);
}

Value filter_unique(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "unique", arguments, {"case_sensitive", "attribute"});
  Getter getter = getter_of(runtime, read.value(1), read.boolean(0, false));
  Iterator* source = iterate(runtime, self);
  Dict* seen = runtime.heap.make<Dict>();
  return generator(runtime, [&runtime, getter = std::move(getter), source, seen](Value& item) {
    while (source->next(item)) {
      const Value key = getter(item);
      require_defined(runtime, key);
      if (seen->find(key)) continue;
      runtime.heap.charge(4);
      seen->set(key, Value());
      return true;
    }
    return false;
  });
}

Value filter_groupby(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const bool case_sensitive = read.boolean(2, false);
  const Getter getter = getter_of(runtime, read.value(0), case_sensitive, read.value(1));
  const Getter shown = getter_of(runtime, read.value(0), true, read.value(1));
  const std::vector<Keyed> sorted = sorted_by(runtime, to_vector(runtime, self), getter, false);
  std::vector<Value> groups;
  for (size_t begin = 0, end; begin < sorted.size(); begin = end) {
    std::vector<Value> members;
    for (end = begin; end < sorted.size() && equal(runtime, sorted[end].key, sorted[begin].key); ++end) {
      members.push_back(sorted[end].item);
    }
    if (end == begin) members.push_back(sorted[end++].item);  // NaN differs from itself
    const Value grouper = shown(members[0]);
    Value group = runtime.heap.tuple({grouper, runtime.heap.list(std::move(members))});
    group.sequence().is_group = true;
    groups.push_back(group);
  }
  return runtime.heap.list(std::move(groups));
}

Value filter_reverse(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "reverse", arguments, {});
  if (self.is_string()) {
    CodePoints points = decode(self.text());
    std::reverse(points.begin(), points.end());
    return runtime.heap.string(encode(points), self.string().markup);
  }
  if (!is_iterable(self)) fail("FilterArgumentError", "argument must be iterable");
  std::vector<Value> items = to_vector(runtime, self);
  std::reverse(items.begin(), items.end());
  if (object_cast<Iterator>(self)) return runtime.heap.list(std::move(items));
  const char* name = self.is(Kind::kList)    ? "list_reverseiterator"
                     : self.is(Kind::kDict)  ? "dict_reversekeyiterator"
                     : self.is(Kind::kTuple) ? "reversed"
                                             : "range_iterator";
  return generator_of(runtime, std::move(items), name);
}

// --- parts ----------------------------------------------------------------------------------------------------------

Value filter_first(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "first", arguments, {});
  Value item;
  if (iterate(runtime, self)->next(item)) return item;
  return runtime.heap.undefined("No first item, sequence was empty.");
}

Value filter_last(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "last", arguments, {});
  if (!is_iterable(self) || object_cast<Iterator>(self)) {
    fail("TypeError", "'" + type_name(self) + "' object is not reversible");
  }
  const std::vector<Value> items = to_vector(runtime, self);
  return items.empty() ? runtime.heap.undefined("No last item, sequence was empty.") : items.back();
}

Value filter_length(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "length", arguments, {});
  return require_length(runtime, self);
}

Value filter_list(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "list", arguments, {});
  return runtime.heap.list(to_vector(runtime, self));
}

Value filter_items(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "items", arguments, {});
  std::vector<Value> pairs;
  if (self.is_undefined()) return generator_of(runtime, std::move(pairs));
  if (!self.is(Kind::kDict)) fail("TypeError", "Can only get item pairs from a mapping.");
  for (const auto& [key, value] : self.dict().entries()) pairs.push_back(runtime.heap.tuple({key, value}));
  return generator_of(runtime, std::move(pairs));
}

Value filter_batch(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "batch", arguments, {"linecount", "fill_with"}, 1);
  const int64_t count = read.integer(0, 1);
  std::vector<Value> rows, row;
  auto end_row = [&] { rows.push_back(runtime.heap.list(std::exchange(row, {}))); };
  for (const Value& item : to_vector(runtime, self)) {
    if (static_cast<int64_t>(row.size()) == count) end_row();
    row.push_back(item);
  }
  if (!row.empty()) {
    const int64_t missing = count - static_cast<int64_t>(row.size());
    if (!read.value(1).is_none() && missing > 0) {
      runtime.heap.charge_items(static_cast<size_t>(missing));
      row.insert(row.end(), static_cast<size_t>(missing), read.value(1));
    }
    end_row();
  }
  return generator_of(runtime, std::move(rows));
}

Value filter_slice(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "slice", arguments, {"slices", "fill_with"}, 1);
  const int64_t slices = read.integer(0, 1);
  const std::vector<Value> items = to_vector(runtime, self);
  if (slices == 0) fail("ZeroDivisionError", "integer division or modulo by zero");
  std::vector<Value> rows;
  if (slices < 0) return generator_of(runtime, std::move(rows));
  const size_t count = static_cast<size_t>(slices);
  const size_t base = items.size() / count, longer = items.size() % count;
  runtime.heap.charge_items(count, 2);
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = base + (i < longer ? 1 : 0);
    std::vector<Value> row(items.begin() + static_cast<ptrdiff_t>(at),
                           items.begin() + static_cast<ptrdiff_t>(at + size));
    if (!read.value(1).is_none() && i >= longer) row.push_back(read.value(1));
    rows.push_back(runtime.heap.list(std::move(row)));
    at += size;
  }
  return generator_of(runtime, std::move(rows));
}

// --- sums -----------------------------------------------------------------------------------------------------------

Value filter_sum(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "sum", arguments, {"attribute", "start"});
  const Getter getter = getter_of(runtime, read.value(0), true);
  Value sum = read.value(1, 0);
  if (sum.is_string()) fail("TypeError", "sum() can't sum strings [use ''.join(seq) instead]");
  Iterator* iterator = iterate(runtime, self);
  for (Value item; iterator->next(item);) sum = arithmetic(runtime, Arithmetic::kAdd, sum, getter(item));
  return sum;
}

Value filter_join(Runtime& runtime, const Value& self, Args arguments) {
  ArgumentReader read(runtime, "join", arguments, {"d", "attribute"});
  const Getter getter = getter_of(runtime, read.value(1), true);
  const std::string separator = read.has(0) ? str(runtime, read.value(0)) : "";
  std::string out;
  Iterator* iterator = iterate(runtime, self);
  bool first = true;
  for (Value item; iterator->next(item); first = false) {
    if (!first) out += separator;
    append_str(runtime, getter(item), out);
  }
  return runtime.heap.string(std::move(out));
}

// --- map, select, reject --------------------------------------------------------------------------------------------

std::optional<Value> named_argument(Args arguments, const char* name) {
  for (const auto& [known, value] : arguments.named) {
    if (known == name) return value;
  }
  return std::nullopt;
}

Getter mapping_of(Runtime& runtime, Args arguments) {
  auto attribute = named_argument(arguments, "attribute");
  if (arguments.positional.empty() && attribute) {
    for (const auto& [name, value] : arguments.named) {
      if (name == "attribute" || name == "default") continue;
      fail("FilterArgumentError", "Unexpected keyword argument " + string_repr(name));
    }
    return getter_of(runtime, *attribute, true, named_argument(arguments, "default").value_or(Value()));
  }
  if (arguments.positional.empty()) fail("FilterArgumentError", "map requires a filter argument");
  const std::string name = str(runtime, arguments.positional[0]);
  Function::Body filter = find_filter(name, runtime.environment.chat);
  if (!filter) fail("TemplateRuntimeError", "No filter named " + string_repr(name) + ".");
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  return [&runtime, filter, rest = std::move(rest)](const Value& item) { return filter(runtime, item, rest); };
}

Value filter_map(Runtime& runtime, const Value& self, Args arguments) {
  return generator(runtime, [&runtime, self, arguments, source = static_cast<Iterator*>(nullptr),
                             mapping = Getter()](Value& item) mutable {
    if (!source) {
      if (!truth(runtime, self)) return false;
      mapping = mapping_of(runtime, arguments);
      source = iterate(runtime, self);
    }
    if (!source->next(item)) return false;
    item = mapping(item);
    return true;
  });
}

// Whether an item is selected: by a test, or by its own truth; of the item itself or of its attribute.
std::function<bool(const Value&)> selection_of(Runtime& runtime, Args arguments, bool by_attribute) {
  if (by_attribute && arguments.positional.empty()) {
    fail("FilterArgumentError", "Missing parameter for attribute name");
  }
  Getter getter =
      by_attribute ? getter_of(runtime, arguments.positional[0], true) : [](const Value& item) { return item; };
  const size_t used = by_attribute ? 1 : 0;
  if (arguments.positional.size() == used) {
    return [&runtime, getter = std::move(getter)](const Value& item) { return truth(runtime, getter(item)); };
  }
  const std::string name = str(runtime, arguments.positional[used]);
  Function::Body test = find_test(name);
  if (!test) fail("TemplateRuntimeError", "No test named " + string_repr(name) + ".");
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<ptrdiff_t>(used + 1));
  return [&runtime, getter = std::move(getter), test, rest = std::move(rest)](const Value& item) {
    return truth(runtime, test(runtime, getter(item), rest));
  };
}

template <bool kWanted, bool kByAttribute>
Value filter_select(Runtime& runtime, const Value& self, Args arguments) {
  return generator(runtime, [&runtime, self, arguments, source = static_cast<Iterator*>(nullptr),
                             selected = std::function<bool(const Value&)>()](Value& item) mutable {
    if (!source) {
      if (!truth(runtime, self)) return false;
      selected = selection_of(runtime, arguments, kByAttribute);
      source = iterate(runtime, self);
    }
    while (source->next(item)) {
      if (selected(item) == kWanted) return true;
    }
    return false;
  });
}

constexpr Filter kSequenceFilters[] = {
    {"batch", filter_batch},
    {"count", filter_length},
    {"dictsort", filter_dictsort},
    {"first", filter_first},
    {"groupby", filter_groupby},
    {"items", filter_items},
    {"join", filter_join},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"map", filter_map},
    {"max", filter_max},
    {"min", filter_min},
    {"reject", filter_select<false, false>},
    {"rejectattr", filter_select<false, true>},
    {"reverse", filter_reverse},
    {"select", filter_select<true, false>},
    {"selectattr", filter_select<true, true>},
    {"slice", filter_slice},
    {"sort", filter_sort},
    {"sum", filter_sum},
    {"unique", filter_unique},
};

}  // namespace

Function::Body find_sequence_filter(const std::string& name) {
  for (const Filter& filter : kSequenceFilters) {
    if (name == filter.name) return filter.body;
  }
  return nullptr;
}

}  // namespace assay::jinja
