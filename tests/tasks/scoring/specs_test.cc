// The task files that come with the program, on the real benchmark files where those are at hand.
#include <catch2/catch.hpp>
#include <map>

#include "core/hash.h"
#include "core/text.h"
#include "tasks/documents.h"
#include "tasks/metrics.h"
#include "tasks/prompt.h"
#include "tasks/requests.h"
#include "tasks/task_file.h"
#include "tests/support.h"

namespace assay {
namespace {

const TaskRegistry& registry() {
  static const TaskRegistry loaded = load_registry({});
  return loaded;
}

const Task& task_of(const std::string& key) {
  const Task* task = registry().find_task(key);
  INFO(key);
  REQUIRE(task);
  return *task;
}

// The folder of benchmark files; nothing where it is absent.
std::optional<DataRoot> data_root() {
  const auto manifest = testing::shared_file("data/MANIFEST.json");
  if (!manifest) return std::nullopt;
  return DataRoot{manifest->substr(0, manifest->rfind('/')), {}};
}

std::vector<Prompt> prompts_of(const Task& task, const DataRoot& root, const PromptOptions& options) {
  const bool needs_pool = options.num_fewshot.value_or(task.fewshot.count) > 0;
  const auto pool = needs_pool ? load_documents(task, task.fewshot.split, root) : std::vector<Document>();
  return render_prompts(task, load_documents(task, task.test_split, root), pool, options);
}

Prompt first_prompt(const std::string& key, const DataRoot& root) {
  PromptOptions options;
  options.limit = 1;
  return prompts_of(task_of(key), root, options).at(0);
}

Response generated(const std::string& text) {
  Response response;
  response.texts.push_back({text, FinishReason::kStop, 1});
  return response;
}

// Hash of an item's requests as tests/golden/tasks/make_lm_eval_goldens.py forms it.
std::string golden_hash(const Task& task, const Prompt& prompt) {
  std::string all;
  for (const Request& request : make_requests(task, prompt, {})) {
    auto continuations = request.continuations;
    if (continuations.empty()) continuations = {""};
    for (const std::string& continuation : continuations)
      all += (all.empty() ? std::string() : std::string(1, '\1')) + request.context + '\0' + continuation;
  }
  return sha256_hex(all);
}

}  // namespace

TEST_CASE("the suites and conventions of this program are there") {
  std::map<std::string, int> tasks;
  for (const Task& task : registry().tasks) {
    INFO(task.key() << ": " << task.unavailable);
    CHECK(task.unavailable.empty());
    CHECK_FALSE(task.metrics.empty());
    ++tasks[task.suite + "@" + task.convention];
  }
  const std::map<std::string, int> expected = {
      {"mmlu@deepseek", 57},      {"mmlu@lm-eval", 57},     {"ceval@deepseek", 52},     {"ceval@lm-eval", 52},
      {"arc@deepseek", 2},        {"arc@lm-eval", 2},       {"gsm8k@deepseek", 1},      {"gsm8k@lm-eval", 1},
      {"gsm8k@original", 1},      {"bpb@deepseek", 1},      {"hellaswag@deepseek", 1},  {"hellaswag@lm-eval", 1},
      {"nq@deepseek", 1},         {"triviaqa@deepseek", 1}, {"winogrande@deepseek", 1}, {"piqa@deepseek", 1},
      {"openbookqa@deepseek", 1}, {"c3@deepseek", 1},       {"chid@deepseek", 1},       {"cluewsc@deepseek", 1},
      {"cmath@deepseek", 1},      {"race@deepseek", 2},     {"bbh@deepseek", 27},       {"cmmlu@deepseek", 67},
      {"ccpm@deepseek", 1},       {"math@deepseek", 1},     {"drop@deepseek", 1},       {"agieval@deepseek", 20}};
  for (const auto& [suite, count] : expected) {
    CAPTURE(suite);
    CHECK(tasks[suite] == count);
  }
  for (const char* group :
       {"mmlu@deepseek", "mmlu@lm-eval", "ceval@deepseek", "ceval@lm-eval", "ceval_stem@deepseek"}) {
    CAPTURE(group);
    const TaskGroup* found = registry().find_group(group);
    REQUIRE(found);
    CHECK(found->weight_by_size);
  }
  CHECK(registry().find_group("mmlu@deepseek")->members.size() == 4);
  CHECK(registry().find_group("ceval@deepseek")->members.size() == 4);
}

TEST_CASE("published rows that a task names are rows of the baselines") {
  const auto path = testing::shared_file("baselines/published.json");
  if (!path) return;
  const Json published = read_json_file(*path);
  auto is_there = [&](const PublishedRow& row) {
    for (const Json& record : published["records"]) {
      const bool shots = row.shots ? record["shots"] == *row.shots : record["shots"].is_null();
      if (record["benchmark"] == row.benchmark && record["metric"] == row.metric && record["source"] == row.source &&
          shots && record.value("method", "") == row.method)
        return true;
    }
    return false;
  };
  for (const Task& task : registry().tasks)
    for (const PublishedRow& row : task.published) {
      CAPTURE(task.key(), row.source);
      CHECK(is_there(row));
    }
  for (const TaskGroup& group : registry().groups)
    for (const PublishedRow& row : group.published) {
      CAPTURE(group.key(), row.source);
      CHECK(is_there(row));
    }
  CHECK(registry().find_group("mmlu@deepseek")->published.size() == 2);
}

TEST_CASE("every suite has as many items as its files") {
  const auto root = data_root();
  if (!root) return;
  std::map<std::string, int64_t> items_of_path;
  const Json manifest = read_json_file(root->folder + "/MANIFEST.json");
  for (const Json& file : manifest["files"])
    if (file["items"].is_number_integer()) items_of_path[file["path"]] = file["items"];
  std::map<std::string, size_t> totals;
  for (const Task& task : registry().tasks) {
    if (task.name == "bpb" || task.form_of) continue;
    CAPTURE(task.key());
    if (document_files(task, task.test_split, *root).empty()) continue;
    const auto documents = load_documents(task, task.test_split, *root);
    totals[task.suite + "@" + task.convention] += documents.size();
    int64_t listed = 0;
    bool all_listed = true;
    for (const std::string& file : document_files(task, task.test_split, *root)) {
      const auto entry = items_of_path.find(file.substr(root->folder.size() + 1));
      all_listed = all_listed && entry != items_of_path.end();
      if (entry != items_of_path.end()) listed += entry->second;
    }
    const bool drops_rows = task.process_docs == "cluewsc";
    if (all_listed && task.data.rows.empty() && !drops_rows) CHECK(static_cast<int64_t>(documents.size()) == listed);
  }
  CHECK(totals["mbpp@deepseek"] == 500 + 427);
  CHECK(totals["leetcode@deepseek"] == 124);
  for (const char* convention : {"@deepseek", "@lm-eval"}) {
    CHECK(totals[std::string("mmlu") + convention] == 14042);
    CHECK(totals[std::string("ceval") + convention] == 1346);
    CHECK(totals[std::string("gsm8k") + convention] == 1319);
    CHECK(totals[std::string("hellaswag") + convention] == 10042);
    CHECK(totals[std::string("arc") + convention] == 2376 + 1172);
  }
  CHECK(totals["winogrande@deepseek"] == 1267);
  CHECK(totals["triviaqa@deepseek"] == 11313);
  CHECK(totals["nq@deepseek"] == 3610);
  CHECK(totals["piqa@deepseek"] == 1838);
  CHECK(totals["openbookqa@deepseek"] == 500);
  CHECK(totals["c3@deepseek"] == 3816);
  CHECK(totals["chid@deepseek"] == 2002);
  CHECK(totals["cluewsc@deepseek"] == 488);
  CHECK(totals["cmath@deepseek"] == 1098);
  CHECK(totals["race@deepseek"] == 1436);
  CHECK(totals["bbh@deepseek"] == 6511);
  CHECK(totals["math@deepseek"] == 5000);
  CHECK(totals["drop@deepseek"] == 1000);
  CHECK(totals["agieval@deepseek"] == 4809);
}

TEST_CASE("every item of every task renders and becomes requests") {
  const auto root = data_root();
  if (!root) return;
  for (const Task& task : registry().tasks) {
    if (task.data.files.empty() || document_files(task, task.test_split, *root).empty()) continue;
    CAPTURE(task.key());
    PromptOptions options;
    if (task.fewshot.sampler == FewshotSpec::Sampler::kStableHash) options.limit = 50;
    for (const Prompt& prompt : prompts_of(task, *root, options)) {
      const auto requests = make_requests(task, prompt, {});
      const bool gold = task.output_type == OutputType::kRolling || !prompt.golds.empty();
      const bool fine = !requests.empty() && (prompt.choices.empty() || prompt.gold_index >= 0) && gold;
      if (!fine) FAIL("item " << prompt.item_id);
    }
  }
}

TEST_CASE("prompts of the DeepSeek convention read as the report prints them") {
  const auto root = data_root();
  if (!root) return;

  const Prompt mmlu = first_prompt("mmlu_anatomy@deepseek", *root);
  CHECK(starts_with(mmlu.context,
                    "The following are multiple choice questions (with answers) about anatomy.\n\n"
                    "What is the embryological origin of the hyoid bone?\nA. "));
  CHECK(mmlu.context.find("\nAnswer: D\n\n") != std::string::npos);
  CHECK(ends_with(mmlu.context, "\nAnswer:"));
  CHECK(mmlu.delimiter + mmlu.choices[0] == " A");

  const Prompt ceval = first_prompt("ceval_accountant@deepseek", *root);
  CHECK(starts_with(ceval.context,
                    "以下是中国关于注册会计师考试的单项选择题，请选出其中的正确答案。\n\n甲公司是国内一家上市公司。"));
  CHECK(ceval.context.find("\n答案：B\n\n") != std::string::npos);
  CHECK(ends_with(ceval.context, "\n答案："));
  CHECK(ceval.delimiter + ceval.choices[0] == "A");

  const Prompt gsm8k = first_prompt("gsm8k@deepseek", *root);
  CHECK(starts_with(gsm8k.context, "Q: Max can mow the lawn in 40 minutes."));
  CHECK(gsm8k.context.find(
            "\nA: Let's think step by step. It takes Max 2 * 40 minutes = 80 minutes to fertilize the lawn.\n") !=
        std::string::npos);
  CHECK(gsm8k.context.find("\nThe answer is 120.\n\nQ: The bagels cost") != std::string::npos);
  CHECK(gsm8k.context.find("<<") == std::string::npos);
  CHECK(ends_with(gsm8k.context, "?\nA: Let's think step by step."));
  CHECK(gsm8k.golds == std::vector<std::string>{"18"});

  const Prompt hellaswag = first_prompt("hellaswag@deepseek", *root);
  CHECK(starts_with(hellaswag.context, "Roof shingle removal: A man is sitting on a roof. "));
  CHECK(hellaswag.choices[3] == "starts pulling up roofing on a roof.");
  CHECK(hellaswag.gold_index == 3);
  CHECK(hellaswag.delimiter == " ");

  const Prompt arc = first_prompt("arc_easy@deepseek", *root);
  CHECK(arc.context ==
        "Question: Which statement best explains why photosynthesis is the foundation of most food webs?\n\nAnswer:");
  CHECK(arc.choices[1] == "Most ecosystems are found on land instead of in water.");
  const auto arc_requests = make_requests(task_of("arc_easy@deepseek"), arc, {});
  REQUIRE(arc_requests.size() == 2);
  CHECK(arc_requests[1].context == "Answer:");

  const Prompt winogrande = first_prompt("winogrande@deepseek", *root);
  CHECK(winogrande.contexts == std::vector<std::string>{"Sarah was a much better surgeon than Maria so Sarah",
                                                        "Sarah was a much better surgeon than Maria so Maria"});
  CHECK(winogrande.delimiter + winogrande.target == " always got the easier cases.");
  CHECK(winogrande.gold_index == 1);

  const Prompt triviaqa = first_prompt("triviaqa@deepseek", *root);
  CHECK(starts_with(triviaqa.context,
                    "Answer these questions:\nQ: What are the international registration letters of a vehicle "
                    "from Belize?\nA: Bh.\nQ: "));
  CHECK(ends_with(triviaqa.context, "\nQ: Who was the man behind The Chipmunks?\nA:"));
  CHECK(triviaqa.golds == std::vector<std::string>{"David Seville"});

  const Prompt nq = first_prompt("nq@deepseek", *root);
  CHECK(
      starts_with(nq.context, "Answer these questions:\nQ: who sings does he love me with reba\nA: Linda Davis\nQ: "));
  CHECK(ends_with(nq.context, "31\nQ: when was the last time anyone was on the moon\nA:"));
}

TEST_CASE("prompts of the lm-eval convention are those of lm-evaluation-harness byte for byte") {
  const auto root = data_root();
  if (!root) return;
  const Json goldens = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tasks/lm_eval_prompts.json");
  testing::TemporaryFolder folder;
  std::string rows;
  for (const Json& row : goldens["hellaswag_rows"]) rows += row.dump() + "\n";
  folder.write("hellaswag/hellaswag_val.jsonl", rows);
  for (const Json& golden : goldens["prompts"]) {
    const Task& task = task_of(golden["task"]);
    CAPTURE(task.key(), golden["shots"]);
    PromptOptions options;
    options.num_fewshot = golden["shots"].get<int>();
    options.limit = golden["limit"].get<int>();
    const bool own_rows = task.name == "hellaswag";
    const auto prompts = prompts_of(task, own_rows ? DataRoot{folder.path(), {}} : *root, options);
    REQUIRE(prompts.size() == golden["hashes"].size());
    for (size_t i = 0; i < prompts.size(); ++i) {
      CAPTURE(prompts[i].item_id);
      CHECK(golden_hash(task, prompts[i]) == golden["hashes"][i].get<std::string>());
    }
  }
}

TEST_CASE("GSM8K's published solutions score as their authors scored them") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("gsm8k@original");
  const auto prompts = prompts_of(task, *root, {});
  const std::vector<std::string> lines = split(read_file(root->folder + "/gsm8k/example_model_solutions.jsonl"), '\n');
  size_t judged = 0, agreed = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Json row = parse_json(lines.at(i), "example_model_solutions.jsonl");
    REQUIRE(row["question"] == prompts[i].fields.json()["question"]);
    for (const char* model : {"6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"}) {
      for (const Score& score : score_item(task, prompts[i], {generated(row[model]["solution"].get<std::string>())})) {
        if (score.filter != "solution-line") continue;
        ++judged;
        agreed += (score.value == 1) == row[model]["is_correct"].get<bool>();
      }
    }
  }
  CHECK(judged == 4 * 1319);
  CHECK(agreed == judged);
}

