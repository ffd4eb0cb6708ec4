#include "tasks/template/parser.h"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "tasks/template/filters.h"
#include "tasks/template/lexer.h"
#include "tasks/template/predicates.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

constexpr int kMaxNesting = 300;    // calls of the parser's own recursive functions
constexpr int kMaxTreeDepth = 400;  // of an expression

using EndTags = std::initializer_list<const char*>;

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "template data / text";
    case TokenKind::kVariableBegin:
      return "begin of print statement";
    case TokenKind::kVariableEnd:
      return "end of print statement";
    case TokenKind::kBlockBegin:
      return "begin of statement block";
    case TokenKind::kBlockEnd:
      return "end of statement block";
    case TokenKind::kString:
      return "string";
    case TokenKind::kInteger:
      return "integer";
    case TokenKind::kFloat:
      return "float";
    case TokenKind::kEnd:
      return "end of template";
    default:
      return token.text;
  }
}

class Parser {
 public:
  Parser(std::string_view source, const TemplateOptions& options)
      : options_(options), tokens_(tokenize(source, options)) {}

  TemplateTree run() {
    tree_.body = parse_body({});
    if (!unknown_.empty()) throw unknown_.front();
    return std::move(tree_);
  }

 private:
  const TemplateOptions& options_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  TemplateTree tree_;
  std::vector<std::string> open_tags_;
  int loop_depth_ = 0;
  // Inside {% if %} or an inline if an unknown filter or test is only an error when it is reached. Others are kept
  // until the whole source is read: an inline if is recognised after its value, and malformed syntax comes first.
  bool conditional_ = false;
  std::vector<SyntaxError> unknown_;
  // Counts of what enclosing statements ask of their bodies.
  int closures_ = 0, callers_ = 0, kwargs_ = 0, varargs_ = 0;

  // --- tokens -------------------------------------------------------------------------------------------------------

