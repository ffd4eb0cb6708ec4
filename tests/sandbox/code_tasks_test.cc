// The code benchmarks from data to numbers, with the data sets' own solutions as the model's answers.

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/json.h"
#include "core/text.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace {

struct Rule {
  std::string match, text;
};

// A script of the scripted backend. Item ids are matched as parts, so longer ones come first.
std::string script_of(std::vector<Rule> rules) {
  std::stable_sort(rules.begin(), rules.end(),
                   [](const Rule& a, const Rule& b) { return a.match.size() > b.match.size(); });
  Json list = Json::array();
  for (const Rule& rule : rules) list.push_back({{"match", rule.match}, {"text", rule.text}});
  return dump_json({{"context_length", 100000}, {"generate", list}, {"default", "no answer"}});
}

std::vector<Json> rows_of(const std::string& path) {
  std::vector<Json> rows;
  const std::string text = testing::slurp(path);
  if (starts_with(text, "[")) {
    for (const Json& row : parse_json(text, path)) rows.push_back(row);
    return rows;
  }
  for (const std::string& line : split(text, '\n')) {
    if (!strip(line).empty()) rows.push_back(parse_json(line, path));
  }
  return rows;
}

struct Number {
  double value = -1;
  int64_t items = 0, missing = 0;
};

Number run_task(const std::string& task, const std::string& script, const testing::TemporaryFolder& folder,
                std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"run",
                                        "--model",
                                        "scripted:" + script,
                                        "--tasks",
                                        task,
                                        "--data",
                                        *testing::shared_folder() + "/data",
                                        "--db",
                                        folder.file(task + ".db")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const testing::Finished done = testing::run_assay(arguments);
  INFO(done.err);
  REQUIRE(done.exit_code == 0);
  const testing::Finished report =
      testing::run_assay({"report", "--db", folder.file(task + ".db"), "--format", "json"});
  const Json results = parse_json(report.out, "report")["results"];
  REQUIRE(results.size() >= 1);
  for (const Json& row : results) {
    if (row["metric"] == "pass@1")
      return {row["value"].get<double>(), row["n"].get<int64_t>(), row["missing"].get<int64_t>()};
  }
  return {};
}

}  // namespace

TEST_CASE("all reference solutions of HumanEval pass in split mode") {
  const auto data = testing::shared_file("data/humaneval/human-eval-v2-20210705.jsonl");
  if (!data) return;
  std::vector<Rule> rules;
  for (const Json& row : rows_of(*data)) {
    const std::string id = row["task_id"].get<std::string>();
    rules.push_back(
        {"test/HumanEval/" + id.substr(id.find('/') + 1), "\n" + row["canonical_solution"].get<std::string>()});
  }
  testing::TemporaryFolder folder;
  const Number number = run_task("humaneval", folder.write("script.json", script_of(rules)), folder);
  CHECK(number.value == 1);
  CHECK(number.items == 164);
  // Scored again, without the model.
  const testing::Finished again = testing::run_assay({"score", "--db", folder.file("humaneval.db")});
  CHECK(again.exit_code == 0);
}

TEST_CASE("samples show what became of a program, and what it printed") {
  const auto data = testing::shared_file("data/humaneval/human-eval-v2-20210705.jsonl");
  if (!data) return;
  testing::TemporaryFolder folder;
  const std::string program = "\n    print('looked at', len(numbers))\n    return [][0]\n";
  run_task("humaneval", folder.write("script.json", script_of({{"test/HumanEval/0", program}})), folder,
           {"--limit", "1"});
  const std::string database = folder.file("humaneval.db");
  const testing::Finished table = testing::run_assay({"samples", "--db", database, "--task", "humaneval"});
  CHECK_THAT(table.out, Catch::Contains("  program: runtime_error, ") && Catch::Contains("IndexError") &&
                            Catch::Contains("  its output:\n    looked at"));
  const testing::Finished line = testing::run_assay({"samples", "--db", database, "--format", "jsonl"});
  const Json programs = parse_json(line.out, "samples")["programs"];
  REQUIRE(programs.size() == 1);
  CHECK(programs[0]["verdict"] == "runtime_error");
  CHECK_THAT(programs[0]["output"].get<std::string>(), Catch::Contains("looked at"));
}

TEST_CASE("reference solutions of MBPP pass, but for one that leaves out a class") {
  const auto data = testing::shared_file("data/mbpp/mbpp.jsonl");
  const auto sanitized = testing::shared_file("data/mbpp/sanitized-mbpp.json");
  if (!data || !sanitized) return;
  testing::TemporaryFolder folder;
  std::vector<Rule> rules, sanitized_rules;
  size_t row_number = 0;
  for (const Json& row : rows_of(*data)) {
    rules.push_back({"test/mbpp/" + std::to_string(row_number++), "\n" + row["code"].get<std::string>()});
  }
  row_number = 0;
  for (const Json& row : rows_of(*sanitized)) {
    sanitized_rules.push_back(
        {"test/sanitized-mbpp/" + std::to_string(row_number++), "\n" + row["code"].get<std::string>()});
  }
  const Number all = run_task("mbpp", folder.write("script.json", script_of(rules)), folder);
  CHECK(all.items == 500);
  CHECK(all.value * 500 >= 499 - 1e-9);
  const Number clean = run_task("mbpp_sanitized", folder.write("sanitized.json", script_of(sanitized_rules)), folder);
  CHECK(clean.items == 427);
  CHECK(clean.value == 1);
}

TEST_CASE("the official example of HumanEval gives pass@1 = 0.5") {
  const auto problems = testing::shared_file("data/humaneval/example_problem.jsonl");
  const auto samples = testing::shared_file("data/humaneval/example_samples.jsonl");
  if (!problems || !samples) return;
  const Json problem = rows_of(*problems).front();
  std::string suite;
  for (const Json& sample : rows_of(*samples)) {
    const Json row = {{"id", sample["completion"]},
                      {"program", problem["prompt"].get<std::string>() + sample["completion"].get<std::string>()},
                      {"tests", problem["test"]},
                      {"entry_point", problem["entry_point"]},
                      {"limits", {{"cpu_s", 3}, {"wall_s", 3}}}};
    suite += dump_json(row) + "\n";
  }
  testing::TemporaryFolder folder;
  const testing::Finished done = testing::run_assay({"sandbox", "suite", folder.write("suite.jsonl", suite), "--json"});
  int passed = 0, rows = 0;
  for (const std::string& line : split(done.out, '\n')) {
    if (strip(line).empty()) continue;
    ++rows;
    passed += parse_json(line, "output")["verdict"] == "pass";
  }
  CHECK(rows == 6);
  CHECK(passed == 3);
}

TEST_CASE("a contest problem on linked lists is solved from a fenced block") {
  if (!testing::shared_file("data/leetcode_contest/20240121-Jul.upto-weekly-372.jsonl")) return;
  testing::TemporaryFolder folder;
  const std::string answer =
      "First an outline.\n```python\nclass Solution:\n    def doubleIt(self, head):\n        number = 0\n        while "
      "head:\n"
      "            number = number * 10 + head.val\n            head = head.next\n        out = None\n"
      "        for digit in reversed(str(2 * number)):\n            out = ListNode(int(digit), out)\n        return "
      "out\n```\n";
  const Number number = run_task("leetcode", folder.write("script.json", script_of({{"doubleIt", answer}})), folder);
  CHECK(number.items == 124);
  CHECK(number.value * 124 == Approx(1));
}

}  // namespace assay
