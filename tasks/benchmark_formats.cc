#include "tasks/benchmark_formats.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "tasks/python_regex.h"

namespace assay {
namespace {

bool is_passage(const Json& entry) {
  return entry.is_array() && entry.size() == 3 && entry[0].is_array() && entry[1].is_array();
}

std::string joined_lines(const Json& lines, const std::string& where) {
  std::string all;
  for (const Json& line : lines) {
    if (!line.is_string()) throw_input(where, "a line of the passage is no text");
    if (!all.empty()) all += '\n';
    all += line.get_ref<const std::string&>();
  }
  return all;
}

std::vector<DataRow> prompt_examples(std::string_view text, const std::string& path) {
  constexpr std::string_view kRule = "-----\n", kQuestion = "Q: ", kAnswer = "\nA: ";
  const size_t rule = text.find(kRule);
  if (rule == std::string_view::npos) throw_input(path, "the line ----- before the prompt is missing");
  text.remove_prefix(rule + kRule.size());
  size_t begin = text.find("\n\nQ: ");
  std::string description(text.substr(0, begin == std::string_view::npos ? begin : begin + 2));
  std::vector<DataRow> rows;
  while (begin != std::string_view::npos) {
    begin += 2 + kQuestion.size();
    const size_t end = text.find("\n\nQ: ", begin);
    const std::string_view example = text.substr(begin, end == std::string_view::npos ? end : end - begin);
    const size_t answer = example.find(kAnswer);
    const std::string where = path + ": example " + std::to_string(rows.size() + 1);
    if (answer == std::string_view::npos) throw_input(where, "it has no line that begins with 'A: '");
    rows.push_back({Json{{"description", rows.empty() ? description : ""},
                         {"input", std::string(example.substr(0, answer))},
                         {"target", std::string(strip_right(example.substr(answer + kAnswer.size())))}},
                    where});
    begin = end;
  }
  return rows;
}

// ---- DROP

using Spans = std::vector<std::string>;

std::string text_at(const Json& row, const char* key, const std::string& where) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_string()) throw_input(where, std::string("'") + key + "' is no text");
  return found->get<std::string>();
}

Spans spans_of(const Json& list, const std::string& where) {
  Spans spans;
  if (!list.is_array()) throw_input(where, "an answer is no list of texts");
  for (const Json& span : list) {
    if (!span.is_string()) throw_input(where, "an answer is no list of texts");
    spans.push_back(replace_all(span.get<std::string>(), "\n", " "));
  }
  return spans;
}

// {number, date: {day, month, year}, spans}, of which one is filled -> its spans and its type.
std::pair<Spans, std::string> answer_of(const Json& answer, const std::string& where) {
  if (!answer.is_object()) throw_input(where, "an answer is a map of number, date and spans");
  const Json number = answer.value("number", Json());
  if (number.is_number()) return {{number.dump()}, "number"};
  if (number.is_string() && number != "") return {{number.get<std::string>()}, "number"};
  const Spans spans = spans_of(answer.value("spans", Json::array()), where);
  if (!spans.empty()) return {spans, spans.size() == 1 ? "span" : "spans"};
  const Json date = answer.value("date", Json::object());
  std::string all;
  for (const char* part : {"day", "month", "year"})
    if (date.contains(part)) all += (all.empty() ? "" : " ") + text_at(date, part, where);
  return {{std::string(strip(all))}, "date"};
}

std::string type_by_looks(const Spans& spans) {
  if (spans.size() != 1) return "spans";
  if (!PythonRegex::cached(R"(^-?(?:\d[\d,]*)?\.?\d+$)").find_all(spans[0]).empty()) return "number";
  const char* date =
      "^(?:\\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|November|December)"
      "(?: \\d{1,4})?$";
  const bool has_digit = spans[0].find_first_of("0123456789") != std::string::npos;
  return has_digit && !PythonRegex::cached(date).find_all(spans[0]).empty() ? "date" : "span";
}

std::string joined_spans(const Spans& spans, const char* between) {
  std::string all;
  for (const std::string& span : spans) all += (all.empty() ? "" : between) + span;
  return all;
}

