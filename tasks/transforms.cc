#include "tasks/transforms.h"

#include <charconv>

#include "core/error.h"
#include "core/text.h"
#include "tasks/python_literal.h"
#include "tasks/python_regex.h"
#include "tasks/template/unicode.h"

namespace assay {
namespace {

const Json& field(const Json& fields, const char* name, const std::string& where) {
  auto found = fields.find(name);
  if (found == fields.end()) throw_input(where, std::string("the row has no field '") + name + "'");
  return *found;
}

std::string text_field(const Json& fields, const char* name, const std::string& where) {
  const Json& value = field(fields, name, where);
  if (!value.is_string()) throw_input(where, std::string("field '") + name + "' is not a text");
  return value.get<std::string>();
}

std::vector<std::string> text_list(const Json& value, const char* name, const std::string& where) {
  std::vector<std::string> texts;
  if (!value.is_array()) throw_input(where, std::string("field '") + name + "' is not a list");
  for (const Json& entry : value) {
    if (!entry.is_string()) throw_input(where, std::string("field '") + name + "' is not a list of texts");
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

// A whole number, or a text of digits.
int64_t index_field(const Json& fields, const char* name, const std::string& where) {
  const Json& value = field(fields, name, where);
  if (value.is_number_integer()) return value.get<int64_t>();
  int64_t number = 0;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  throw_input(where, std::string("field '") + name + "' is not a whole number");
}

// AI2's layout of multiple choice -> that of the data hub: choices {text, label}, question as a text.
bool arc(Json& fields, const std::string& where) {
  const Json question = field(fields, "question", where);
  if (!question.is_object()) return true;  // already in the hub's layout
  Json texts = Json::array(), labels = Json::array();
  const Json& choices = field(question, "choices", where);
  if (!choices.is_array()) throw_input(where, "field 'choices' is not a list");
  for (const Json& choice : choices) {
    texts.push_back(text_field(choice, "text", where));
    labels.push_back(text_field(choice, "label", where));
  }
  fields["question"] = text_field(question, "stem", where);
  fields["choices"] = Json::object({{"text", std::move(texts)}, {"label", std::move(labels)}});
  return true;
}

// Clean-up of WikiHow's markup, as every harness does it.
std::string without_markup(std::string text) {
  text = replace_all(std::string(strip(text)), " [title]", ". ");
  text = PythonRegex::cached(R"(\[.*?\])").remove_from(text);
  // One pass from left to right: of three spaces two stay.
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    out.push_back(text[i]);
    if (text[i] == ' ' && i + 1 < text.size() && text[i + 1] == ' ') ++i;
  }
  return out;
}

// Both layouts of HellaSwag -> query, choices, label as a number. The original has the context in two halves, of which
// the second starts with a capital letter in the prompt; the text form has one context, already cleaned and without
// case.
bool hellaswag(Json& fields, const std::string& where) {
  const std::string label = text_field(fields, "activity_label", where);
  const std::string context = fields.contains("ctx_a") ? text_field(fields, "ctx_a", where) + " " +
                                                             jinja::capitalize_text(text_field(fields, "ctx_b", where))
                                                       : text_field(fields, "ctx", where);
  fields["query"] = without_markup(label + ": " + context);
  fields["choices"] = Json::array();
  for (const std::string& ending : text_list(field(fields, "endings", where), "endings", where))
    fields["choices"].push_back(without_markup(ending));
  fields["label"] = index_field(fields, "label", where);
  return true;
}

// "... <<48/2=24>>24 clips ...\n#### 1,200" -> rationale (without the annotations), number ("1200").
bool gsm8k(Json& fields, const std::string& where) {
  const std::string answer = text_field(fields, "answer", where);
  const size_t mark = answer.rfind("#### ");
  if (mark == std::string::npos) throw_input(where, "field 'answer' has no line '#### <number>'");
  const std::string rationale = PythonRegex::cached(R"(<<[^>\n]*>>)").remove_from(answer.substr(0, mark));
  fields["rationale"] = std::string(strip(rationale));
  fields["number"] = replace_all(std::string(strip(answer.substr(mark + 5))), ",", "");
  return true;
}

// "... so _ always got ..." -> prefixes (the sentence up to and including each candidate), completion (the rest, with
// the space that may stand before it), gold (0-based).
bool winogrande(Json& fields, const std::string& where) {
  const std::string sentence = text_field(fields, "sentence", where);
  const size_t blank = sentence.find('_');
  if (blank == std::string::npos) throw_input(where, "field 'sentence' has no blank '_'");
  const std::string head = sentence.substr(0, blank);
  fields["prefixes"] =
      Json::array({head + text_field(fields, "option1", where), head + text_field(fields, "option2", where)});
  fields["completion"] = std::string(strip_right(std::string_view(sentence).substr(blank + 1)));
  const int64_t answer = index_field(fields, "answer", where);
  if (answer < 1 || answer > 2)
    throw_input(where, "the answer is '" + std::to_string(answer) + "', there are the options 1 and 2");
  fields["gold"] = answer - 1;
  return true;
}

// answer: a list of texts, or such a list as Python prints it -> aliases. A row without a usable alias is dropped.
bool open_question(Json& fields, const std::string& where) {
  Json answers = field(fields, "answer", where);
  if (answers.is_string()) {
    auto literal = parse_python_literal(answers.get_ref<const std::string&>());
    if (!literal) throw_input(where, "field 'answer' is not a list of texts in Python's notation");
    answers = std::move(*literal);
  }
  fields["aliases"] = Json::array();
  for (const std::string& alias : text_list(answers, "answer", where))
    if (!strip(alias).empty()) fields["aliases"].push_back(std::string(strip(alias)));
  return !fields["aliases"].empty();
}

const Transform kTransforms[] = {
    {"arc", "question {stem, choices [{text, label}]} -> question, choices {text, label}", arc},
    {"hellaswag", "activity_label, ctx_a, ctx_b or ctx, endings, label -> query, choices, label", hellaswag},
    {"gsm8k", "answer -> rationale, number", gsm8k},
    {"winogrande", "sentence, option1, option2, answer -> prefixes, completion, gold", winogrande},
    {"open_question", "answer -> aliases", open_question},
};

}  // namespace

const Transform* find_transform(std::string_view name) {
  for (const Transform& transform : kTransforms)
    if (name == transform.name) return &transform;
  return nullptr;
}

std::vector<std::string> transform_names() {
  std::vector<std::string> names;
  for (const Transform& transform : kTransforms) names.emplace_back(transform.name);
  return names;
}

}  // namespace assay
