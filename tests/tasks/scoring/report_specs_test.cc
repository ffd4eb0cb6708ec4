// The task files of the DeepSeek LLM report's Table 5 beyond the oldest ones: prompts against texts that are put
// together here from the fields of the benchmark files.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

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

const Task& task_of(const std::string& name) {
  const Task* task = registry().find_task(name + "@deepseek");
  INFO(name);
  REQUIRE(task);
  return *task;
}

// A folder of benchmark files, or nothing.
std::optional<DataRoot> data_root() {
  const auto manifest = testing::shared_file("data/MANIFEST.json");
  if (!manifest) return std::nullopt;
  return DataRoot{manifest->substr(0, manifest->rfind('/')), {}};
}

std::vector<Prompt> prompts_of(const Task& task, const DataRoot& root) {
  const auto pool = task.fewshot.count > 0 ? load_documents(task, task.fewshot.split, root) : std::vector<Document>();
  return render_prompts(task, load_documents(task, task.test_split, root), pool, {});
}

std::vector<Json> lines_of(const DataRoot& root, const std::string& path) {
  std::vector<Json> rows;
  for (const std::string& line : split(read_file(root.folder + "/" + path), '\n'))
    if (!strip(line).empty()) rows.push_back(parse_json(line, path));
  return rows;
}

std::string text(const Json& row, const char* field) {
  return row.at(field).get<std::string>();
}

std::string stripped(const Json& row, const char* field) {
  return std::string(strip(row.at(field).get_ref<const std::string&>()));
}

// Outcome and value that an answer gets under the task's first filter and metric.
std::pair<Outcome, double> scored(const Task& task, const Prompt& prompt, const std::string& answer) {
  Response response;
  response.texts.push_back({answer, FinishReason::kStop, 1});
  const Score score = score_item(task, prompt, {response}).at(0);
  return {score.outcome, score.value};
}

// Value that an answer gets under a filter and the task's first metric.
double value_under(const std::string& filter, const Task& task, const Prompt& prompt, const std::string& answer) {
  Response response;
  response.texts.push_back({answer, FinishReason::kStop, 1});
  for (const Score& score : score_item(task, prompt, {response}))
    if (score.filter == filter && score.metric == task.metrics[0].metric) return score.value;
  FAIL("no filter " << filter);
  return 0;
}

const std::pair<Outcome, double> kRight{Outcome::kScored, 1}, kWrong{Outcome::kScored, 0};

}  // namespace

TEST_CASE("every row of the report's table of base models has a task") {
  const auto path = testing::shared_file("baselines/published.json");
  if (!path) return;
  const std::string table = "deepseek-llm-paper:table5";
  std::set<std::string> wanted, mapped;
  const Json published = read_json_file(*path);
  for (const Json& record : published["records"])
    if (record["source"] == table) wanted.insert(text(record, "benchmark"));
  auto note = [&](const std::vector<PublishedRow>& rows) {
    for (const PublishedRow& row : rows)
      if (row.source == table) mapped.insert(row.benchmark);
  };
  for (const Task& task : registry().tasks) note(task.published);
  for (const TaskGroup& group : registry().groups) note(group.published);
  CHECK(wanted.size() == 26);
  std::set<std::string> unmapped;
  for (const std::string& benchmark : wanted)
    if (!mapped.count(benchmark)) unmapped.insert(benchmark);
  CHECK(unmapped == std::set<std::string>{});
}

TEST_CASE("PIQA asks for two solutions after the bare goal, its labels lie in a file beside") {
  const auto root = data_root();
  if (!root) return;
  const auto prompts = prompts_of(task_of("piqa"), *root);
  const auto rows = lines_of(*root, "piqa/valid.jsonl");
  const auto labels = split(read_file(root->folder + "/piqa/valid-labels.lst"), '\n');
  REQUIRE(prompts.size() == 1838);
  for (size_t item : {0, 729, 1837}) {
    CAPTURE(item);
    CHECK(prompts[item].context == stripped(rows[item], "goal"));
    CHECK(prompts[item].choices ==
          std::vector<std::string>{stripped(rows[item], "sol1"), stripped(rows[item], "sol2")});
    CHECK(std::to_string(prompts[item].gold_index) == labels[item]);
    CHECK(prompts[item].delimiter == " ");
  }
}

