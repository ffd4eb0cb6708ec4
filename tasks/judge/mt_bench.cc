// MT-Bench as FastChat's llm_judge grades it. Turn 1 is judged alone, turn 2 with the whole conversation; questions of
// the file of reference answers (maths, reasoning, coding) use the prompts named "math". The rating is the first
// [[number]] of the text, else the first [number].
#include <filesystem>

#include "core/error.h"
#include "core/text.h"
#include "tasks/judge/prompt_text.h"
#include "tasks/python_regex.h"

namespace assay {
namespace {

// Our own wording, for machines without the benchmark's judge prompts.
constexpr const char* kGrade =
    "Grade how well the assistant answers the user. Look at correctness, relevance, depth and clarity; length as such "
    "earns nothing. Explain your judgement in a few sentences, then end with a line that holds nothing but your grade "
    "from 1 (useless) to 10 (excellent) in double square brackets, such as [[7]].";
constexpr const char* kCompare =
    "Two assistants, A and B, were asked the same. Decide whose answers serve the user better. The order in which they "
    "are shown, their names and the length of the answers must not matter. Explain your decision in a few sentences, "
    "then end with [[A]], [[B]], or [[C]] if neither is better.";
constexpr const char* kReference1 = "Reference answer:\n{ref_answer_1}\n\n";
constexpr const char* kReference2 =
    "Reference answer to the first question:\n{ref_answer_1}\n\nReference answer to the second question:\n"
    "{ref_answer_2}\n\n";
constexpr const char* kOne = "Question:\n{question}\n\nAnswer:\n{answer}\n";
constexpr const char* kTwo =
    "First question:\n{question_1}\n\nAnswer:\n{answer_1}\n\nSecond question:\n{question_2}\n\nAnswer to the second "
    "question, the one to be graded:\n{answer_2}\n";
constexpr const char* kPairOne = "Question:\n{question}\n\nAnswer of A:\n{answer_a}\n\nAnswer of B:\n{answer_b}\n";
constexpr const char* kPairTwo =
    "First question:\n{question_1}\n\nAnswer of A:\n{answer_a_1}\n\nAnswer of B:\n{answer_b_1}\n\nSecond question, the "
    "one to be judged:\n{question_2}\n\nAnswer of A:\n{answer_a_2}\n\nAnswer of B:\n{answer_b_2}\n";

std::map<std::string, JudgePrompt> own_prompts() {
  const std::string one = kReference1, two = kReference2;
  return {{"single-v1", {kGrade, kOne}},
          {"single-math-v1", {kGrade, one + kOne}},
          {"single-v1-multi-turn", {kGrade, kTwo}},
          {"single-math-v1-multi-turn", {kGrade, two + kTwo}},
          {"pair-v2", {kCompare, kPairOne}},
          {"pair-math-v1", {kCompare, one + kPairOne}},
          {"pair-v2-multi-turn", {kCompare, kPairTwo}},
          {"pair-math-v1-multi-turn", {kCompare, two + kPairTwo}}};
}

// The JSON values of a file's lines, each with its place.
std::vector<std::pair<Json, std::string>> rows_of(const std::string& path) {
  std::vector<std::pair<Json, std::string>> rows;
  int number = 0;
  for (const std::string& line : split(read_file(path), '\n')) {
    const std::string where = path + ":" + std::to_string(++number);
    if (!strip(line).empty()) rows.emplace_back(parse_json(line, where), where);
  }
  return rows;
}

const JudgePrompt& prompt_of(const JudgeMaterial& material, const std::string& name) {
  const auto found = material.prompts.find(name);
  if (found == material.prompts.end())
    throw_input("mt_bench/judge_prompts.jsonl", "has no prompt named " + name,
                "`assay fetch mt_bench --force` brings the file");
  return found->second;
}

std::vector<std::string> turns_of(const Prompt& prompt) {
  const Json fields = prompt.fields.json();
  const auto turns = fields.find("turns");
  if (turns == fields.end() || !turns->is_array() || turns->empty())
    throw_input(prompt.item_id, "has no list of turns, which its judge needs");
  std::vector<std::string> texts;
  for (const Json& turn : *turns) texts.push_back(turn.is_string() ? turn.get<std::string>() : dump_json(turn));
  return texts;
}

// The reference answers of a question, where it has them.
const std::vector<std::string>* references_of(const JudgeMaterial& material, const Prompt& prompt) {
  const Json fields = prompt.fields.json();
  const auto id = fields.find("question_id");
  if (id == fields.end() || !id->is_number_integer()) return nullptr;
  const auto found = material.references.find(id->get<int64_t>());
  return found == material.references.end() ? nullptr : &found->second;
}

PromptFields shared_fields(const std::vector<std::string>& questions, const std::vector<std::string>* references,
                           size_t turn) {
  PromptFields fields;
  for (size_t i = 0; i <= turn; ++i) {
    fields["question_" + std::to_string(i + 1)] = questions[i];
    if (references && i < references->size()) fields["ref_answer_" + std::to_string(i + 1)] = (*references)[i];
  }
  if (turn == 0) fields["question"] = questions[0];
  return fields;
}

std::string name_of(const char* kind, bool with_reference, const char* version, size_t turn) {
  return std::string(kind) + (with_reference ? "-math-v1" : version) + (turn > 0 ? "-multi-turn" : "");
}

}  // namespace

void check_mt_bench(const Prompt& prompt) {
  turns_of(prompt);
}

JudgeMaterial load_mt_bench(const std::string& data_folder) {
  JudgeMaterial material;
  material.prompts = own_prompts();
  const std::string path = data_folder + "/mt_bench/judge_prompts.jsonl";
  const std::string references = data_folder + "/mt_bench/reference_answer/gpt-4.jsonl";
  material.canonical = std::filesystem::exists(path) && std::filesystem::exists(references);
  if (std::filesystem::exists(path)) {
    material.prompts.clear();
    material.files.emplace_back("mt_bench/judge_prompts.jsonl");
    for (const auto& [json, where] : rows_of(path)) {
      const JsonObject row(json, where);
      material.prompts[row.text("name")] = {row.text("system_prompt", ""), row.text("prompt_template"), true};
    }
  }
  if (!std::filesystem::exists(references)) return material;
  material.files.emplace_back("mt_bench/reference_answer/gpt-4.jsonl");
  for (const auto& [json, where] : rows_of(references)) {
    const JsonObject row(json, where);
    const Json& choices = row.child("choices");
    if (!choices.is_array() || choices.empty()) row.fail("choices", "must be a list with one entry");
    const JsonObject choice(choices[0], where + ": choices");
    for (const Json& turn : choice.child("turns")) {
      if (!turn.is_string()) choice.fail("turns", "must be a list of texts");
      material.references[row.integer("question_id")].push_back(turn.get<std::string>());
    }
  }
  return material;
}

std::vector<JudgeQuestion> ask_mt_bench(const JudgeMaterial& material, const Prompt& prompt,
                                        const std::vector<std::string>& answers) {
  const std::vector<std::string> questions = turns_of(prompt);
  const std::vector<std::string>* references = references_of(material, prompt);
  std::vector<JudgeQuestion> out;
  for (size_t turn = 0; turn < std::min({answers.size(), questions.size(), size_t{2}}); ++turn) {
    PromptFields fields = shared_fields(questions, references, turn);
    for (size_t i = 0; i <= turn; ++i) fields["answer_" + std::to_string(i + 1)] = answers[i];
    if (turn == 0) fields["answer"] = answers[0];
    const std::string name = name_of("single", references != nullptr, "-v1", turn);
    out.push_back({static_cast<int>(turn), name, "single",
                   judge_messages(prompt_of(material, name), fields, "judge prompt " + name)});
  }
  return out;
}

std::vector<JudgeQuestion> ask_mt_bench_pair(const JudgeMaterial& material, const Prompt& prompt,
                                             const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const std::vector<std::string> questions = turns_of(prompt);
  const std::vector<std::string>* references = references_of(material, prompt);
  std::vector<JudgeQuestion> out;
  for (size_t turn = 0; turn < std::min({a.size(), b.size(), questions.size(), size_t{2}}); ++turn) {
    const std::string name = name_of("pair", references != nullptr, "-v2", turn);
    for (const bool a_first : {true, false}) {
      const std::vector<std::string>&first = a_first ? a : b, &second = a_first ? b : a;
      PromptFields fields = shared_fields(questions, references, turn);
      for (size_t i = 0; i <= turn; ++i) {
        fields["answer_a_" + std::to_string(i + 1)] = first[i];
        fields["answer_b_" + std::to_string(i + 1)] = second[i];
      }
      if (turn == 0) fields["answer_a"] = first[0], fields["answer_b"] = second[0];
      out.push_back({static_cast<int>(turn), name, a_first ? "a-first" : "b-first",
                     judge_messages(prompt_of(material, name), fields, "judge prompt " + name)});
    }
  }
  return out;
}

JudgeWord read_mt_bench(const Prompt&, const std::string& text) {
  JudgeWord verdict;
  for (const char* pattern : {R"(\[\[(\d+\.?\d*)\]\])", R"(\[(\d+\.?\d*)\])"}) {
    const auto matches = PythonRegex::cached(pattern).find_all(text);
    if (matches.empty()) continue;
    const double rating = std::strtod(matches.front().back().c_str(), nullptr);
    if (rating >= 1 && rating <= 10) {
      verdict.score = rating;
    } else {
      verdict.problem = "the rating " + matches.front().back() + " lies outside 1 to 10";
    }
    return verdict;
  }
  verdict.problem = "no rating [[n]] in the text";
  return verdict;
}

JudgeWord read_pair(const std::string& text) {
  JudgeWord verdict;
  for (const auto& [mark, score] : {std::pair{"A", 1.0}, {"B", 0.0}, {"C", 0.5}}) {
    if (text.find(std::string("[[") + mark + "]]") == std::string::npos) continue;
    verdict.label = mark;
    verdict.score = score;
    return verdict;
  }
  verdict.problem = "neither [[A]], [[B]] nor [[C]] in the text";
  return verdict;
}

}  // namespace assay
