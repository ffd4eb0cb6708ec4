#include "tasks/template/template.h"

#include "tasks/template/interpreter.h"
#include "tasks/template/lexer.h"
#include "tasks/template/parser.h"

namespace assay {

struct Template::Parsed {
  std::string name;
  TemplateOptions options;
  jinja::TemplateTree tree;
};

namespace {

std::string place(const std::string& name, int line) {
  return name + ":" + std::to_string(line);
}

// Runs `render(line)` and turns what Python would raise into an error with the place.
template <typename Render>
auto at_place(const std::string& name, const Json& context, Render render) {
  if (!context.is_object()) throw TemplateError(name, "TypeError", "the context of a template must be an object");
  int line = 1;
  try {
    return render(line);
  } catch (const jinja::PythonError& error) {
    throw TemplateError(place(name, line), error.type, error.message);
  }
}

}  // namespace

TemplateOptions TemplateOptions::task_prompt() {
  return {};
}

TemplateOptions TemplateOptions::chat() {
  TemplateOptions options;
  options.strict_undefined = false;
  options.trim_blocks = options.lstrip_blocks = true;
  options.keep_trailing_newline = false;
  options.chat_environment = true;
  return options;
}

TemplateError::TemplateError(const std::string& where, std::string python_type, std::string message)
    : Error(Kind::kInput, where, python_type + ": " + message),
      python_type_(std::move(python_type)),
      message_(std::move(message)) {}

Template::Template(std::unique_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template Template::parse(std::string source, std::string name, TemplateOptions options) {
  auto parsed = std::make_unique<Parsed>();
  parsed->name = std::move(name);
  parsed->options = options;
  try {
    parsed->tree = jinja::parse_template(source, options);
  } catch (const jinja::SyntaxError& error) {
    throw TemplateError(place(parsed->name, error.line), error.type, error.message);
  }
  return Template(std::move(parsed));
}

std::string Template::render(const Json& context) const {
  return at_place(parsed_->name, context,
                  [&](int& line) { return jinja::run_template(parsed_->tree, parsed_->options, context, line); });
}

Json Template::evaluate(const Json& context) const {
  return at_place(parsed_->name, context,
                  [&](int& line) { return jinja::run_expression(parsed_->tree, parsed_->options, context, line); });
}

const std::string& Template::name() const {
  return parsed_->name;
}

}  // namespace assay