TEST_CASE("OpenBookQA asks for answers after the bare stem and after the neutral context") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("openbookqa");
  const auto prompts = prompts_of(task, *root);
  const auto rows = lines_of(*root, "openbookqa/Main/test.jsonl");
  REQUIRE(prompts.size() == 500);
  const Json& question = rows[3]["question"];
  CHECK(prompts[3].context == text(question, "stem"));
  CHECK(prompts[3].choices[2] == text(question["choices"][2], "text"));
  CHECK(std::string(1, static_cast<char>('A' + prompts[3].gold_index)) == text(rows[3], "answerKey"));
  const auto requests = make_requests(task, prompts[3], {});
  REQUIRE(requests.size() == 2);
  CHECK(requests[1].context == "Answer:");
  CHECK(requests[1].continuations == requests[0].continuations);
}

TEST_CASE("C3 asks for an answer after the passage and the question") {
  const auto root = data_root();
  if (!root) return;
  const auto prompts = prompts_of(task_of("c3"), *root);
  CHECK(prompts.size() == 1825 + 1991);
  const Json passages = read_json_file(root->folder + "/c3/c3-d-dev.json");
  const Json& first = passages[0];
  std::string lines;
  for (const Json& line : first[0]) lines += line.get<std::string>() + "\n";
  const Json& question = first[1][0];
  CHECK(prompts[0].context == lines + "\n请根据上文回答问题：\n\n" + text(question, "question") + "\n答案：");
  CHECK(prompts[0].choices == question["choice"].get<std::vector<std::string>>());
  CHECK(prompts[0].golds == std::vector<std::string>{text(question, "answer")});
  CHECK(prompts[0].delimiter.empty());
  CHECK(prompts[0].fields.json()["passage_id"] == first[2]);
}

TEST_CASE("CHID puts the text after the blank behind each idiom") {
  const auto root = data_root();
  if (!root) return;
  const auto prompts = prompts_of(task_of("chid"), *root);
  const auto rows = lines_of(*root, "chid/test_public.json");
  REQUIRE(prompts.size() == 2002);
  for (size_t item : {0, 404}) {
    CAPTURE(item);
    REQUIRE(prompts[item].choices.size() == 7);
    for (size_t i = 0; i < 7; ++i) {
      const std::string idiom = rows[item]["candidates"][i];
      CHECK(prompts[item].context + prompts[item].delimiter + prompts[item].choices[i] ==
            replace_all(text(rows[item], "content"), "#idiom#", idiom));
      CHECK(starts_with(prompts[item].choices[i], idiom));
    }
    CHECK(prompts[item].gold_index == rows[item]["answer"].get<int>());
  }
}

TEST_CASE("CLUEWSC shows the report's five rows and asks for the antecedent") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("cluewsc");
  const auto prompts = prompts_of(task, *root);
  CHECK(prompts.size() == 488);
  const auto shots = lines_of(*root, "cluewsc/train_0.json");
  const auto rows = lines_of(*root, "cluewsc/test_public.json");
  auto question = [](const Json& row) {
    return text(row, "text") + "\n上面的句子中的\"" + text(row["target"], "span2_text") + "\"指的是\n";
  };
  std::string expected;
  for (size_t row : {21, 7, 19, 14, 2})
    expected += question(shots[row]) + text(shots[row]["target"], "span1_text") + "\n\n";
  expected += question(rows[766]);
  const auto item = std::find_if(prompts.begin(), prompts.end(),
                                 [](const Prompt& prompt) { return prompt.item_id == "test/test_public/766"; });
  REQUIRE(item != prompts.end());
  CHECK(item->context == expected);
  const std::string gold = text(rows[766]["target"], "span1_text");
  CHECK(scored(task, *item, gold) == kRight);
  CHECK(scored(task, *item, gold + gold) == kWrong);
}

