#include "tasks/template/value.h"

#include <cmath>
#include <functional>

namespace assay::jinja {
namespace {

constexpr size_t kScannedEntries = 8;  // a dict up to this size is searched without an index

// Equality of hashable values, as keys of a dict see it.
bool equal_keys(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
    return a.real() == b.real();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kTuple:
      if (a.items().size() != b.items().size()) return false;
      for (size_t i = 0; i < a.items().size(); ++i) {
        if (!equal_keys(a.items()[i], b.items()[i])) return false;
      }
      return true;
    case Kind::kUndefined:
      return true;
    default:
      return a.same_as(b);
  }
}

size_t hash_within(const Value& value, int depth) {
  switch (value.kind()) {
    case Kind::kNone:
    case Kind::kUndefined:
      return 0x9E3779B9u + static_cast<size_t>(value.kind());
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return std::hash<double>()(value.real());
    case Kind::kString:
      return std::hash<std::string>()(value.text());
    case Kind::kTuple: {
      if (depth > 100) fail("RecursionError", "maximum recursion depth exceeded while hashing");
      size_t hash = 0x345678;
      for (const Value& item : value.items()) hash = hash * 1000003 ^ hash_within(item, depth + 1);
      return hash;
    }
    case Kind::kObject:
      return std::hash<const void*>()(&value.object());
    case Kind::kList:
    case Kind::kDict:
      break;
  }
  fail("TypeError", "unhashable type: '" + type_name(value) + "'");
}

}  // namespace

void fail(std::string type, std::string message) {
  throw PythonError{std::move(type), std::move(message)};
}

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  if (kind_ == Kind::kFloat) return float_ == other.float_;
  if (kind_ == Kind::kString) return string_ == other.string_ || string_->text == other.string_->text;
  if (kind_ == Kind::kTuple && sequence_->items.empty() && other.sequence_->items.empty()) return true;
  return kind_ == Kind::kNone || int_ == other.int_;
}

size_t hash_of(const Value& value) {
  return hash_within(value, 0);
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.string().markup ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return value.sequence().is_group ? "_GroupTuple" : "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      break;
  }
  return value.object().type_name();
}

std::optional<size_t> Dict::position(const Value& key) const {
  const size_t hash = hash_of(key);
  if (entries_.size() <= kScannedEntries) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (equal_keys(entries_[i].first, key)) return i;
    }
    return std::nullopt;
  }
  auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (equal_keys(entries_[it->second].first, key)) return it->second;
  }
  return std::nullopt;
}

const Value* Dict::find(const Value& key) const {
  auto at = position(key);
  return at ? &entries_[*at].second : nullptr;
}

const Value* Dict::find_text(std::string_view key) const {
  if (entries_.size() <= kScannedEntries) {
    for (const Entry& entry : entries_) {
      if (entry.first.is_string() && entry.first.text() == key) return &entry.second;
    }
    return nullptr;
  }
  String text;
  text.text = key;
  return find(Value(&text));
}

void Dict::set(const Value& key, const Value& value) {
  if (auto at = position(key)) {
    entries_[*at].second = value;
    return;
  }
  entries_.emplace_back(key, value);
  if (entries_.size() == kScannedEntries + 1) {
    rebuild_index();
  } else if (entries_.size() > kScannedEntries) {
    index_.emplace(hash_of(key), entries_.size() - 1);
  }
}

bool Dict::erase(const Value& key) {
  auto at = position(key);
  if (!at) return false;
  entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(*at));
  rebuild_index();
  return true;
}

void Dict::clear() {
  entries_.clear();
  index_.clear();
}

void Dict::rebuild_index() {
  index_.clear();
  if (entries_.size() <= kScannedEntries) return;
  for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(hash_of(entries_[i].first), i);
}

void Heap::out_of_steps() {
  steps_left_ = 0;
  fail("LimitError", "the template takes too many steps; it may never end");
}

void Heap::charge_bytes(size_t bytes) {
  if (bytes > max_bytes_) {
    fail("LimitError",
         "a text of " + std::to_string(bytes) + " bytes is over the limit of " + std::to_string(max_bytes_) + " bytes");
  }
  charge(1 + bytes / 16);
}

void Heap::charge_items(size_t count, size_t repeats) {
  size_t total = 0;
  if (__builtin_mul_overflow(count, repeats, &total)) total = SIZE_MAX;
  charge(total > SIZE_MAX / 2 ? SIZE_MAX : 2 * total);
}

Value Heap::string(std::string text, bool markup) {
  charge_bytes(text.size());
  String* made = make<String>();
  made->text = std::move(text);
  made->markup = markup;
  return Value(made);
}

Value Heap::sequence(Kind kind, std::vector<Value> items) {
  charge_items(items.size());
  Sequence* made = make<Sequence>();
  made->items = std::move(items);
  return Value(kind, made);
}

Value Heap::undefined(std::string message, std::string error_type) {
  Undefined* made = make<Undefined>();
  made->message = std::move(message);
  made->error_type = std::move(error_type);
  return Value(made);
}

Value from_json(Heap& heap, const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        fail("OverflowError", "the whole number " + json.dump() + " of the context is beyond 64 bits");
      }
      return json.get<int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return heap.string(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(heap, item));
      return heap.list(std::move(items));
    }
    case Json::value_t::object: {
      Dict* dict = heap.make<Dict>();
      for (const auto& [key, item] : json.items()) dict->set(heap.string(key), from_json(heap, item));
      return dict;
    }
    default:
      return Value();
  }
}

}  // namespace assay::jinja
