// Scopes are a chain of lexical frames: for, with, macro, call, filter and set blocks open one, if does not. A name
// is looked up from the innermost frame out, then in the context, then among the globals; `set` writes to the
// innermost one, so an assignment in a loop is gone after the iteration. A macro keeps the frame it was defined in.
#include "tasks/template/interpreter.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "tasks/template/globals.h"
#include "tasks/template/json_text.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {

namespace {

constexpr size_t kMaxStackBytes = size_t{3} << 20;  // threads usually have 8 MiB
constexpr int kMaxCallDepth = 200;                  // of macros, callers and recursive loops

}  // namespace

Runtime::Runtime(Environment environment_in, uint64_t max_steps, size_t max_bytes)
    : heap(max_steps, max_bytes),
      environment(environment_in),
      stack_base_(static_cast<const char*>(__builtin_frame_address(0))) {}

void Runtime::check_stack() const {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  const size_t used = static_cast<size_t>(here < stack_base_ ? stack_base_ - here : here - stack_base_);
  if (used > kMaxStackBytes) fail("RecursionError", "maximum recursion depth exceeded");
}

int64_t Range::length() const {
  const __int128 span = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  if (span <= 0) return 0;
  const __int128 size = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  return static_cast<int64_t>(std::min<__int128>((span + size - 1) / size, std::numeric_limits<int64_t>::max()));
}

namespace {

struct Scope final : HeapObject {
  Scope* parent = nullptr;
  // Few enough that a scan is quickest. The names live in the tree.
  std::vector<std::pair<std::string_view, Value>> variables;

  const Value* find(std::string_view name) const {
    for (const auto& [known, value] : variables) {
      if (known == name) return &value;
    }
    return nullptr;
  }

  void set(std::string_view name, const Value& value) {
    for (auto& [known, old] : variables) {
      if (known != name) continue;
      old = value;
      return;
    }
    variables.emplace_back(name, value);
  }
};

struct Macro final : ObjectWithAttributes {
  const MacroDefinition* definition = nullptr;
  Scope* closure = nullptr;

  std::string type_name() const override { return "Macro"; }
  std::string repr() const override {
    return definition->name.empty() ? "<Macro anonymous>" : "<Macro " + string_repr(definition->name) + ">";
  }

  std::optional<Value> attribute(Runtime& runtime, const std::string& name) override {
    if (name == "name") return definition->name.empty() ? Value() : runtime.heap.string(definition->name);
    if (name == "catch_kwargs") return definition->uses_kwargs;
    if (name == "catch_varargs") return definition->uses_varargs;
    if (name == "caller") return definition->uses_caller;
    if (name != "arguments") return std::nullopt;
    std::vector<Value> names;
    for (const std::string& parameter : definition->parameters) names.push_back(runtime.heap.string(parameter));
    return runtime.heap.tuple(std::move(names));
  }
};

Value loop_cycle(Runtime& runtime, const Value& self, const Arguments& arguments);
Value loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments);

// The `loop` of a running for. Looks at most one item ahead, unless the length of an iterator is asked for.
struct LoopContext final : ObjectWithAttributes {
  const Statement* statement = nullptr;
  Scope* outer = nullptr;
  Value iterable;
  Iterator* iterator = nullptr;
  int64_t index0 = -1, depth0 = 0;
  std::optional<int64_t> known_length;
  std::optional<Value> ahead, last_changed;
  bool exhausted = false;
  Value current, before;

  std::string type_name() const override { return "LoopContext"; }
  bool is_callable() const override { return true; }
  std::optional<int64_t> length() override { return known_length; }
  std::string repr() const override {
    return "<LoopContext " + std::to_string(index0 + 1) + "/" + std::to_string(known_length.value_or(0)) + ">";
  }

  bool peek() {
    if (ahead) return true;
    Value item;
    if (exhausted || !iterator->next(item)) {
      exhausted = true;
      return false;
    }
    ahead = item;
    return true;
  }

  bool advance() {
    if (!peek()) return false;
    ++index0;
    before = current;
    current = *ahead;
    ahead.reset();
    return true;
  }

  int64_t count(Runtime& runtime) {
    if (known_length) return *known_length;
    known_length = jinja::length(runtime, iterable);
    if (known_length) return *known_length;
    std::vector<Value> rest;
    if (ahead) rest.push_back(*ahead);
    for (Value item; !exhausted && iterator->next(item);) {
      runtime.heap.charge(2);
      rest.push_back(item);
    }
    known_length = index0 + 1 + static_cast<int64_t>(rest.size());
    ahead.reset();
    exhausted = false;
    iterator = iterate(runtime, runtime.heap.list(std::move(rest)));
    return *known_length;
  }