TEST_CASE("CMath shows the report's three questions with reasoning") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("cmath");
  const auto prompts = prompts_of(task, *root);
  REQUIRE(prompts.size() == 1098);
  const auto shots = lines_of(*root, "cmath/cmath_dev.jsonl");
  const auto rows = lines_of(*root, "cmath/test.jsonl");
  const std::string& context = prompts[5].context;
  size_t at = 0;
  for (size_t row : {500, 501, 502}) {
    const std::string question = "Q: " + text(shots[row], "input") + "\nA: ";
    CHECK(context.substr(at, question.size()) == question);
    at = context.find("。\n\nQ: ", at);
    REQUIRE(at != std::string::npos);
    at += std::string("。\n\n").size();
  }
  CHECK(context.substr(at) == "Q: " + text(rows[5], "question") + "\nA:");
  CHECK(context.find("所以答案是：900。\n\n") != std::string::npos);
  const std::string gold = text(rows[5], "golden");
  CHECK(scored(task, prompts[5], " 先算……所以答案是：" + gold + "。") == kRight);
  CHECK(scored(task, prompts[5], " 所以答案是：" + gold + "1。") == kWrong);
  CHECK(scored(task, prompts[5], " 不知道").first == Outcome::kUnparsed);
  const auto fraction = std::find_if(prompts.begin(), prompts.end(), [](const Prompt& prompt) {
    return prompt.golds.at(0).find('/') != std::string::npos;
  });
  REQUIRE(fraction != prompts.end());
  CHECK(scored(task, *fraction, "所以答案是：" + fraction->golds[0] + "。") == kRight);
  CHECK(scored(task, *fraction, "所以答案是：" + fraction->golds[0].substr(0, 1) + "。") == kWrong);
}

TEST_CASE("RACE shows the other questions of the passage, five at most") {
  const auto root = data_root();
  if (!root) return;
  const auto prompts = prompts_of(task_of("race_middle"), *root);
  const auto rows = lines_of(*root, "race/test/middle.jsonl");
  REQUIRE(prompts.size() == 1436);
  std::map<std::string, std::vector<size_t>> passages;
  for (size_t row = 0; row < rows.size(); ++row) passages[text(rows[row], "article")].push_back(row);
  size_t most = 0;
  for (const auto& [article, questions] : passages) {
    for (size_t item : questions) {
      std::string expected = "Article:\n" + article + "\n\n";
      size_t shots = 0;
      for (size_t other : questions) {
        if (other == item || rows[other] == rows[item] || shots == 5) continue;
        const size_t right = static_cast<size_t>(text(rows[other], "answer")[0] - 'A');
        expected += "Q: " + text(rows[other], "question") +
                    "\n\nA: " + rows[other]["options"][right].get<std::string>() + "\n\n";
        ++shots;
      }
      most = std::max(most, shots);
      expected += "Q: " + text(rows[item], "question") + "\n\nA:";
      if (prompts[item].context != expected) FAIL(prompts[item].item_id << ": " << prompts[item].context);
    }
  }
  CHECK(most == 5);
}

TEST_CASE("BBH's prompts are the files of its repository with the question after them") {
  const auto root = data_root();
  if (!root) return;
  const TaskGroup* group = registry().find_group("bbh@deepseek");
  REQUIRE(group);
  CHECK(group->members.size() == 27);
  CHECK_FALSE(group->weight_by_size);
  size_t items = 0;
  for (const std::string& member : group->members) {
    const Task* task = registry().find_task(member);
    REQUIRE(task);
    CAPTURE(member);
    const std::string name = task->name.substr(4);
    const auto prompts = prompts_of(*task, *root);
    items += prompts.size();
    const std::string file = read_file(root->folder + "/bbh/cot-prompts/" + name + ".txt");
    const std::string head = file.substr(file.find("-----\n") + 6);
    const Json examples = read_json_file(root->folder + "/bbh/" + name + ".json")["examples"];
    REQUIRE(prompts.size() == examples.size());
    for (size_t i : {size_t{0}, prompts.size() - 1}) {
      CHECK(prompts[i].context == head + "\n\nQ: " + text(examples[i], "input") + "\nA: Let's think step by step.");
      const std::string target = text(examples[i], "target");
      CHECK(scored(*task, prompts[i], "\nThis and that. So the answer is " + target + ".") == kRight);
      CHECK(scored(*task, prompts[i], "\nSo the answer is not " + target + ".") == kWrong);
      CHECK(scored(*task, prompts[i], "\n" + target).first == Outcome::kUnparsed);
    }
  }
  CHECK(items == 6511);
}

