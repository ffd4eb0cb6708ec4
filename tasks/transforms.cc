#include "tasks/transforms.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "tasks/math_answers.h"
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

// Name of the first function of `code` that `tests` call; empty when there is none.
std::string called_function(const std::string& code, const std::string& tests) {
  for (const auto& groups : PythonRegex::cached(R"((?m)^def\s+(\w+))").find_all(code))
    if (tests.find(groups.back() + "(") != std::string::npos) return groups.back();
  return "";
}

// Both layouts of MBPP (text, test_list, test_setup_code; prompt, test, test_imports) -> text, tests, code with plain
// line ends, setup, entry_point.
bool mbpp(Json& fields, const std::string& where) {
  if (!fields.contains("text")) fields["text"] = text_field(fields, "prompt", where);
  const char* list = fields.contains("test_list") ? "test_list" : "test";
  std::string tests, setup;
  if (fields.contains("test_setup_code") && !fields["test_setup_code"].is_null())
    setup = text_field(fields, "test_setup_code", where);
  for (const std::string& line : text_list(field(fields, list, where), list, where))
    tests += (tests.empty() ? "" : "\n") + line;
  if (fields.contains("test_imports"))
    for (const std::string& line : text_list(fields["test_imports"], "test_imports", where)) setup += line + "\n";
  fields["code"] = replace_all(text_field(fields, "code", where), "\r\n", "\n");
  fields["tests"] = tests;
  fields["setup"] = replace_all(setup, "\r\n", "\n");
  fields["entry_point"] = called_function(fields["code"].get<std::string>(), tests);
  return true;
}

// "2023-07" of seconds since 1970.
std::string month_of(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts = {};
  gmtime_r(&time, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m", &parts);
  return text;
}

// A contest problem -> definitions (classes that the stub shows beside Solution), month, difficulty.
bool leetcode(Json& fields, const std::string& where) {
  const std::string prompt = text_field(fields, "prompt", where);
  const size_t docstring_end = prompt.rfind("\"\"\"");
  const size_t solution = prompt.find("class Solution", docstring_end == std::string::npos ? 0 : docstring_end);
  const size_t begin = docstring_end == std::string::npos ? 0 : docstring_end + 3;
  fields["definitions"] =
      solution == std::string::npos ? "" : std::string(strip(prompt.substr(begin, solution - begin)));
  fields["month"] = month_of(index_field(fields, "start_time", where));
  fields["difficulty"] = text_field(field(fields, "meta", where), "difficulty", where);
  return true;
}

// "… #idiom# …" and candidates -> before (the text before the blank), options (each idiom and the text after it).
bool chid(Json& fields, const std::string& where) {
  constexpr std::string_view kBlank = "#idiom#";
  const std::string content = text_field(fields, "content", where);
  const size_t blank = content.find(kBlank);
  if (blank == std::string::npos) throw_input(where, "field 'content' has no blank #idiom#");
  fields["before"] = content.substr(0, blank);
  fields["options"] = Json::array();
  for (const std::string& idiom : text_list(field(fields, "candidates", where), "candidates", where))
    fields["options"].push_back(idiom + content.substr(blank + kBlank.size()));
  return true;
}

// A row of the Winograd schemas of CLUE -> pronoun, antecedent. Rows labelled false name what the pronoun does not mean
// and are dropped.
bool cluewsc(Json& fields, const std::string& where) {
  const std::string label = text_field(fields, "label", where);
  if (label != "true" && label != "false") throw_input(where, "the label is '" + label + "', not true or false");
  const Json& spans = field(fields, "target", where);
  const std::string antecedent = text_field(spans, "span1_text", where);
  const std::string pronoun = text_field(spans, "span2_text", where);
  fields["antecedent"] = antecedent;
  fields["pronoun"] = pronoun;
  return label == "true";
}

// A problem of MATH, or a row of AGIEval's few-shot examples whose column `math` holds one as Python prints it ->
// problem, solution, answer. Other rows of those examples are dropped.
bool math(Json& fields, const std::string& where) {
  if (!fields.contains("problem")) {
    const auto example = parse_python_literal(text_field(fields, "math", where));
    if (!example || !example->is_object()) return false;
    fields = {{"problem", text_field(*example, "question", where)},
              {"solution", text_field(field(*example, "other", where), "solution", where)}};
  }
  const auto answer = boxed_answer(text_field(fields, "solution", where));
  if (!answer) throw_input(where, "field 'solution' has no answer in \\boxed{...}");
  fields["answer"] = *answer;
  return true;
}

// Letters of the right options: a text ("A", "B D", "ACD") or a list of letters.
std::string letters_of(const Json& label, const std::string& where) {
  std::string letters;
  for (const std::string& part :
       label.is_array() ? text_list(label, "label", where) : std::vector{label.get<std::string>()})
    letters += part;
  std::erase(letters, ' ');
  std::sort(letters.begin(), letters.end());
  return letters;
}

// An answer without the dollar signs around it.
std::string undollared(const std::string& answer) {
  const bool has_both = answer.size() > 1 && answer.front() == '$' && answer.back() == '$';
  return has_both ? answer.substr(1, answer.size() - 2) : answer;
}

// passage (may be null), question, options and label, or answer -> passage as a text, passage_id (of a question without
// passage its own), gold.
bool agieval(Json& fields, const std::string& where) {
  const std::string passage = field(fields, "passage", where).is_null() ? "" : text_field(fields, "passage", where);
  fields["passage"] = passage;
  fields["passage_id"] = sha256_hex(passage.empty() ? text_field(fields, "question", where) : passage).substr(0, 16);
  const Json& label = field(fields, "label", where);
  if (!label.is_null() && !label.is_array() && !label.is_string()) throw_input(where, "field 'label' is no letter");
  fields["gold"] = label.is_null() ? undollared(text_field(fields, "answer", where)) : letters_of(label, where);
  return true;
}

const Transform kTransforms[] = {
    {"arc", "question {stem, choices [{text, label}]} -> question, choices {text, label}", arc},
    {"hellaswag", "activity_label, ctx_a, ctx_b or ctx, endings, label -> query, choices, label", hellaswag},
    {"gsm8k", "answer -> rationale, number", gsm8k},
    {"winogrande", "sentence, option1, option2, answer -> prefixes, completion, gold", winogrande},
    {"open_question", "answer -> aliases", open_question},
    {"mbpp", "text or prompt, test_list or test, code -> text, tests, code, setup, entry_point", mbpp},
    {"chid", "content, candidates -> before, options", chid},
    {"cluewsc", "target, label -> pronoun, antecedent; only rows labelled true", cluewsc},
    {"math", "problem, solution -> answer; rows of AGIEval's examples -> problem, solution, answer", math},
    {"agieval", "passage, question, label or answer -> passage, passage_id, gold", agieval},
    {"leetcode", "prompt, meta, start_time -> definitions, month, difficulty", leetcode},
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
