#include "tasks/prompt_field.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "tasks/python_literal.h"

namespace assay {
namespace {

using Kind = FieldTemplate::Kind;

// What an integer in a rendered text may have: beyond it the text stays a text.
constexpr size_t kMostDigits = 9;

bool is_integer_text(const std::string& text) {
  return !text.empty() && text.size() <= kMostDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

PromptField::PromptField(const Task& task, const FieldTemplate& source, std::string name)
    : task_(task), source_(source), name_(std::move(name)) {
  const std::string where = task.file + " " + name_;
  if (source_.kind == Kind::kTemplate) templates_.push_back(Template::parse(source_.text, where));
  if (source_.kind == Kind::kList && !source_.is_literal)
    for (const std::string& entry : source_.list) templates_.push_back(Template::parse(entry, where));
}

void PromptField::fail(const Document& document, const std::string& what) const {
  throw_input(task_.file, fmt::format("task {}, item {}, {}: {}", task_.key(), document.id, name_, what));
}

std::string PromptField::render(const Template& part, const Document& document) const {
  try {
    return part.render(document.fields);
  } catch (const TemplateError& error) {
    fail(document, error.message());
  }
}

// Null where the document has no such column and the convention takes the name for the text itself.
const Json* PromptField::column(const Document& document) const {
  auto found = document.fields.find(source_.text);
  if (found != document.fields.end()) return &*found;
  if (task_.convention == "lm-eval") return nullptr;
  fail(document, "the document has no column '" + source_.text + "'");
}

Json PromptField::value(const Document& document, bool digits_are_integer, bool brackets_are_list) const {
  switch (source_.kind) {
    case Kind::kAbsent:
      return nullptr;
    case Kind::kInteger:
      return source_.integer;
    case Kind::kList: {
      if (source_.is_literal) return source_.list;
      Json list = Json::array();
      for (const Template& part : templates_) list.push_back(render(part, document));
      return list;
    }
    case Kind::kColumn:
      if (const Json* found = column(document)) return *found;
      break;
    case Kind::kTemplate:
      break;
  }
  const std::string text = templates_.empty() ? source_.text : render(templates_[0], document);
  if (digits_are_integer && is_integer_text(text)) return std::stoi(text);
  if (brackets_are_list && starts_with(text, "[") && ends_with(text, "]"))
    if (auto list = parse_python_literal(text); list && list->is_array()) return *list;
  return text;
}

std::vector<std::string> PromptField::choices(const Document& document) const {
  Json list = value(document, false, true);
  if (list.is_object()) {
    Json values = Json::array();
    for (const auto& entry : list.items()) values.push_back(entry.value());
    list = std::move(values);
  }
  if (!list.is_array() || list.empty()) fail(document, "the choices are no list but " + dump_json(list));
  std::vector<std::string> texts;
  for (const Json& entry : list) texts.push_back(python_text(entry));
  return texts;
}

PromptText::PromptText(const Task& task, const std::string& source, const std::string& name) {
  if (source.empty()) return;
  FieldTemplate field;
  field.kind = Kind::kTemplate;
  field.text = source;
  field_.emplace(task, field, name);
}

std::string PromptText::render(const Document& document) const {
  return field_ ? field_->value(document, false, false).get<std::string>() : "";
}

std::string python_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  static const Template printer = Template::parse("{{ value }}", "python_text");
  return printer.render(Json::object({{"value", value}}));
}

}  // namespace assay