TEST_CASE("MATH asks in Minerva's form, after four training problems that AGIEval shows") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("math");
  const auto prompts = prompts_of(task, *root);
  const auto rows = lines_of(*root, "math/test.json");
  REQUIRE(prompts.size() == 5000);
  const std::string& context = prompts[7].context;
  CHECK(starts_with(context, "Problem:\nFind the domain of the expression $\\frac{"));
  CHECK(context.find(
            "$\\boxed{[2,5)}$.\nFinal Answer: The final answer is $[2,5)$. I hope it is correct.\n\nProblem:\n") !=
        std::string::npos);
  size_t shots = 0;
  for (size_t at = context.find("\n\nSolution:\n"); at != std::string::npos;
       at = context.find("\n\nSolution:\n", at + 1))
    ++shots;
  CHECK(shots == 4);
  CHECK(ends_with(context, ". I hope it is correct.\n\nProblem:\n" + text(rows[7], "problem") + "\n\nSolution:"));

  // The 500 problems whose answers were taken out by others.
  std::map<std::string, std::string> answers;
  for (const Json& row : lines_of(*root, "math/math500_test.jsonl"))
    answers[text(row, "problem")] = text(row, "answer");
  size_t known = 0;
  for (const Prompt& prompt : prompts) {
    const auto answer = answers.find(prompt.fields.json()["problem"]);
    const std::string solution = text(prompt.fields.json(), "solution");
    CAPTURE(prompt.item_id, prompt.golds[0]);
    if (answer != answers.end()) {
      ++known;
      CHECK(scored(task, prompt,
                   "\nFinal Answer: The final answer is $" + answer->second + "$. I hope it is correct.") == kRight);
    }
    if (value_under("boxed", task, prompt, solution) != 1) FAIL("its own solution is not right");
  }
  CHECK(known >= 490);
  CHECK(scored(task, prompts[7], "\nFinal Answer: The final answer is $no$. I hope it is correct.") == kWrong);
  CHECK(scored(task, prompts[7], "\nIt is " + prompts[7].golds[0]).first == Outcome::kUnparsed);
}

TEST_CASE("DROP shows another question of the passage and names the type of the answer") {
  const auto root = data_root();
  if (!root) return;
  const Task& task = task_of("drop");
  const auto prompts = prompts_of(task, *root);
  REQUIRE(prompts.size() == 1000);
  std::map<std::string, std::vector<size_t>> passages;
  for (size_t i = 0; i < prompts.size(); ++i) passages[text(prompts[i].fields.json(), "passage")].push_back(i);
  CHECK(passages.size() == 405);
  size_t alone = 0, taken_apart = 0;
  for (const auto& [passage, questions] : passages) {
    alone += questions.size() == 1;
    for (size_t item : questions) {
      const Prompt& prompt = prompts[item];
      const std::string ask = " So according to above Passage, the answer is";
      auto question = [&](const Prompt& of) {
        return "Q: " + text(of.fields.json(), "question") + "\nA: The answer type is " +
               text(of.fields.json(), "type") + "." + ask;
      };
      std::string expected =
          "Passage: " + passage +
          "\n\nAnswer the following questions based on the above passage, please calculate carefully "
          "if calculation is necessary.\n";
      for (size_t other : questions) {
        if (prompts[other].fields.json() == prompt.fields.json()) continue;
        expected += question(prompts[other]) + " " + text(prompts[other].fields.json(), "shown") + ".\n\n";
        break;
      }
      expected += question(prompt);
      if (prompt.context != expected) FAIL(prompt.item_id << ": " << prompt.context);
      if (scored(task, prompt, " " + text(prompt.fields.json(), "shown") + ".") != kRight) ++taken_apart;
    }
  }
  CHECK(alone == 161);
  CHECK(taken_apart == 3);  // spans with "and" inside
}