  std::optional<Value> attribute(Runtime& runtime, const std::string& name) override {
    if (name == "index") return index0 + 1;
    if (name == "index0") return index0;
    if (name == "first") return index0 == 0;
    if (name == "last") return !peek();
    if (name == "length") return count(runtime);
    if (name == "revindex") return count(runtime) - index0;
    if (name == "revindex0") return count(runtime) - index0 - 1;
    if (name == "depth") return depth0 + 1;
    if (name == "depth0") return depth0;
    if (name == "previtem") return index0 == 0 ? runtime.heap.undefined("there is no previous item") : before;
    if (name == "nextitem") return peek() ? *ahead : runtime.heap.undefined("there is no next item");
    if (name == "cycle") return method(runtime, name, loop_cycle);
    if (name == "changed") return method(runtime, name, loop_changed);
    return std::nullopt;
  }

 private:
  Value method(Runtime& runtime, const std::string& name, Function::Body body) {
    Function* function = runtime.heap.make<Function>();
    function->name = name;
    function->self = Value(this);
    function->body = body;
    function->is_method = true;
    return function;
  }
};

Value loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  auto& loop = static_cast<LoopContext&>(self.object());
  if (arguments.positional.empty()) fail("TypeError", "no items for cycling given");
  return arguments.positional[static_cast<size_t>(loop.index0) % arguments.positional.size()];
}

Value loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  auto& loop = static_cast<LoopContext&>(self.object());
  const Value now = runtime.heap.tuple(arguments.positional);
  if (loop.last_changed && equal(runtime, *loop.last_changed, now)) return false;
  loop.last_changed = now;
  return true;
}

enum class Flow { kNext, kBreak, kContinue };

class Interpreter final : public Runtime {
 public:
  Interpreter(const TemplateTree& tree, const TemplateOptions& options, const Json& context, int& line)
      : Runtime({options.strict_undefined, options.chat_environment, options.now}, options.max_steps,
                options.max_output_bytes),
        tree_(tree),
        context_(context),
        line_(line),
        root_(heap.make<Scope>()) {}

  std::string render() {
    std::string out;
    run(tree_.body, *root_, out);
    return out;
  }

  Json value() {
    if (tree_.body.size() == 1 && tree_.body[0].kind == Statement::Kind::kPrint) {
      return to_json(*this, evaluate(*tree_.body[0].expression, *root_));
    }
    return render();
  }

  Value call(const Value& callee, const Arguments& arguments) override {
    if (callee.is_undefined()) fail_undefined(callee);
    if (auto* function = object_cast<Function>(callee)) return function->body(*this, function->self, arguments);
    if (auto* macro = object_cast<Macro>(callee)) return call_macro(*macro, arguments);
    if (auto* loop = object_cast<LoopContext>(callee)) return call_loop(*loop, arguments);
    if (auto* joiner = object_cast<Joiner>(callee)) {
      if (joiner->used) return joiner->separator;
      joiner->used = true;
      return heap.string("");
    }
    fail("TypeError", "'" + type_name(callee) + "' object is not callable");
  }

 private:
  const TemplateTree& tree_;
  const Json& context_;
  int& line_;
  Scope* root_;
  std::unordered_map<std::string_view, Value> resolved_;  // names of the context and globals that were asked for
  Value block_text_;                                      // what a chain of filters on a block starts from
  int call_depth_ = 0;

  struct Call {
    explicit Call(Interpreter& interpreter) : interpreter_(interpreter) {
      if (++interpreter.call_depth_ > kMaxCallDepth) fail("RecursionError", "maximum recursion depth exceeded");
    }
    ~Call() { --interpreter_.call_depth_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    Interpreter& interpreter_;
  };

  Scope* open_scope(Scope& parent) {
    heap.charge(4);
    Scope* scope = heap.make<Scope>();
    scope->parent = &parent;
    return scope;
  }

  // --- statements ---------------------------------------------------------------------------------------------------

