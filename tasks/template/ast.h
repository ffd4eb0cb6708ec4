// The syntax tree of a template: plain data, immutable after the parser made it, so that threads may share it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tasks/template/objects.h"
#include "tasks/template/operators.h"

namespace assay::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// One argument of a call, filter or test.
struct ArgumentNode {
  enum class Kind { kPositional, kNamed, kSpread, kNamedSpread };  // x, name=x, *x, **x
  Kind kind = Kind::kPositional;
  std::string name;
  ExpressionPtr value;
};

// One link of a chained comparison.
enum class Relation { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

// `operands` by kind are listed beside it. A null operand of kFilter is the text of the block that a filter is put on.
struct Expression {
  enum class Kind {
    kConstant,         // constant
    kName,             // name
    kList,             // items
    kTuple,            // items
    kDict,             // key, value, key, value, ...
    kAttribute,        // object; name
    kItem,             // object, key
    kSlice,            // object, start, stop, step; the last three may be null
    kCall,             // callee; arguments
    kFilter,           // input; name, function, arguments
    kTest,             // input; name, function, arguments
    kNot,              // operand
    kNegate,           // operand
    kPlus,             // operand
    kArithmetic,       // left, right; operation
    kConcat,           // parts
    kCompare,          // first, second, ...; relations
    kAnd,              // left, right
    kOr,               // left, right
    kConditional,      // condition, value, otherwise (may be null)
    kAttributeTarget,  // `namespace.attribute` on the left of an assignment: object; name
  };
  Kind kind = Kind::kConstant;
  int line = 1;
  int depth = 1;  // levels of the tree below and including this one
  Value constant;
  std::string name;
  std::vector<ExpressionPtr> operands;
  std::vector<ArgumentNode> arguments;
  Arithmetic operation = Arithmetic::kAdd;
  std::vector<Relation> relations;
  Function::Body function = nullptr;  // of a filter or test; null: unknown, an error when it is reached
};

struct Statement;
using Body = std::vector<Statement>;

struct MacroDefinition {
  std::string name;  // empty: the anonymous caller of a call block
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  Body body;
  // The body names these without declaring them as parameters.
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

struct Statement {
  enum class Kind {
    kData,       // text
    kPrint,      // expression
    kFor,        // target, expression (iterable), condition (may be null), body, otherwise, recursive
    kIf,         // branches, otherwise
    kSet,        // target, expression
    kSetBlock,   // target, expression (filters, may be null), body
    kWith,       // assignments, body
    kScope,      // body: a block, {% generation %} or {% autoescape %}
    kBlock,      // body, which sees the template's outermost names only
    kFilter,     // expression (filters), body
    kMacro,      // macro
    kCallBlock,  // expression (a call), macro (the caller)
    kBreak,
    kContinue,
  };
  struct Branch {
    ExpressionPtr condition;
    Body body;
  };

  Kind kind = Kind::kData;
  int line = 1;
  std::string text;
  ExpressionPtr expression, target, condition;
  Body body, otherwise;
  std::vector<Branch> branches;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;
  std::unique_ptr<MacroDefinition> macro;
  bool recursive = false;
  // A macro or caller in the loop's body may outlive an iteration, so each one needs a scope of its own.
  bool keeps_scopes = false;
};

// `constants` owns what the constants of the tree point to.
struct TemplateTree {
  Heap constants{UINT64_MAX, SIZE_MAX};
  Body body;
};

}  // namespace assay::jinja
