#include "tasks/extract.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "tasks/math_answers.h"
#include "tasks/python_regex.h"
#include "tasks/template/unicode.h"

namespace assay {
namespace {

using Answer = std::optional<std::string>;
using Answers = std::vector<Answer>;

constexpr const char* kInvalid = "[invalid]";  // lm-evaluation-harness's word for "none found"
constexpr const char* kGsm8kPattern = R"(#### (\-?[0-9\.\,]+))";
constexpr const char* kNumberPattern = R"(-?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+)";

template <typename T>
T option(const Json& options, const char* key, T otherwise) {
  return options.contains(key) && !options[key].is_null() ? options[key].get<T>() : otherwise;
}

Answer found_or_none(std::string text) {
  if (text == kInvalid) return std::nullopt;
  return text;
}

// The first group of a match that is not empty; the whole match where there are no groups. Nothing when all are empty.
std::optional<std::string> first_group(const std::vector<std::string>& groups) {
  if (groups.size() == 1) return groups[0];
  auto group = std::find_if(groups.begin(), groups.end(), [](const std::string& text) { return !text.empty(); });
  if (group == groups.end()) return std::nullopt;
  return *group;
}

// The match that `group_select` names, or nullptr. An index past the end picks nothing.
template <typename T>
const T* selected(const std::vector<T>& matches, int group_select) {
  const int64_t count = static_cast<int64_t>(matches.size());
  const int64_t index = group_select < 0 ? count + group_select : group_select;
  return index >= 0 && index < count ? &matches[static_cast<size_t>(index)] : nullptr;
}

// What `pattern` finds in a text: stripped, possibly empty; nothing where there is no match.
std::optional<std::string> search(const std::string& pattern, const std::string& text, int group_select) {
  const auto matches = PythonRegex::cached(pattern).find_all(text);
  const auto* match = selected(matches, group_select);
  if (!match) return std::nullopt;
  auto group = first_group(*match);
  if (!group) return std::nullopt;
  return std::string(strip(*group));
}

std::string text_of(const Answer& answer) {
  return answer.value_or("");
}

// ---- one filter each: the options, the texts that are left so far, the document -> the texts that are left then

void regex_filter(const Json& options, Answers& answers, const Json&) {
  const auto pattern = option<std::string>(options, "regex_pattern", kGsm8kPattern);
  const auto fallback = option<std::string>(options, "fallback", kInvalid);
  for (Answer& answer : answers)
    answer = found_or_none(search(pattern, text_of(answer), option(options, "group_select", 0)).value_or(fallback));
}

// Treatment of answer and choices before the choices' texts are looked for.
std::string without_ignored(const Json& options, std::string text) {
  for (const auto& pattern : option(options, "regexes_to_ignore", std::vector<std::string>()))
    text = PythonRegex::cached(pattern).remove_from(text);
  if (option(options, "ignore_case", false)) text = jinja::lower_text(text);
  if (option(options, "ignore_punctuation", false)) text = PythonRegex::cached(R"(\p{P})").remove_from(text);
  return text;
}

// Occurrences of any of `choices` in the text, from left to right; where several start, the first of them counts, as in
// a regular expression of alternatives.
std::vector<std::string> find_choices(const std::vector<std::string>& choices, const std::string& text) {
  std::vector<std::string> hits;
  for (size_t at = 0; at < text.size();) {
    auto hit = std::find_if(choices.begin(), choices.end(), [&](const std::string& choice) {
      return !choice.empty() && text.compare(at, choice.size(), choice) == 0;
    });
    if (hit != choices.end()) {
      hits.push_back(*hit);
      at += hit->size();
    } else {
      next_code_point(text, at);
    }
  }
  return hits;
}

std::string letter(size_t index) {
  return std::string(1, static_cast<char>('A' + index));
}

// multi_choice_regex for one text: by pattern, by a choice's text, by a letter after a colon.
std::string multi_choice_answer(const Json& options, const std::string& text, const std::vector<std::string>& choices) {
  const int group_select = option(options, "group_select", 0);
  const auto pattern = option<std::string>(options, "regex_pattern", kGsm8kPattern);
  if (auto match = search(pattern, text, group_select); match && !match->empty()) return *match;
  std::map<std::string, std::string> letters_of;
  std::vector<std::string> treated;
  std::string letters;
  for (size_t i = 0; i < choices.size(); ++i) {
    treated.push_back(without_ignored(options, std::string(strip(choices[i]))));
    letters_of[treated.back()] = "(" + letter(i) + ")";
    letters += (i ? "|" : "") + letter(i);
  }
  const auto hits = find_choices(treated, without_ignored(options, text));
  if (const auto* hit = selected(hits, group_select); hit) {
    auto known = letters_of.find(std::string(strip(*hit)));
    return known == letters_of.end() ? std::string(strip(*hit)) : known->second;
  }
  if (auto match = search(":[\\s]*(" + letters + ")", text, group_select); match && !match->empty())
    return "(" + *match + ")";
  return option<std::string>(options, "fallback", kInvalid);
}

void multi_choice_regex_filter(const Json& options, Answers& answers, const Json& fields) {
  std::vector<std::string> choices;
  if (fields.contains("choices") && fields["choices"].is_array()) {
    for (const Json& choice : fields["choices"])
      if (choice.is_string() && choices.size() < 26) choices.push_back(choice.get<std::string>());
  }
  for (Answer& answer : answers) answer = found_or_none(multi_choice_answer(options, text_of(answer), choices));
}

void remove_whitespace_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers)
    if (answer) answer = std::string(strip(*answer));
}

