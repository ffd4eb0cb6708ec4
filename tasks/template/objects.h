// The values that are neither scalars nor containers, and the running template as filters and methods see it.
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tasks/template/value.h"

namespace assay::jinja {

// The arguments of one call, in the caller's order.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// One render in progress: its heap, its environment, and the one thing filters cannot do themselves, calling a value.
// Belongs to one thread.
class Runtime {
 public:
  struct Environment {
    bool strict_undefined = true;
    bool chat = false;  // Hugging Face's immutable sandbox
    std::optional<std::tm> now;
  };

  Runtime(Environment environment_in, uint64_t max_steps, size_t max_bytes);
  virtual ~Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Calls a macro, method, global function or loop. Throws PythonError.
  virtual Value call(const Value& callee, const Arguments& arguments) = 0;

  // Throws RecursionError when the machine's stack has grown by more than a render may take.
  void check_stack() const;

  Heap heap;
  const Environment environment;

 private:
  const char* stack_base_;
};

// Gives its items once, as a Python iterator or generator. Filters that are lazy in Jinja are lazy here.
struct Iterator final : Object {
  std::string name = "generator";
  std::function<bool(Value&)> next;  // false: no more items
  std::string type_name() const override { return name; }
};

// range(): never spelled out.
struct Range final : Object {
  int64_t start = 0, stop = 0, step = 1;
  int64_t length() const;  // clamped to the largest int64
  int64_t at(int64_t index) const { return start + index * step; }
  std::string type_name() const override { return "range"; }
};

// What dict.keys(), values() and items() give: a view that follows the dict.
struct DictView final : Object {
  enum class Part { kKeys, kValues, kItems };
  Dict* dict = nullptr;
  Part part = Part::kKeys;
  std::string type_name() const override {
    return part == Part::kKeys ? "dict_keys" : part == Part::kValues ? "dict_values" : "dict_items";
  }
};

// namespace(): the one value whose attributes a template may set.
struct Namespace final : Object {
  Dict attributes;
  std::string type_name() const override { return "Namespace"; }
};

// A global function, or a method together with the value it belongs to.
struct Function final : Object {
  using Body = Value (*)(Runtime&, const Value& self, const Arguments&);
  std::string name;
  Value self;
  Body body = nullptr;
  bool is_method = false;
  std::string type_name() const override { return is_method ? "builtin_function_or_method" : "function"; }
};

struct Cycler final : Object {
  std::vector<Value> items;
  size_t position = 0;
  std::string type_name() const override { return "Cycler"; }
};

struct Joiner final : Object {
  Value separator;
  bool used = false;
  std::string type_name() const override { return "Joiner"; }
};

// What the interpreter adds: macros and loops. Their attributes are read through this.
struct ObjectWithAttributes : Object {
  // Nothing when there is no such attribute.
  virtual std::optional<Value> attribute(Runtime& runtime, const std::string& name) = 0;
  virtual std::string repr() const = 0;
  virtual bool is_callable() const { return true; }
  // Number of items for len(); nothing when it has none.
  virtual std::optional<int64_t> length() { return std::nullopt; }
};

template <typename T>
T* object_cast(const Value& value) {
  return value.is(Kind::kObject) ? dynamic_cast<T*>(&value.object()) : nullptr;
}

}  // namespace assay::jinja