TEST_CASE("GSM8K's answers are found in each convention's form") {
  const auto root = data_root();
  if (!root) return;
  struct Row {
    const char *key, *text, *filter;
    Outcome outcome;
    double value;
  };
  const Row rows[] = {
      {"gsm8k@deepseek", " 16 - 3 - 4 = 9. 9 * 2 = 18. The answer is 18.", "final-answer", Outcome::kScored, 1},
      {"gsm8k@deepseek", " The answer is $18.00.", "final-answer", Outcome::kScored, 1},
      {"gsm8k@deepseek", " So she makes 18 dollars", "final-answer", Outcome::kUnparsed, 0},
      {"gsm8k@deepseek", " So she makes 18 dollars", "last-number", Outcome::kScored, 1},
      {"gsm8k@deepseek", " no idea", "last-number", Outcome::kUnparsed, 0},
      {"gsm8k@lm-eval", " ...\n#### 18", "strict-match", Outcome::kScored, 1},
      {"gsm8k@lm-eval", " she makes $18.", "strict-match", Outcome::kUnparsed, 0},
      {"gsm8k@lm-eval", " she makes $18.", "flexible-extract", Outcome::kScored, 1},
      {"gsm8k@lm-eval", " she makes $18.00", "flexible-extract", Outcome::kScored, 0},
      {"gsm8k@original", "...\n#### 18", "hash-line", Outcome::kScored, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.key, row.text, row.filter);
    bool seen = false;
    for (const Score& score : score_item(task_of(row.key), first_prompt(row.key, *root), {generated(row.text)})) {
      if (score.filter != row.filter) continue;
      seen = true;
      CHECK(score.outcome == row.outcome);
      CHECK(score.value == row.value);
    }
    CHECK(seen);
  }
}

TEST_CASE("bits per byte reads the given texts") {
  testing::TemporaryFolder folder;
  const std::string path = folder.write("a.txt", "some text\n");
  const Task& task = task_of("bpb@deepseek");
  const auto prompts = prompts_of(task, DataRoot{"", {path}}, {});
  REQUIRE(prompts.size() == 1);
  CHECK(make_requests(task, prompts[0], {}).at(0).text == "some text\n");
}

}  // namespace assay