void lowercase_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers)
    if (answer) answer = jinja::lower_text(*answer);
}

void uppercase_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers)
    if (answer) answer = jinja::upper_text(*answer);
}

Answer mapped_value(const Json& value) {
  if (value.is_null()) return std::nullopt;
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void map_filter(const Json& options, Answers& answers, const Json&) {
  const Json mapping = option(options, "mapping_dict", Json::object());
  const Json otherwise = options.value("default_value", Json());
  for (Answer& answer : answers) {
    auto entry = mapping.find(answer.value_or(kInvalid));
    answer = mapped_value(entry == mapping.end() ? otherwise : *entry);
  }
}

void take_first_filter(const Json&, Answers& answers, const Json&) {
  if (answers.size() > 1) answers.resize(1);
}

void take_first_k_filter(const Json& options, Answers& answers, const Json&) {
  const size_t k = static_cast<size_t>(options["k"].get<int64_t>());
  if (answers.size() > k) answers.resize(k);
}

void majority_vote_filter(const Json&, Answers& answers, const Json&) {
  if (answers.empty()) return;
  auto votes = [&](const Answer& answer) { return std::count(answers.begin(), answers.end(), answer); };
  Answer best = answers[0];
  for (const Answer& answer : answers)
    if (votes(answer) > votes(best)) best = answer;
  answers = {best};
}

void last_number_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers) answer = search(kNumberPattern, text_of(answer), -1);
}

void number_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers) answer = search(kNumberPattern, text_of(answer), 0);
}

void final_answer_filter(const Json& options, Answers& answers, const Json&) {
  const bool chinese = option<std::string>(options, "language", "en") == "zh";
  const std::string pattern =
      chinese ? "答案(?:是|为)[：:]?\\s*([^\\n。]+)" : "(?i)the (?:final )?answer is:?\\s*((?:[^\\n.]|\\.(?=\\d))+)";
  for (Answer& answer : answers) answer = search(pattern, text_of(answer), -1);
}

void letters_filter(const Json& options, Answers& answers, const Json&) {
  const bool all = option<std::string>(options, "which", "first") == "all";
  for (Answer& answer : answers) {
    const std::string text = text_of(answer);
    std::string letters;
    for (char letter = 'A'; letter <= 'F'; ++letter)
      if (text.find(letter) != std::string::npos) letters.push_back(letter);
    if (!all && !letters.empty()) letters = text[text.find_first_of(letters)];
    answer = letters.empty() ? Answer() : letters;
  }
}

void boxed_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers) answer = boxed_answer(text_of(answer));
}

void cloze_answer_filter(const Json&, Answers& answers, const Json&) {
  for (Answer& answer : answers) answer = cloze_answer(text_of(answer));
}

void spans_filter(const Json&, Answers& answers, const Json& fields) {
  if (!fields.contains("type") || fields["type"] != "spans") return;
  for (Answer& answer : answers)
    if (answer) answer = PythonRegex::cached(R"(\s*,\s+(?:and\s+)?|\s+and\s+)").replace_in(*answer, "\n");
}

void truncate_filter(const Json& options, Answers& answers, const Json&) {
  const Json& until = options["until"];
  const std::vector<std::string> stops =
      until.is_string() ? std::vector<std::string>{until.get<std::string>()} : until.get<std::vector<std::string>>();
  for (Answer& answer : answers) {
    if (!answer) continue;
    for (const std::string& stop : stops) answer = answer->substr(0, answer->find(stop));
  }
}

