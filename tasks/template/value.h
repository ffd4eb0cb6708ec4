// Python's values as a template sees them.
//
// A Value is 16 bytes and copies freely; what does not fit lies on a Heap, which owns it until the render ends. So
// values may form cycles (a namespace that holds itself), and nothing is counted or freed on the way; the Heap's
// budget bounds what one render can ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/json.h"

namespace assay::jinja {

// What Python would raise. Internal to this folder: the interpreter adds the place and throws TemplateError.
struct PythonError {
  std::string type;  // "TypeError"
  std::string message;
};
[[noreturn]] void fail(std::string type, std::string message);

struct HeapObject {
  virtual ~HeapObject() = default;
};

// UTF-8. `markup`: the result of `escape` or `safe`, which escapes whatever is added to it.
struct String final : HeapObject {
  std::string text;
  bool markup = false;
};

// The absence of a value, with what to say when it is used.
struct Undefined final : HeapObject {
  std::string message;
  std::string error_type = "UndefinedError";
  bool lenient = false;  // prints as nothing even where undefined names are errors
};

struct Sequence;
class Dict;
struct Object;

enum class Kind : uint8_t { kUndefined, kNone, kBool, kInt, kFloat, kString, kList, kTuple, kDict, kObject };

class Value {
 public:
  Value() : kind_(Kind::kNone), int_(0) {}
  Value(const char*) = delete;  // would become a bool: make texts on a Heap
  Value(bool value) : kind_(Kind::kBool), int_(value) {}
  Value(int value) : kind_(Kind::kInt), int_(value) {}
  Value(int64_t value) : kind_(Kind::kInt), int_(value) {}
  Value(double value) : kind_(Kind::kFloat), float_(value) {}
  Value(const String* value) : kind_(Kind::kString), string_(value) {}
  Value(const Undefined* value) : kind_(Kind::kUndefined), undefined_(value) {}
  Value(Dict* value) : kind_(Kind::kDict), dict_(value) {}
  Value(Object* value) : kind_(Kind::kObject), object_(value) {}
  // kind: kList or kTuple.
  Value(Kind kind, Sequence* value) : kind_(kind), sequence_(value) {}

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  // bool is a kind of int in Python.
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // Precondition of each: the kind fits.
  int64_t integer() const { return int_; }
  double real() const { return kind_ == Kind::kFloat ? float_ : static_cast<double>(int_); }
  const std::string& text() const { return string_->text; }
  const String& string() const { return *string_; }
  const Undefined& undefined() const { return *undefined_; }
  Sequence& sequence() const { return *sequence_; }
  std::vector<Value>& items() const;
  Dict& dict() const { return *dict_; }
  Object& object() const { return *object_; }
  // Python's `is`: the same object, or the same small value.
  bool same_as(const Value& other) const;

 private:
  Kind kind_;
  union {
    int64_t int_;
    double float_;
    const String* string_;
    const Undefined* undefined_;
    Sequence* sequence_;
    Dict* dict_;
    Object* object_;
  };
};

// A list or a tuple. `is_group`: the pair (grouper, list) that groupby makes.
struct Sequence final : HeapObject {
  std::vector<Value> items;
  bool is_group = false;
};

inline std::vector<Value>& Value::items() const {
  return sequence_->items;
}

// Everything that is neither a scalar nor a container: see objects.h.
struct Object : HeapObject {
  // Python's type(x).__name__.
  virtual std::string type_name() const = 0;
};

// Insertion-ordered. Keys are compared as Python does: 1, 1.0 and true are one key.
class Dict final : public HeapObject {
 public:
  using Entry = std::pair<Value, Value>;

  // Each throws TypeError for a key that cannot be hashed (list, dict).
  const Value* find(const Value& key) const;
  void set(const Value& key, const Value& value);
  bool erase(const Value& key);
  const Value* find_text(std::string_view key) const;

  void clear();
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
  std::unordered_multimap<size_t, size_t> index_;  // hash of a key -> entry; filled when the dict outgrows a scan
  std::optional<size_t> position(const Value& key) const;
  void rebuild_index();
};

// Equal keys have equal hashes. Throws TypeError for what Python cannot hash.
size_t hash_of(const Value& value);

// Python's type(x).__name__.
std::string type_name(const Value& value);

// Owner of what values point to, and the budget of one render.
class Heap {
 public:
  // max_bytes bounds any one text.
  Heap(uint64_t max_steps, size_t max_bytes) : steps_left_(max_steps), max_bytes_(max_bytes) {}
  Heap(Heap&&) = default;
  Heap& operator=(Heap&&) = default;

  // Throws PythonError "LimitError" when the budget is spent.
  void charge(uint64_t steps) {
    if (steps > steps_left_) out_of_steps();
    steps_left_ -= steps;
  }
  // Checks a size in bytes before it is built: throws "LimitError" when it is over the bound, charges it otherwise.
  void charge_bytes(size_t bytes);
  // The same for a number of items, whose product must not overflow either.
  void charge_items(size_t count, size_t repeats = 1);

  template <typename T>
  T* make() {
    charge(4);
    auto owned = std::make_unique<T>();
    T* raw = owned.get();
    objects_.push_back(std::move(owned));
    return raw;
  }
  Value string(std::string text, bool markup = false);
  Value list(std::vector<Value> items) { return sequence(Kind::kList, std::move(items)); }
  Value tuple(std::vector<Value> items) { return sequence(Kind::kTuple, std::move(items)); }
  Value undefined(std::string message, std::string error_type = "UndefinedError");

  size_t max_bytes() const { return max_bytes_; }

 private:
  uint64_t steps_left_;
  size_t max_bytes_;
  std::vector<std::unique_ptr<HeapObject>> objects_;

  Value sequence(Kind kind, std::vector<Value> items);
  [[noreturn]] void out_of_steps();
};

// JSON's values as Python's json module reads them. Throws OverflowError for a whole number beyond 64 bits.
Value from_json(Heap& heap, const Json& json);

}  // namespace assay::jinja