  const Token& current() const { return tokens_[at_]; }
  const Token& peek() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }

  [[noreturn]] void error(const std::string& message) const { throw SyntaxError{current().line, message}; }

  bool skip_operator(std::string_view text) {
    if (!current().is_operator(text)) return false;
    take();
    return true;
  }

  bool skip_name(std::string_view text) {
    if (!current().is_name(text)) return false;
    take();
    return true;
  }

  [[noreturn]] void fail_expected(const std::string& wanted) const {
    if (current().kind == TokenKind::kEnd) error("unexpected end of template, expected '" + wanted + "'.");
    error("expected token '" + wanted + "', got " + string_repr(describe(current())));
  }

  void expect_operator(const char* text) {
    if (!skip_operator(text)) fail_expected(text);
  }

  void expect_name(const char* text) {
    if (!skip_name(text)) fail_expected(text);
  }

  std::string expect_identifier() {
    if (current().kind != TokenKind::kName) fail_expected("name");
    return take().text;
  }

  void expect(TokenKind kind) {
    if (current().kind == kind) {
      take();
      return;
    }
    Token wanted;
    wanted.kind = kind;
    fail_expected(describe(wanted));
  }

  struct Nested {
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxNesting) parser_.error("the template is nested too deeply");
    }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    Parser& parser_;
  };

  // --- tree ---------------------------------------------------------------------------------------------------------

  template <typename... Operands>
  ExpressionPtr node(Expression::Kind kind, int line, Operands... operands) {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->line = line;
    (made->operands.push_back(std::move(operands)), ...);
    return measured(std::move(made));
  }

  ExpressionPtr measured(ExpressionPtr made) const {
    for (const auto& operand : made->operands) {
      if (operand) made->depth = std::max(made->depth, operand->depth + 1);
    }
    for (const auto& argument : made->arguments) made->depth = std::max(made->depth, argument.value->depth + 1);
    if (made->depth > kMaxTreeDepth) error("the expression is nested too deeply");
    return made;
  }

  ExpressionPtr constant(Value value, int line) {
    auto made = node(Expression::Kind::kConstant, line);
    made->constant = value;
    return made;
  }

  ExpressionPtr text_constant(std::string text, int line) {
    return constant(tree_.constants.string(std::move(text)), line);
  }

  // --- statements ---------------------------------------------------------------------------------------------------

  bool at_end_tag(EndTags end_tags) const {
    return current().kind == TokenKind::kName &&
           std::any_of(end_tags.begin(), end_tags.end(), [&](const char* tag) { return current().text == tag; });
  }

  // Up to one of `end_tags`, which becomes the current token, or to the end of the template when there are none.
  Body parse_body(EndTags end_tags) {
    Nested nested(*this);
    Body body;
    while (current().kind != TokenKind::kEnd) {
      const int line = current().line;
      if (current().kind == TokenKind::kData) {
        Statement& data = add(body, Statement::Kind::kData, line);
        data.text = take().text;
      } else if (current().kind == TokenKind::kVariableBegin) {
        take();
        ExpressionPtr expression = parse_tuple();
        expect(TokenKind::kVariableEnd);
        add(body, Statement::Kind::kPrint, line).expression = std::move(expression);
      } else {
        expect(TokenKind::kBlockBegin);
        if (at_end_tag(end_tags)) return body;
        parse_statement(body, end_tags);
        expect(TokenKind::kBlockEnd);
      }
    }
    if (end_tags.size() > 0) fail_tag("Unexpected end of template.", end_tags);
    return body;
  }

  static Statement& add(Body& body, Statement::Kind kind, int line) {
    Statement& statement = body.emplace_back();
    statement.kind = kind;
    statement.line = line;
    return statement;
  }

  [[noreturn]] void fail_tag(std::string message, EndTags end_tags) const {
    if (end_tags.size() > 0) {
      message += " Jinja was looking for the following tags: ";
      for (const char* tag : end_tags) message += (tag == *end_tags.begin() ? "'" : " or '") + std::string(tag) + "'";
      message += ".";
    }
    if (!open_tags_.empty()) {
      message += " The innermost block that needs to be closed is '" + open_tags_.back() + "'.";
    }
    error(message);
  }

  // The tag's own end, then the body, then one of `end_tags`: {% tag %} body {% end_tag, with `end_tag` current.
  Body parse_block(EndTags end_tags) {
    skip_operator(":");
    expect(TokenKind::kBlockEnd);
    return parse_body(end_tags);
  }

  // As parse_block for one end tag, which is taken too.
  Body parse_block_to(const char* end_tag) {
    Body body = parse_block({end_tag});
    take();
    return body;
  }

  void parse_statement(Body& body, EndTags end_tags) {
    if (current().kind != TokenKind::kName) error("tag name expected");
    const int line = current().line;
    const std::string tag = current().text;
    struct Row {
      const char* tag;
      void (Parser::*parse)(Body&, int line);
    };
    static constexpr Row kTags[] = {
        {"for", &Parser::parse_for},
        {"if", &Parser::parse_if},
        {"set", &Parser::parse_set},
        {"with", &Parser::parse_with},
        {"macro", &Parser::parse_macro},
        {"call", &Parser::parse_call_block},
        {"filter", &Parser::parse_filter_block},
        {"print", &Parser::parse_print},
        {"block", &Parser::parse_named_block},
        {"autoescape", &Parser::parse_autoescape},
    };
    static constexpr Row kChatTags[] = {
        {"generation", &Parser::parse_generation},
        {"break", &Parser::parse_break},
        {"continue", &Parser::parse_continue},
    };
    auto parse_with_row = [&](const Row& row) {
      if (tag != row.tag) return false;
      open_tags_.push_back(tag);
      take();
      (this->*row.parse)(body, line);
      open_tags_.pop_back();
      return true;
    };
    for (const Row& row : kTags) {
      if (parse_with_row(row)) return;
    }
    for (const Row& row : kChatTags) {
      if (options_.chat_environment && parse_with_row(row)) return;
    }
    for (const char* refused : {"include", "import", "from", "extends"}) {
      if (tag == refused) error("{% " + tag + " %} needs other template files, which are not supported");
    }
    fail_tag("Encountered unknown tag '" + tag + "'.", end_tags);
  }

  struct Conditional {
    Conditional(Parser& parser, bool value) : parser_(parser), before_(parser.conditional_) {
      parser.conditional_ = value;
    }
    ~Conditional() { parser_.conditional_ = before_; }
    Conditional(const Conditional&) = delete;
    Conditional& operator=(const Conditional&) = delete;
    Parser& parser_;
    bool before_;
  };

  void parse_for(Body& body, int line) {
    Statement loop;
    loop.kind = Statement::Kind::kFor;
    loop.line = line;
    loop.target = parse_target(false, "in");
    check_loop_target(*loop.target);
    expect_name("in");
    loop.expression = parse_tuple(false, "recursive");
    if (skip_name("if")) loop.condition = parse_expression();
    loop.recursive = skip_name("recursive");
    const int closures = closures_;
    Conditional unconditional(*this, false);
    ++loop_depth_;
    loop.body = parse_block({"endfor", "else"});
    --loop_depth_;
    loop.keeps_scopes = closures_ != closures;
    if (take().text == "else") loop.otherwise = parse_block_to("endfor");
    body.push_back(std::move(loop));
  }

  void check_loop_target(const Expression& target) const {
    if (target.kind == Expression::Kind::kName && target.name == "loop") {
      throw SyntaxError{target.line, "Can't assign to special loop variable in for-loop target",
                        "TemplateAssertionError"};
    }
    for (const auto& operand : target.operands) check_loop_target(*operand);
  }

  void parse_if(Body& body, int line) {
    Statement statement;
    statement.kind = Statement::Kind::kIf;
    statement.line = line;
    while (true) {
      Statement::Branch branch;
      branch.condition = parse_tuple(false);
      Conditional conditional(*this, true);
      branch.body = parse_block({"elif", "else", "endif"});
      statement.branches.push_back(std::move(branch));
      const std::string tag = take().text;
      if (tag == "elif") continue;
      if (tag == "else") statement.otherwise = parse_block_to("endif");
      break;
    }
    body.push_back(std::move(statement));
  }

  void parse_set(Body& body, int line) {
    Statement statement;
    statement.line = line;
    statement.target = parse_target(true, nullptr);
    if (skip_operator("=")) {
      statement.kind = Statement::Kind::kSet;
      statement.expression = parse_tuple();
    } else {
      statement.kind = Statement::Kind::kSetBlock;
      statement.expression = parse_filters(nullptr);
      Conditional unconditional(*this, false);
      statement.body = parse_block_to("endset");
    }
    body.push_back(std::move(statement));
  }

  void parse_with(Body& body, int line) {
    Statement statement;
    statement.kind = Statement::Kind::kWith;
    statement.line = line;
    while (current().kind != TokenKind::kBlockEnd && !current().is_operator(":")) {
      if (!statement.assignments.empty()) expect_operator(",");
      ExpressionPtr target = parse_target(false, nullptr);
      expect_operator("=");
      statement.assignments.emplace_back(std::move(target), parse_expression());
    }
    Conditional unconditional(*this, false);
    statement.body = parse_block_to("endwith");
    body.push_back(std::move(statement));
  }

  void parse_signature(MacroDefinition& macro) {
    expect_operator("(");
    while (!current().is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      macro.parameters.push_back(expect_identifier());
      if (skip_operator("=")) {
        macro.defaults.push_back(parse_expression());
      } else if (!macro.defaults.empty()) {
        error("non-default argument follows default argument");
      }
    }
    expect_operator(")");
  }

  void parse_macro_body(MacroDefinition& macro, const char* end_tag) {
    const int callers = callers_, kwargs = kwargs_, varargs = varargs_, loops = loop_depth_;
    ++closures_;
    loop_depth_ = 0;
    Conditional unconditional(*this, false);
    macro.body = parse_block_to(end_tag);
    loop_depth_ = loops;
    auto is_parameter = [&](const char* name) {
      return std::find(macro.parameters.begin(), macro.parameters.end(), name) != macro.parameters.end();
    };
    macro.uses_caller = callers_ != callers;
    macro.uses_kwargs = kwargs_ != kwargs && !is_parameter("kwargs");
    macro.uses_varargs = varargs_ != varargs && !is_parameter("varargs");
    const size_t required = macro.parameters.size() - macro.defaults.size();
    for (size_t i = 0; macro.uses_caller && i < required; ++i) {
      if (macro.parameters[i] == "caller") {
        error(
            "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a "
            "default.");
      }
    }
  }

  void parse_macro(Body& body, int line) {
    auto macro = std::make_unique<MacroDefinition>();
    macro->name = expect_identifier();
    parse_signature(*macro);
    parse_macro_body(*macro, "endmacro");
    add(body, Statement::Kind::kMacro, line).macro = std::move(macro);
  }

  void parse_call_block(Body& body, int line) {
    auto caller = std::make_unique<MacroDefinition>();
    if (current().is_operator("(")) parse_signature(*caller);
    ExpressionPtr call = parse_expression();
    if (call->kind != Expression::Kind::kCall) error("expected call");
    parse_macro_body(*caller, "endcall");
    Statement& statement = add(body, Statement::Kind::kCallBlock, line);
    statement.expression = std::move(call);
    statement.macro = std::move(caller);
  }

  void parse_filter_block(Body& body, int line) {
    ExpressionPtr filters = parse_filters(parse_one_filter(nullptr));
    Conditional unconditional(*this, false);
    Body inner = parse_block_to("endfilter");
    Statement& statement = add(body, Statement::Kind::kFilter, line);
    statement.expression = std::move(filters);
    statement.body = std::move(inner);
  }

  void parse_print(Body& body, int line) {
    for (bool first = true; current().kind != TokenKind::kBlockEnd; first = false) {
      if (!first) expect_operator(",");
      ExpressionPtr expression = parse_expression();
      add(body, Statement::Kind::kPrint, line).expression = std::move(expression);
    }
  }

  void parse_named_block(Body& body, int line) {
    const std::string name = expect_identifier();
    const bool scoped = skip_name("scoped");
    skip_name("required");
    if (current().is_operator("-")) {
      error(
          "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore "
          "instead.");
    }
    Conditional unconditional(*this, false);
    const int loops = loop_depth_;
    loop_depth_ = 0;
    Body inner = parse_block_to("endblock");
    loop_depth_ = loops;
    skip_name(name);
    add(body, scoped ? Statement::Kind::kScope : Statement::Kind::kBlock, line).body = std::move(inner);
  }

  void parse_autoescape(Body& body, int line) {
    parse_expression();  // autoescaping is always off
    Body inner = parse_block_to("endautoescape");
    add(body, Statement::Kind::kScope, line).body = std::move(inner);
  }

  void parse_generation(Body& body, int line) {
    const int loops = loop_depth_;
    loop_depth_ = 0;  // the body is a call block to Jinja, which break and continue cannot leave
    Conditional unconditional(*this, false);
    Body inner = parse_block_to("endgeneration");
    loop_depth_ = loops;
    add(body, Statement::Kind::kScope, line).body = std::move(inner);
  }

  void parse_break(Body& body, int line) { parse_jump(body, line, Statement::Kind::kBreak); }
  void parse_continue(Body& body, int line) { parse_jump(body, line, Statement::Kind::kContinue); }

  void parse_jump(Body& body, int line, Statement::Kind kind) {
    if (loop_depth_ == 0) {
      throw SyntaxError{line, std::string(kind == Statement::Kind::kBreak ? "'break'" : "'continue'") + " outside loop",
                        "SyntaxError"};
    }
    add(body, kind, line);
  }

  // --- assignment targets -------------------------------------------------------------------------------------------

  // `end`: the name that may follow a trailing comma ("in" of a loop).
  ExpressionPtr parse_target(bool with_namespace, const char* end) {
    const int line = current().line;
    std::vector<ExpressionPtr> items;
    bool is_tuple = false;
    while (true) {
      if (is_tuple && at_tuple_end(end)) break;
      items.push_back(parse_one_target(with_namespace));
      if (!skip_operator(",")) break;
      is_tuple = true;
    }
    if (!is_tuple) return std::move(items[0]);
    auto tuple = node(Expression::Kind::kTuple, line);
    tuple->operands = std::move(items);
    return measured(std::move(tuple));
  }

  ExpressionPtr parse_one_target(bool with_namespace) {
    Nested nested(*this);
    const int line = current().line;
    if (skip_operator("(")) {
      ExpressionPtr inner = parse_target(with_namespace, nullptr);
      expect_operator(")");
      return inner;
    }
    if (current().kind == TokenKind::kOperator || current().kind == TokenKind::kBlockEnd) {
      error("expected a name to assign to, got " + string_repr(describe(current())));
    }
    if (current().kind != TokenKind::kName) error("can't assign to 'const'");
    for (const char* literal : {"true", "false", "none", "True", "False", "None"}) {
      if (current().is_name(literal)) error("can't assign to 'const'");
    }
    ExpressionPtr target = name_node(take().text, line, false);
    if (!with_namespace || !skip_operator(".")) return target;
    auto attribute = node(Expression::Kind::kAttributeTarget, line, std::move(target));
    attribute->name = expect_identifier();
    return attribute;
  }

  // --- expressions --------------------------------------------------------------------------------------------------

  bool at_tuple_end(const char* end_name) const {
    return current().kind == TokenKind::kVariableEnd || current().kind == TokenKind::kBlockEnd ||
           current().is_operator(")") || current().is_operator("=") || (end_name && current().is_name(end_name));
  }

  // One expression, or a tuple where commas follow. `end_name` may stand behind a trailing comma.
  ExpressionPtr parse_tuple(bool with_condition = true, const char* end_name = nullptr, bool in_parentheses = false) {
    const int line = current().line;
    std::vector<ExpressionPtr> items;
    bool is_tuple = false;
    while (true) {
      if ((is_tuple || in_parentheses) && at_tuple_end(end_name)) break;
      if (at_tuple_end(end_name)) error("Expected an expression, got " + string_repr(describe(current())));
      items.push_back(parse_expression(with_condition));
      if (!skip_operator(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    auto tuple = node(Expression::Kind::kTuple, line);
    tuple->operands = std::move(items);
    return measured(std::move(tuple));
  }

  ExpressionPtr parse_expression(bool with_condition = true) {
    Nested nested(*this);
    if (!with_condition) return parse_or();
    const size_t unknown = unknown_.size();
    ExpressionPtr value = parse_or();
    while (current().is_name("if")) {
      const int line = take().line;
      ExpressionPtr condition = parse_or();
      ExpressionPtr otherwise;
      if (skip_name("else")) otherwise = parse_expression();
      value = node(Expression::Kind::kConditional, line, std::move(condition), std::move(value), std::move(otherwise));
      unknown_.erase(unknown_.begin() + static_cast<ptrdiff_t>(unknown), unknown_.end());
    }
    return value;
  }

  ExpressionPtr parse_or() {
    ExpressionPtr left = parse_and();
    while (current().is_name("or")) {
      const int line = take().line;
      left = node(Expression::Kind::kOr, line, std::move(left), parse_and());
    }
    return left;
  }

  ExpressionPtr parse_and() {
    ExpressionPtr left = parse_not();
    while (current().is_name("and")) {
      const int line = take().line;
      left = node(Expression::Kind::kAnd, line, std::move(left), parse_not());
    }
    return left;
  }

  ExpressionPtr parse_not() {
    Nested nested(*this);
    if (!current().is_name("not")) return parse_compare();
    const int line = take().line;
    return node(Expression::Kind::kNot, line, parse_not());
  }

  std::optional<Relation> take_relation() {
    struct Row {
      const char* text;
      Relation relation;
    };
    static constexpr Row kRows[] = {{"==", Relation::kEqual},  {"!=", Relation::kNotEqual},
                                    {"<", Relation::kLess},    {"<=", Relation::kLessEqual},
                                    {">", Relation::kGreater}, {">=", Relation::kGreaterEqual}};
    for (const Row& row : kRows) {
      if (skip_operator(row.text)) return row.relation;
    }
    if (skip_name("in")) return Relation::kIn;
    if (current().is_name("not") && peek().is_name("in")) {
      take();
      take();
      return Relation::kNotIn;
    }
    return std::nullopt;
  }

  ExpressionPtr parse_compare() {
    const int line = current().line;
    ExpressionPtr first = parse_sum();
    auto relation = take_relation();
    if (!relation) return first;
    auto compare = node(Expression::Kind::kCompare, line, std::move(first));
    for (; relation; relation = take_relation()) {
      compare->relations.push_back(*relation);
      compare->operands.push_back(parse_sum());
    }
    return measured(std::move(compare));
  }

  ExpressionPtr arithmetic_node(Arithmetic operation, int line, ExpressionPtr left, ExpressionPtr right) {
    auto made = node(Expression::Kind::kArithmetic, line, std::move(left), std::move(right));
    made->operation = operation;
    return made;
  }

  ExpressionPtr parse_sum() {
    ExpressionPtr left = parse_concat();
    while (current().is_operator("+") || current().is_operator("-")) {
      const Token& token = take();
      const Arithmetic operation = token.text == "+" ? Arithmetic::kAdd : Arithmetic::kSubtract;
      left = arithmetic_node(operation, token.line, std::move(left), parse_concat());
    }
    return left;
  }

  ExpressionPtr parse_concat() {
    const int line = current().line;
    ExpressionPtr first = parse_product();
    if (!current().is_operator("~")) return first;
    auto concat = node(Expression::Kind::kConcat, line, std::move(first));
    while (skip_operator("~")) concat->operands.push_back(parse_product());
    return measured(std::move(concat));
  }

  ExpressionPtr parse_product() {
    struct Row {
      const char* text;
      Arithmetic operation;
    };
    static constexpr Row kRows[] = {{"*", Arithmetic::kMultiply},
                                    {"/", Arithmetic::kDivide},
                                    {"//", Arithmetic::kFloorDivide},
                                    {"%", Arithmetic::kModulo}};
    ExpressionPtr left = parse_power();
    while (true) {
      const int line = current().line;
      auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return skip_operator(r.text); });
      if (row == std::end(kRows)) return left;
      left = arithmetic_node(row->operation, line, std::move(left), parse_power());
    }
  }

  ExpressionPtr parse_power() {
    ExpressionPtr left = parse_unary(true);
    while (current().is_operator("**")) {
      const int line = take().line;
      left = arithmetic_node(Arithmetic::kPower, line, std::move(left), parse_unary(true));
    }
    return left;
  }

  ExpressionPtr parse_unary(bool with_filters) {
    Nested nested(*this);
    const int line = current().line;
    ExpressionPtr value;
    if (skip_operator("-")) {
      value = node(Expression::Kind::kNegate, line, parse_unary(false));
    } else if (skip_operator("+")) {
      value = node(Expression::Kind::kPlus, line, parse_unary(false));
    } else {
      value = parse_primary();
    }
    value = parse_postfix(std::move(value));
    return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
  }

  ExpressionPtr name_node(std::string name, int line, bool is_read) {
    if (is_read) {
      callers_ += name == "caller";
      kwargs_ += name == "kwargs";
      varargs_ += name == "varargs";
    }
    auto made = node(Expression::Kind::kName, line);
    made->name = std::move(name);
    return made;
  }

  ExpressionPtr parse_primary() {
    const Token& token = current();
    const int line = token.line;
    switch (token.kind) {
      case TokenKind::kName:
        take();
        if (token.text == "true" || token.text == "True") return constant(true, line);
        if (token.text == "false" || token.text == "False") return constant(false, line);
        if (token.text == "none" || token.text == "None") return constant(Value(), line);
        return name_node(token.text, line, true);
      case TokenKind::kString: {
        std::string text;
        while (current().kind == TokenKind::kString) text += take().text;
        return text_constant(std::move(text), line);
      }
      case TokenKind::kInteger:
        take();
        return constant(token.integer, line);
      case TokenKind::kFloat:
        take();
        return constant(token.real, line);
      default:
        break;
    }
    if (skip_operator("(")) {
      ExpressionPtr inner = parse_tuple(true, nullptr, true);
      expect_operator(")");
      return inner;
    }
    if (skip_operator("[")) return parse_list(line);
    if (skip_operator("{")) return parse_dict(line);
    error("unexpected " + string_repr(describe(token)));
  }

  ExpressionPtr parse_list(int line) {
    auto list = node(Expression::Kind::kList, line);
    while (!current().is_operator("]")) {
      if (!list->operands.empty()) expect_operator(",");
      if (current().is_operator("]")) break;
      list->operands.push_back(parse_expression());
    }
    expect_operator("]");
    return measured(std::move(list));
  }

  ExpressionPtr parse_dict(int line) {
    auto dict = node(Expression::Kind::kDict, line);
    while (!current().is_operator("}")) {
      if (!dict->operands.empty()) expect_operator(",");
      if (current().is_operator("}")) break;
      dict->operands.push_back(parse_expression());
      expect_operator(":");
      dict->operands.push_back(parse_expression());
    }
    expect_operator("}");
    return measured(std::move(dict));
  }

  ExpressionPtr parse_postfix(ExpressionPtr value) {
    while (true) {
      if (current().is_operator(".")) {
        value = parse_attribute(std::move(value));
      } else if (current().is_operator("[")) {
        value = parse_subscript(std::move(value));
      } else if (current().is_operator("(")) {
        value = parse_call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr parse_attribute(ExpressionPtr value) {
    const int line = take().line;
    const Token& name = take();
    if (name.kind == TokenKind::kInteger) {
      return node(Expression::Kind::kItem, line, std::move(value), constant(name.integer, line));
    }
    if (name.kind != TokenKind::kName) error("expected name or number");
    auto made = node(Expression::Kind::kAttribute, line, std::move(value));
    made->name = name.text;
    return made;
  }

  ExpressionPtr parse_subscript(ExpressionPtr value) {
    const int line = take().line;
    if (current().is_operator("]")) {
      take();
      return node(Expression::Kind::kItem, line, std::move(value), node(Expression::Kind::kTuple, line));
    }
    ExpressionPtr start, stop, step;
    if (!current().is_operator(":")) start = parse_expression();
    if (!current().is_operator(":")) {
      if (current().is_operator(",")) start = parse_subscript_tuple(std::move(start), line);
      expect_operator("]");
      return node(Expression::Kind::kItem, line, std::move(value), std::move(start));
    }
    take();
    auto at_bound = [&] {
      return !current().is_operator(":") && !current().is_operator("]") && !current().is_operator(",");
    };
    if (at_bound()) stop = parse_expression();
    if (skip_operator(":") && at_bound()) step = parse_expression();
    expect_operator("]");
    return node(Expression::Kind::kSlice, line, std::move(value), std::move(start), std::move(stop), std::move(step));
  }

  ExpressionPtr parse_subscript_tuple(ExpressionPtr first, int line) {
    auto tuple = node(Expression::Kind::kTuple, line, std::move(first));
    while (skip_operator(",")) tuple->operands.push_back(parse_expression());
    return measured(std::move(tuple));
  }

  std::vector<ArgumentNode> parse_arguments() {
    using Kind = ArgumentNode::Kind;
    std::vector<ArgumentNode> arguments;
    auto seen = [&](Kind kind) {
      return std::any_of(arguments.begin(), arguments.end(), [&](const ArgumentNode& a) { return a.kind == kind; });
    };
    auto require = [&](bool holds) {
      if (!holds) error("invalid syntax for function call expression");
    };
    expect_operator("(");
    while (!current().is_operator(")")) {
      if (!arguments.empty()) {
        expect_operator(",");
        if (current().is_operator(")")) break;
      }
      ArgumentNode argument;
      if (skip_operator("*")) {
        require(!seen(Kind::kSpread) && !seen(Kind::kNamedSpread));
        argument.kind = Kind::kSpread;
      } else if (skip_operator("**")) {
        require(!seen(Kind::kNamedSpread));
        argument.kind = Kind::kNamedSpread;
      } else if (current().kind == TokenKind::kName && peek().is_operator("=")) {
        require(!seen(Kind::kNamedSpread));
        argument.kind = Kind::kNamed;
        argument.name = take().text;
        take();
      } else {
        require(!seen(Kind::kSpread) && !seen(Kind::kNamedSpread) && !seen(Kind::kNamed));
      }
      argument.value = parse_expression();
      arguments.push_back(std::move(argument));
    }
    expect_operator(")");
    return arguments;
  }

  ExpressionPtr parse_call(ExpressionPtr callee) {
    auto call = node(Expression::Kind::kCall, current().line, std::move(callee));
    call->arguments = parse_arguments();
    return measured(std::move(call));
  }

  ExpressionPtr parse_filters_and_tests(ExpressionPtr value) {
    while (true) {
      if (current().is_operator("|")) {
        value = parse_filters(std::move(value));
      } else if (current().is_name("is")) {
        value = parse_test(std::move(value));
      } else if (current().is_operator("(")) {
        value = parse_call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr parse_filters(ExpressionPtr input) {
    while (skip_operator("|")) input = parse_one_filter(std::move(input));
    return input;
  }

  std::string parse_dotted_name() {
    std::string name = expect_identifier();
    while (skip_operator(".")) name += "." + expect_identifier();
    return name;
  }

  ExpressionPtr parse_one_filter(ExpressionPtr input) {
    const int line = current().line;
    auto filter = node(Expression::Kind::kFilter, line, std::move(input));
    filter->name = parse_dotted_name();
    filter->function = find_filter(filter->name, options_.chat_environment);
    if (!filter->function) note_unknown(line, "filter", filter->name);
    if (current().is_operator("(")) filter->arguments = parse_arguments();
    return measured(std::move(filter));
  }

  void note_unknown(int line, const char* what, const std::string& name) {
    if (conditional_) return;
    unknown_.push_back(
        {line, std::string("No ") + what + " named " + string_repr(name) + ".", "TemplateAssertionError"});
  }

  ExpressionPtr parse_test(ExpressionPtr input) {
    const int line = take().line;
    const bool negated = skip_name("not");
    auto test = node(Expression::Kind::kTest, line, std::move(input));
    test->name = parse_dotted_name();
    test->function = find_test(test->name);
    if (!test->function) note_unknown(line, "test", test->name);
    if (current().is_operator("(")) {
      test->arguments = parse_arguments();
    } else if (at_test_argument()) {
      if (current().is_name("is")) error("You cannot chain multiple tests with is");
      ArgumentNode argument;
      argument.value = parse_postfix(parse_primary());
      test->arguments.push_back(std::move(argument));
    }
    ExpressionPtr result = measured(std::move(test));
    return negated ? node(Expression::Kind::kNot, line, std::move(result)) : std::move(result);
  }

  bool at_test_argument() const {
    const Token& token = current();
    if (token.kind == TokenKind::kName) return !token.is_name("else") && !token.is_name("or") && !token.is_name("and");
    return token.kind == TokenKind::kString || token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat ||
           token.is_operator("[") || token.is_operator("{");
  }
};

}  // namespace

TemplateTree parse_template(std::string_view source, const TemplateOptions& options) {
  return Parser(source, options).run();
}

}  // namespace assay::jinja