Json drop_row(const Json& passage, const Json& passage_id, const Json& question, const std::vector<Spans>& answers,
              const std::string& type) {
  Json accepted = Json::array();
  for (const Spans& spans : answers) {
    const Json text = joined_spans(spans, "\n");
    if (std::find(accepted.begin(), accepted.end(), text) == accepted.end()) accepted.push_back(text);
  }
  return {{"passage", passage},   {"passage_id", passage_id},
          {"question", question}, {"answers", accepted},
          {"type", type},         {"shown", joined_spans(answers[0], ", ")}};
}

std::vector<DataRow> drop_passages(std::string_view text, const std::string& path) {
  std::vector<DataRow> rows;
  const Json passages = parse_json(text, path);
  if (!passages.is_object()) throw_input(path, "the file is no map of passages");
  for (const auto& [id, entry] : passages.items()) {
    const std::string where = path + ": passage " + id;
    if (!entry.is_object() || !entry.contains("qa_pairs") || !entry["qa_pairs"].is_array())
      throw_input(where, "the passage has no list 'qa_pairs'");
    for (const Json& pair : entry["qa_pairs"]) {
      if (!pair.is_object() || !pair.contains("answer")) throw_input(where, "a question has no 'answer'");
      const auto [first, type] = answer_of(pair["answer"], where);
      std::vector<Spans> answers = {first};
      for (const Json& other : pair.value("validated_answers", Json::array()))
        answers.push_back(answer_of(other, where).first);
      rows.push_back(
          {drop_row(text_at(entry, "passage", where), id, text_at(pair, "question", where), answers, type), where});
    }
  }
  return rows;
}

std::vector<DataRow> drop_requests(std::string_view text, const std::string& path, const DataSpec& spec) {
  DataSpec lines = spec;
  lines.format = "jsonl";
  std::vector<DataRow> rows;
  std::map<std::string, size_t> numbers;
  for (const DataRow& row : parse_data(text, path, lines)) {
    const Json question = row.fields.value("doc", Json());
    if (!question.is_object() || !question.contains("answers") || !question["answers"].is_array() ||
        question["answers"].empty())
      throw_input(row.where, "the row has no 'doc' with a list 'answers'");
    std::vector<Spans> answers;
    for (const Json& spans : question["answers"]) {
      answers.push_back(spans_of(spans, row.where));
      if (answers.back().empty()) throw_input(row.where, "an answer has no span");
    }
    const std::string passage = text_at(question, "passage", row.where);
    const size_t number = numbers.emplace(passage, numbers.size()).first->second;
    rows.push_back({drop_row(passage, "passage " + std::to_string(number), text_at(question, "question", row.where),
                             answers, type_by_looks(answers[0])),
                    row.where});
  }
  return rows;
}

}  // namespace

std::vector<DataRow> read_c3(std::string_view text, const std::string& path, const DataSpec& spec) {
  DataSpec list = spec;
  list.rows_at.clear();
  list.format = "json";
  std::vector<DataRow> rows;
  for (const DataRow& passage : parse_data(text, path, list)) {
    const Json& entry = passage.fields.value("row", Json());
    if (!is_passage(entry)) throw_input(passage.where, "a passage is a list of lines, questions and a name");
    const std::string document = joined_lines(entry[0], passage.where);
    for (const Json& question : entry[1]) {
      if (!question.is_object()) throw_input(passage.where, "a question is a map of question, choice and answer");
      Json fields = question;
      fields["passage"] = document;
      fields["passage_id"] = entry[2];
      rows.push_back({std::move(fields), passage.where});
    }
  }
  return rows;
}

std::vector<DataRow> read_bbh(std::string_view text, const std::string& path, const DataSpec& spec) {
  if (!starts_with(text, "{")) return prompt_examples(text, path);
  DataSpec examples = spec;
  examples.format = "json";
  examples.rows_at = "/examples";
  return parse_data(text, path, examples);
}

std::vector<DataRow> read_drop(std::string_view text, const std::string& path, const DataSpec& spec) {
  const Json first = Json::parse(text.substr(0, text.find('\n')), nullptr, false);
  return first.is_object() && first.contains("doc") ? drop_requests(text, path, spec) : drop_passages(text, path);
}

}  // namespace assay