TEST_CASE("AGIEval asks in its authors' wording") {
  const auto root = data_root();
  if (!root) return;
  const auto mathqa = prompts_of(task_of("agieval_gaokao_mathqa"), *root);
  const Json row = lines_of(*root, "agieval/v1/gaokao-mathqa.jsonl")[0];
  std::string options;
  for (const Json& option : row["options"]) options += " " + option.get<std::string>();
  CHECK(mathqa[0].context == "以下是一道中国高考数学选择题，请选择正确的答案。\n问题：" + text(row, "question") +
                                 " 选项：" + options.substr(1) + "\n答案：从A到D, 我们应选择");
  CHECK(mathqa[0].golds == std::vector<std::string>{text(row, "label")});

  const Task& lsat = task_of("agieval_lsat_ar");
  const auto reading = prompts_of(lsat, *root);
  CHECK(starts_with(reading[0].context,
                    text(reading[0].fields.json(), "passage") + "Q: Which one of the following could be"));
  CHECK(ends_with(reading[0].context, "\nA: Among A through E, the answer is"));
  CHECK(scored(lsat, reading[0], " " + reading[0].golds[0] + ".") == kRight);
  CHECK(scored(lsat, reading[0], " none").first == Outcome::kUnparsed);
  std::set<std::string> passages;
  for (const Prompt& prompt : reading) passages.insert(text(prompt.fields.json(), lsat.cluster.c_str()));
  CHECK(passages.size() == 40);

  const Task& law = task_of("agieval_jec_qa_kd");
  const auto questions = prompts_of(law, *root);
  CHECK(questions[3].golds == std::vector<std::string>{"AB"});
  CHECK(scored(law, questions[3], "(B)(A)。") == kRight);
  CHECK(scored(law, questions[3], "A") == kWrong);

  const Task& cloze = task_of("agieval_gaokao_mathcloze");
  const auto blanks = prompts_of(cloze, *root);
  CHECK(ends_with(blanks[0].context, "\n答案："));
  CHECK(scored(cloze, blanks[7], "$\\frac12$") == kRight);
  CHECK(blanks[7].golds == std::vector<std::string>{"\\frac{1}{2}"});

  const TaskGroup* group = registry().find_group("agieval@deepseek");
  REQUIRE(group);
  CHECK(group->members.size() == 20);
  CHECK_FALSE(group->weight_by_size);
}

TEST_CASE("files that are not at hand are read in the layout of their repositories") {
  testing::TemporaryFolder folder;
  const DataRoot root{folder.path(), {}};

  std::string csv = ",Question,A,B,C,D,Answer\n";
  for (int i = 0; i < 5; ++i) csv += std::to_string(i) + ",一加一,一,二,三,四,B\n";
  folder.write("cmmlu/dev/anatomy.csv", csv);
  folder.write("cmmlu/test/anatomy.csv", ",Question,A,B,C,D,Answer\n0,\"二加一,是\",一,二,三,四,C\n");
  const Prompt cmmlu = prompts_of(task_of("cmmlu_anatomy"), root).at(0);
  std::string expected = "以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\n";
  for (int i = 0; i < 5; ++i) expected += "题目：一加一\nA. 一\nB. 二\nC. 三\nD. 四\n答案是：B\n\n";
  CHECK(cmmlu.context == expected + "题目：二加一,是\nA. 一\nB. 二\nC. 三\nD. 四\n答案是：");
  CHECK(cmmlu.gold_index == 2);
  CHECK(registry().find_group("cmmlu@deepseek")->members.size() == 67);

  folder.write("ccpm/valid.jsonl", R"({"translation":"甲乙","choices":["子","丑","寅","卯"],"answer":3})");
  const Prompt ccpm = prompts_of(task_of("ccpm"), root).at(0);
  CHECK(ccpm.context == "以下是将某句古诗文翻译而成的现代表述：甲乙\n该翻译所对应的古诗文是：");
  CHECK(ccpm.choices == std::vector<std::string>{"子", "丑", "寅", "卯"});
  CHECK(ccpm.gold_index == 3);
  CHECK(ccpm.delimiter.empty());

  folder.write(
      "race/test/high.jsonl",
      R"({"example_id":"high1.txt","article":"A b.","question":"Q1?","options":["x","y","z","w"],"answer":"C"})"
      "\n"
      R"({"example_id":"high2.txt","article":"C d.","question":"Q2?","options":["x","y","z","w"],"answer":"A"})");
  const auto race = prompts_of(task_of("race_high"), root);
  CHECK(race.at(1).context == "Article:\nC d.\n\nQ: Q2?\n\nA:");
  CHECK(race.at(0).gold_index == 2);
}

}  // namespace assay
