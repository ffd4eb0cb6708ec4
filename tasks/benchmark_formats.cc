#include "tasks/benchmark_formats.h"

#include "core/error.h"
#include "core/text.h"

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

}  // namespace assay
