// The doc_to_* fields of a task with their templates parsed: Document -> text, choices, targets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/task.h"
#include "tasks/template/template.h"

namespace assay {

// One field. Errors are Error(kInput) and name the task file, the task, the item and the field.
class PromptField {
 public:
  // `task` must outlive the field. Throws Error(kInput) when a template does not parse.
  PromptField(const Task& task, const FieldTemplate& source, std::string name);

  bool is_absent() const { return source_.kind == FieldTemplate::Kind::kAbsent; }

  // doc_to_text, doc_to_target, by lm-evaluation-harness's rules: a column is its value as it is, and a rendered
  // template is a text, except that digits alone are an integer where the task has choices (`digits_are_integer`), and
  // that "[...]" is the list it spells (`brackets_are_list`).
  Json value(const Document& document, bool digits_are_integer, bool brackets_are_list) const;

  // doc_to_choice: a list of texts.
  std::vector<std::string> choices(const Document& document) const;

  [[noreturn]] void fail(const Document& document, const std::string& what) const;

 private:
  const Task& task_;
  FieldTemplate source_;
  std::string name_;
  std::vector<Template> templates_;  // kTemplate: one; kList: one each

  std::string render(const Template& part, const Document& document) const;
  const Json* column(const Document& document) const;
};

// Text with templates in it that is no field: description, gen_prefix. Empty stays empty.
class PromptText {
 public:
  PromptText(const Task& task, const std::string& source, const std::string& name);
  std::string render(const Document& document) const;

 private:
  std::optional<PromptField> field_;
};

// A value as Python prints it with str(): texts as they are, 3, 1.5, True, None.
std::string python_text(const Json& value);

}  // namespace assay