  Flow run(const Body& body, Scope& scope, std::string& out) {
    check_stack();
    for (const Statement& statement : body) {
      heap.charge(1);
      line_ = statement.line;
      const Flow flow = run(statement, scope, out);
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }

  Flow run(const Statement& statement, Scope& scope, std::string& out) {
    switch (statement.kind) {
      case Statement::Kind::kData:
        heap.charge(statement.text.size() / 16);
        out += statement.text;
        check_output(out);
        break;
      case Statement::Kind::kPrint:
        append_str(*this, evaluate(*statement.expression, scope), out);
        check_output(out);
        break;
      case Statement::Kind::kFor:
        run_for(statement, evaluate(*statement.expression, scope), scope, out);
        break;
      case Statement::Kind::kIf:
        return run_if(statement, scope, out);
      case Statement::Kind::kSet:
        assign(*statement.target, evaluate(*statement.expression, scope), scope);
        break;
      case Statement::Kind::kSetBlock:
        assign(*statement.target, filtered(statement, scope), scope);
        break;
      case Statement::Kind::kFilter:
        append_str(*this, filtered(statement, scope), out);
        check_output(out);
        break;
      case Statement::Kind::kWith:
        return run_with(statement, scope, out);
      case Statement::Kind::kScope:
        return run(statement.body, *open_scope(scope), out);
      case Statement::Kind::kBlock:
        return run(statement.body, *open_scope(*root_), out);
      case Statement::Kind::kMacro:
        scope.set(statement.macro->name, make_macro(*statement.macro, scope));
        break;
      case Statement::Kind::kCallBlock:
        append_str(*this, call_with_caller(statement, scope), out);
        check_output(out);
        break;
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNext;
  }

  void check_output(const std::string& out) const {
    if (out.size() <= heap.max_bytes()) return;
    fail("LimitError", "the output is over the limit of " + std::to_string(heap.max_bytes()) + " bytes");
  }

  Flow run_if(const Statement& statement, Scope& scope, std::string& out) {
    for (const auto& branch : statement.branches) {
      if (truth(*this, evaluate(*branch.condition, scope))) return run(branch.body, scope, out);
    }
    return run(statement.otherwise, scope, out);
  }

  Flow run_with(const Statement& statement, Scope& scope, std::string& out) {
    Scope* inner = open_scope(scope);
    for (const auto& [target, value] : statement.assignments) assign(*target, evaluate(*value, scope), *inner);
    return run(statement.body, *inner, out);
  }

  // The items for which the loop's condition holds, one at a time.
  Iterator* filtered_items(const Statement& statement, Iterator* source, Scope& outer) {
    Iterator* filtered = heap.make<Iterator>();
    filtered->next = [this, &statement, source, scope = open_scope(outer)](Value& item) {
      while (source->next(item)) {
        scope->variables.clear();
        assign(*statement.target, item, *scope);
        if (truth(*this, evaluate(*statement.condition, *scope))) return true;
      }
      return false;
    };
    return filtered;
  }

  void run_for(const Statement& statement, const Value& iterable, Scope& outer, std::string& out, int64_t depth0 = 0) {
    LoopContext* loop = heap.make<LoopContext>();
    loop->statement = &statement;
    loop->outer = &outer;
    loop->depth0 = depth0;
    loop->iterable = iterable;
    loop->iterator = iterate(*this, iterable);
    if (statement.condition) {
      loop->iterator = filtered_items(statement, loop->iterator, outer);
      loop->iterable = Value(loop->iterator);
    }
    Scope* scope = open_scope(outer);
    // Jinja runs the else part unless some iteration reached its end, even when break or continue cut them short.
    bool completed = false;
    while (loop->advance()) {
      heap.charge(1);
      if (statement.keeps_scopes) {
        scope = open_scope(outer);
      } else {
        scope->variables.clear();
      }
      scope->set("loop", loop);
      assign(*statement.target, loop->current, *scope);
      const Flow flow = run(statement.body, *scope, out);
      if (flow == Flow::kBreak) break;
      completed = completed || flow == Flow::kNext;
    }
    if (!completed && !statement.otherwise.empty()) run(statement.otherwise, *open_scope(outer), out);
  }

  // The text of a block after its filters.
  Value filtered(const Statement& statement, Scope& scope) {
    std::string text;
    run(statement.body, *open_scope(scope), text);
    block_text_ = heap.string(std::move(text));
    return statement.expression ? evaluate(*statement.expression, scope) : block_text_;
  }

  void assign(const Expression& target, const Value& value, Scope& scope) {
    switch (target.kind) {
      case Expression::Kind::kName:
        scope.set(target.name, value);
        return;
      case Expression::Kind::kTuple:
        unpack(target, value, scope);
        return;
      default:
        break;
    }
    auto* space = object_cast<Namespace>(evaluate(*target.operands[0], scope));
    if (!space) fail("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
    heap.charge(2);
    space->attributes.set(heap.string(target.name), value);
  }

  void unpack(const Expression& target, const Value& value, Scope& scope) {
    if (!is_iterable(value)) fail("TypeError", "cannot unpack non-iterable " + type_name(value) + " object");
    const std::vector<Value> items = to_vector(*this, value);
    const size_t wanted = target.operands.size();
    if (items.size() > wanted) {
      fail("ValueError", "too many values to unpack (expected " + std::to_string(wanted) + ")");
    }
    if (items.size() < wanted) {
      fail("ValueError", "not enough values to unpack (expected " + std::to_string(wanted) + ", got " +
                             std::to_string(items.size()) + ")");
    }
    for (size_t i = 0; i < wanted; ++i) assign(*target.operands[i], items[i], scope);
  }

  // --- macros -------------------------------------------------------------------------------------------------------

  Value make_macro(const MacroDefinition& definition, Scope& closure) {
    Macro* macro = heap.make<Macro>();
    macro->definition = &definition;
    macro->closure = &closure;
    return macro;
  }

  Value call_with_caller(const Statement& statement, Scope& scope) {
    const Expression& call_expression = *statement.expression;
    const Value callee = evaluate(*call_expression.operands[0], scope);
    Arguments arguments = evaluate_arguments(call_expression.arguments, scope);
    arguments.named.emplace_back("caller", make_macro(*statement.macro, scope));
    return call(callee, arguments);
  }

  // Moves the named argument out of `named`.
  static std::optional<Value> take_named(std::vector<std::pair<std::string, Value>>& named, const std::string& name) {
    auto found = std::find_if(named.begin(), named.end(), [&](const auto& pair) { return pair.first == name; });
    if (found == named.end()) return std::nullopt;
    Value value = found->second;
    named.erase(found);
    return value;
  }

  Value call_macro(const Macro& macro, const Arguments& arguments) {
    Call call(*this);
    const MacroDefinition& definition = *macro.definition;
    const std::vector<std::string>& parameters = definition.parameters;
    auto named = arguments.named;
    Scope* scope = open_scope(*macro.closure);
    const size_t by_position = std::min(parameters.size(), arguments.positional.size());
    std::vector<std::optional<Value>> given(parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i) {
      given[i] = i < by_position ? arguments.positional[i] : take_named(named, parameters[i]);
    }
    bind_specials(definition, arguments, named, *scope);
    for (size_t i = 0; i < parameters.size(); ++i) {
      scope->set(parameters[i], given[i] ? *given[i] : default_of(definition, i, *scope));
    }
    std::string out;
    run(definition.body, *scope, out);
    return heap.string(std::move(out));
  }

  Value default_of(const MacroDefinition& definition, size_t parameter, Scope& scope) {
    const size_t required = definition.parameters.size() - definition.defaults.size();
    if (parameter >= required) return evaluate(*definition.defaults[parameter - required], scope);
    return heap.undefined("parameter " + string_repr(definition.parameters[parameter]) + " was not provided");
  }

  // caller, kwargs and varargs, as far as the macro's body names them; arguments that nothing takes are an error.
  void bind_specials(const MacroDefinition& definition, const Arguments& arguments,
                     std::vector<std::pair<std::string, Value>>& named, Scope& scope) {
    const auto& parameters = definition.parameters;
    const bool explicit_caller = std::find(parameters.begin(), parameters.end(), "caller") != parameters.end();
    if (definition.uses_caller && !explicit_caller) {
      auto caller = take_named(named, "caller");
      scope.set("caller", caller && !caller->is_none() ? *caller : heap.undefined("No caller defined"));
    }
    if (definition.uses_kwargs) {
      Dict* kwargs = heap.make<Dict>();
      for (const auto& [name, value] : named) kwargs->set(heap.string(name), value);
      scope.set("kwargs", kwargs);
    } else if (!named.empty()) {
      fail("TypeError",
           "macro " + string_repr(definition.name) + " takes no keyword argument " + string_repr(named[0].first));
    }
    const size_t taken = std::min(parameters.size(), arguments.positional.size());
    if (definition.uses_varargs) {
      scope.set("varargs",
                heap.tuple({arguments.positional.begin() + static_cast<ptrdiff_t>(taken), arguments.positional.end()}));
    } else if (arguments.positional.size() > parameters.size()) {
      fail("TypeError", "macro " + string_repr(definition.name) + " takes not more than " +
                            std::to_string(parameters.size()) + " argument(s)");
    }
  }

  Value call_loop(const LoopContext& loop, const Arguments& arguments) {
    if (!loop.statement->recursive) {
      fail("TypeError", "The loop must have the 'recursive' marker to be called recursively.");
    }
    if (arguments.positional.size() != 1 || !arguments.named.empty()) fail("TypeError", "loop() takes one iterable");
    Call call(*this);
    std::string out;
    run_for(*loop.statement, arguments.positional[0], *loop.outer, out, loop.depth0 + 1);
    return heap.string(std::move(out));
  }

  // --- expressions --------------------------------------------------------------------------------------------------

  Value look_up(const std::string& name, Scope& from) {
    for (Scope* scope = &from; scope; scope = scope->parent) {
      if (const Value* found = scope->find(name)) return *found;
    }
    auto known = resolved_.find(name);
    if (known != resolved_.end()) return known->second;
    Value value;
    if (auto field = context_.find(name); field != context_.end()) {
      value = from_json(heap, *field);
    } else if (auto global = find_global(*this, name)) {
      value = *global;
    } else {
      value = heap.undefined(string_repr(name) + " is undefined");
    }
    resolved_.emplace(name, value);
    return value;
  }

  Arguments evaluate_arguments(const std::vector<ArgumentNode>& nodes, Scope& scope) {
    Arguments arguments;
    for (const ArgumentNode& node : nodes) {
      const Value value = evaluate(*node.value, scope);
      switch (node.kind) {
        case ArgumentNode::Kind::kPositional:
          arguments.positional.push_back(value);
          break;
        case ArgumentNode::Kind::kNamed:
          add_named(arguments, node.name, value);
          break;
        case ArgumentNode::Kind::kSpread: {
          const std::vector<Value> items = to_vector(*this, value);
          arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
          break;
        }
        case ArgumentNode::Kind::kNamedSpread:
          if (!value.is(Kind::kDict)) fail("TypeError", "argument after ** must be a mapping, not " + type_name(value));
          for (const auto& [key, item] : value.dict().entries()) {
            if (!key.is_string()) fail("TypeError", "keywords must be strings");
            add_named(arguments, key.text(), item);
          }
      }
    }
    return arguments;
  }

  void add_named(Arguments& arguments, const std::string& name, const Value& value) {
    heap.charge(1 + arguments.named.size() / 8);
    for (const auto& [known, other] : arguments.named) {
      if (known == name) fail("TypeError", "got multiple values for keyword argument " + string_repr(name));
    }
    arguments.named.emplace_back(name, value);
  }

  std::vector<Value> evaluate_all(const std::vector<ExpressionPtr>& expressions, Scope& scope) {
    std::vector<Value> values;
    values.reserve(expressions.size());
    for (const auto& expression : expressions) values.push_back(evaluate(*expression, scope));
    return values;
  }

  Value evaluate_dict(const Expression& expression, Scope& scope) {
    Dict* dict = heap.make<Dict>();
    heap.charge_items(expression.operands.size(), 2);
    for (size_t i = 0; i + 1 < expression.operands.size(); i += 2) {
      const Value key = evaluate(*expression.operands[i], scope);
      require_defined(*this, key);
      dict->set(key, evaluate(*expression.operands[i + 1], scope));
    }
    return dict;
  }

  Value evaluate_concat(const Expression& expression, Scope& scope) {
    std::string text;
    for (const auto& part : expression.operands) append_str(*this, evaluate(*part, scope), text);
    return heap.string(std::move(text));
  }

  bool holds(Relation relation, const Value& left, const Value& right) {
    switch (relation) {
      case Relation::kIn:
        return contains(*this, right, left);
      case Relation::kNotIn:
        return !contains(*this, right, left);
      case Relation::kEqual:
        return compare(*this, Comparison::kEqual, left, right);
      case Relation::kNotEqual:
        return compare(*this, Comparison::kNotEqual, left, right);
      case Relation::kLess:
        return compare(*this, Comparison::kLess, left, right);
      case Relation::kLessEqual:
        return compare(*this, Comparison::kLessEqual, left, right);
      case Relation::kGreater:
        return compare(*this, Comparison::kGreater, left, right);
      case Relation::kGreaterEqual:
        break;
    }
    return compare(*this, Comparison::kGreaterEqual, left, right);
  }

  Value evaluate_compare(const Expression& expression, Scope& scope) {
    Value left = evaluate(*expression.operands[0], scope);
    for (size_t i = 0; i < expression.relations.size(); ++i) {
      const Value right = evaluate(*expression.operands[i + 1], scope);
      if (!holds(expression.relations[i], left, right)) return false;
      left = right;
    }
    return true;
  }

  Value evaluate_conditional(const Expression& expression, Scope& scope) {
    if (truth(*this, evaluate(*expression.operands[0], scope))) return evaluate(*expression.operands[1], scope);
    if (expression.operands[2]) return evaluate(*expression.operands[2], scope);
    // Jinja's StrictUndefined spares this one.
    Undefined* nothing = heap.make<Undefined>();
    nothing->message = "the inline if-expression on line " + std::to_string(expression.line) +
                       " evaluated to false and no else section was defined.";
    nothing->lenient = true;
    return Value(nothing);
  }

  // A filter or a test.
  Value evaluate_piped(const Expression& expression, Scope& scope) {
    const Value input = expression.operands[0] ? evaluate(*expression.operands[0], scope) : block_text_;
    const Arguments arguments = evaluate_arguments(expression.arguments, scope);
    line_ = expression.line;
    if (!expression.function) {
      const char* what = expression.kind == Expression::Kind::kFilter ? "filter" : "test";
      fail("TemplateRuntimeError", std::string("No ") + what + " named " + string_repr(expression.name) + " found.");
    }
    return expression.function(*this, input, arguments);
  }

  Value evaluate_call(const Expression& expression, Scope& scope) {
    const Value callee = evaluate(*expression.operands[0], scope);
    const Arguments arguments = evaluate_arguments(expression.arguments, scope);
    line_ = expression.line;
    return call(callee, arguments);
  }

  Value evaluate_slice(const Expression& expression, Scope& scope) {
    Value parts[4];
    for (size_t i = 0; i < 4; ++i) {
      if (expression.operands[i]) parts[i] = evaluate(*expression.operands[i], scope);
    }
    return slice(*this, parts[0], parts[1], parts[2], parts[3]);
  }

  Value evaluate(const Expression& expression, Scope& scope) {
    using Kind = Expression::Kind;
    heap.charge(1);
    if (expression.kind == Kind::kConstant) return expression.constant;
    check_stack();
    line_ = expression.line;
    const auto& operands = expression.operands;
    switch (expression.kind) {
      case Kind::kName:
        return look_up(expression.name, scope);
      case Kind::kList:
        return heap.list(evaluate_all(operands, scope));
      case Kind::kTuple:
        return heap.tuple(evaluate_all(operands, scope));
      case Kind::kDict:
        return evaluate_dict(expression, scope);
      case Kind::kAttribute:
        return get_attribute(*this, evaluate(*operands[0], scope), expression.name);
      case Kind::kItem: {
        const Value object = evaluate(*operands[0], scope);
        return get_item(*this, object, evaluate(*operands[1], scope));
      }
      case Kind::kSlice:
        return evaluate_slice(expression, scope);
      case Kind::kCall:
        return evaluate_call(expression, scope);
      case Kind::kFilter:
      case Kind::kTest:
        return evaluate_piped(expression, scope);
      case Kind::kNot:
        return !truth(*this, evaluate(*operands[0], scope));
      case Kind::kNegate:
      case Kind::kPlus:
        return negate(*this, evaluate(*operands[0], scope), expression.kind == Kind::kNegate);
      case Kind::kArithmetic: {
        const Value left = evaluate(*operands[0], scope);
        return arithmetic(*this, expression.operation, left, evaluate(*operands[1], scope));
      }
      case Kind::kConcat:
        return evaluate_concat(expression, scope);
      case Kind::kCompare:
        return evaluate_compare(expression, scope);
      case Kind::kAnd: {
        const Value left = evaluate(*operands[0], scope);
        return truth(*this, left) ? evaluate(*operands[1], scope) : left;
      }
      case Kind::kOr: {
        const Value left = evaluate(*operands[0], scope);
        return truth(*this, left) ? left : evaluate(*operands[1], scope);
      }
      case Kind::kConditional:
        return evaluate_conditional(expression, scope);
      case Kind::kConstant:
      case Kind::kAttributeTarget:
        break;
    }
    ASSAY_ASSERT(false, "an assignment target was evaluated");
    return Value();
  }
};

}  // namespace

std::string run_template(const TemplateTree& tree, const TemplateOptions& options, const Json& context, int& line) {
  return Interpreter(tree, options, context, line).render();
}

Json run_expression(const TemplateTree& tree, const TemplateOptions& options, const Json& context, int& line) {
  return Interpreter(tree, options, context, line).value();
}

}  // namespace assay::jinja
