// The Jinja interpreter. It serves two uses, which differ in their environment (TemplateOptions):
//   - task prompts: lm-evaluation-harness's environment. An undefined name is an error, the trailing newline stays,
//     one extra filter `regex_replace`;
//   - the chat templates that checkpoints ship: Hugging Face's environment, an immutable sandbox with trimmed blocks,
//     {% break %}, {% continue %}, {% generation %}, raise_exception(), strftime_now() and a tojson that keeps
//     characters as they are.
//
// The language is Jinja 2 (3.1): values behave as Python's do, scopes as Jinja's. What needs other files (include,
// import, extends), chance (random, lipsum) or classes of Python is refused by name. Whole numbers have 64 bits;
// beyond them is an error. Autoescaping is always off.
//
// source text -> lexer.h -> parser.h -> ast.h -> interpreter.h; values in value.h, what Python does to them in
// operators.h, methods.h and python_format.h, Jinja's tables in filters.h, predicates.h and globals.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/json.h"

namespace assay {

struct TemplateOptions {
  // An undefined name is an error wherever its value is used, except in `is defined` and `default`. Otherwise it
  // prints as nothing, is empty and false, and only an attribute of it or arithmetic with it is an error.
  bool strict_undefined = true;
  bool trim_blocks = false;           // the newline after a block tag goes
  bool lstrip_blocks = false;         // the blanks before a block tag that starts its line go
  bool keep_trailing_newline = true;  // otherwise one newline at the end of the source goes
  // Hugging Face's environment, as above; otherwise lm-evaluation-harness's.
  bool chat_environment = false;
  std::optional<std::tm> now;  // what strftime_now() says; default: local time at each call

  // A render that takes more ends as Error(kInput). One step is about one evaluated node or 16 bytes built.
  uint64_t max_steps = 50'000'000;
  size_t max_output_bytes = size_t{256} << 20;  // of the output, and of any one text on the way to it

  static TemplateOptions task_prompt();
  static TemplateOptions chat();
};

// A template that is malformed or failed while rendering. what() is "name:line: type: message".
class TemplateError : public Error {
 public:
  TemplateError(const std::string& where, std::string python_type, std::string message);

  // Exactly what the template said through raise_exception(), or what is wrong.
  const std::string& message() const { return message_; }
  // Class of the exception that Python's jinja2 raises in this case ("TemplateSyntaxError", "UndefinedError",
  // "TypeError", ...; "TemplateError" for raise_exception), "LimitError" where one of ours is exceeded.
  const std::string& python_type() const { return python_type_; }

 private:
  std::string python_type_;
  std::string message_;
};

// A parsed template. Immutable: any number of threads may render one at once. Movable, not copyable.
class Template {
 public:
  // `name` heads error messages: a file, or "task.yaml doc_to_text". Throws TemplateError.
  static Template parse(std::string source, std::string name, TemplateOptions options = TemplateOptions::task_prompt());

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // The output. `context` is an object whose keys are the template's names; it is only read. Throws TemplateError.
  std::string render(const Json& context) const;

  // Where the source is exactly one {{ expression }}, its value: a list stays a list, a number a number, a tuple or
  // an iterator becomes a list, undefined becomes null (an error when strict). Any other source: its output as a text.
  Json evaluate(const Json& context) const;

  const std::string& name() const;

 private:
  struct Parsed;
  explicit Template(std::unique_ptr<const Parsed> parsed);
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace assay