// The first fenced block of a chat model's answer; an open one reaches to the end. `otherwise: text` keeps an answer
// that has none.
void code_block_filter(const Json& options, Answers& answers, const Json&) {
  const bool keep = option<std::string>(options, "otherwise", "none") == "text";
  for (Answer& answer : answers) {
    const std::string text = text_of(answer);
    const size_t fence = text.find("```");
    const size_t begin = fence == std::string::npos ? fence : text.find('\n', fence);
    if (begin == std::string::npos) {
      if (!keep) answer = std::nullopt;
      continue;
    }
    const size_t end = text.find("```", begin);
    answer = text.substr(begin + 1, end == std::string::npos ? end : end - begin - 1);
  }
}

// ---- the table

struct FilterRow {
  const char* name;
  std::vector<const char*> options;
  void (*apply)(const Json& options, Answers& answers, const Json& fields);
};

const FilterRow kFilters[] = {
    {"regex", {"regex_pattern", "group_select", "fallback"}, regex_filter},
    {"multi_choice_regex",
     {"regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation", "regexes_to_ignore"},
     multi_choice_regex_filter},
    {"remove_whitespace", {}, remove_whitespace_filter},
    {"lowercase", {}, lowercase_filter},
    {"uppercase", {}, uppercase_filter},
    {"map", {"mapping_dict", "default_value"}, map_filter},
    {"take_first", {}, take_first_filter},
    {"take_first_k", {"k"}, take_first_k_filter},
    {"majority_vote", {}, majority_vote_filter},
    {"last_number", {}, last_number_filter},
    {"number", {}, number_filter},
    {"final_answer", {"language"}, final_answer_filter},
    {"letters", {"which"}, letters_filter},
    {"boxed", {}, boxed_filter},
    {"cloze_answer", {}, cloze_answer_filter},
    {"spans", {}, spans_filter},
    {"truncate", {"until"}, truncate_filter},
    {"code_block", {"otherwise"}, code_block_filter},
};

const FilterRow* find_filter(const std::string& name) {
  for (const FilterRow& row : kFilters)
    if (name == row.name) return &row;
  return nullptr;
}

// ---- checks at the door

bool is_text_list(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& entry) { return entry.is_string(); });
}

// What an option must be, by its name; the names mean the same in every filter.
bool has_right_type(const std::string& option, const Json& value) {
  if (option == "regex_pattern") return value.is_string();
  if (option == "fallback") return value.is_string() || value.is_null();
  if (option == "group_select") return value.is_number_integer();
  if (option == "k") return value.is_number_integer() && value.get<int64_t>() > 0;
  if (option == "ignore_case" || option == "ignore_punctuation") return value.is_boolean();
  if (option == "regexes_to_ignore") return value.is_null() || is_text_list(value);
  if (option == "mapping_dict") return value.is_object();
  if (option == "until") return value.is_string() || is_text_list(value);
  if (option == "otherwise") return value == "text" || value == "none";
  if (option == "language") return value == "en" || value == "zh";
  if (option == "which") return value == "first" || value == "all";
  return true;
}

std::string pattern_defect(const std::string& pattern) {
  try {
    PythonRegex regex(pattern);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

std::vector<std::optional<std::string>> extract_answers(const FilterPipeline& pipeline,
                                                        const std::vector<std::string>& texts, const Json& fields) {
  Answers answers(texts.begin(), texts.end());
  for (const FilterStep& step : pipeline.steps) {
    const FilterRow* row = find_filter(step.function);
    ASSAY_ASSERT(row, "filters are checked when the task file is loaded");
    row->apply(step.options, answers, fields);
  }
  return answers;
}

bool is_known_filter(const std::string& function) {
  return find_filter(function) != nullptr;
}

std::string filter_defect(const FilterStep& step) {
  const FilterRow* row = find_filter(step.function);
  if (!row) return "unknown filter '" + step.function + "'";
  if (!step.options.is_object() && !step.options.is_null()) return "options of a filter are a map";
  for (const auto& [key, value] : step.options.items()) {
    const bool known = std::any_of(row->options.begin(), row->options.end(),
                                   [&option = key](const char* name) { return option == name; });
    if (!known) return "filter '" + step.function + "' has no option '" + key + "'";
    if (!has_right_type(key, value)) return "filter '" + step.function + "': option '" + key + "' has a wrong value";
  }
  for (const char* required : {"k", "until"}) {
    const bool needed = std::any_of(row->options.begin(), row->options.end(),
                                    [&](const char* name) { return std::string_view(name) == required; });
    if (needed && !step.options.contains(required))
      return "filter '" + step.function + "' needs the option '" + required + "'";
  }
  if (step.options.contains("regex_pattern")) {
    if (auto defect = pattern_defect(step.options["regex_pattern"]); !defect.empty()) return defect;
  }
  for (const auto& pattern : option(step.options, "regexes_to_ignore", std::vector<std::string>()))
    if (auto defect = pattern_defect(pattern); !defect.empty()) return defect;
  return "";
}

}  // namespace assay
