#include "tasks/programs.h"

#include <catch2/catch.hpp>

#include "tasks/extract.h"

namespace assay {
namespace {

std::optional<std::string> first_block(const std::string& text, const Json& options = Json::object()) {
  return extract_answers({"program", {{"code_block", options}}}, {text}, Json::object()).front();
}

}  // namespace

TEST_CASE("pass@k is the unbiased estimator") {
  struct Row {
    int n, c, k;
    double value;
  };
  // 1 - C(n-c,k) / C(n,k), worked out by hand.
  const Row rows[] = {{1, 0, 1, 0},   {1, 1, 1, 1},   {10, 3, 1, 0.3},         {5, 2, 2, 1 - 3.0 / 10}, {4, 1, 4, 1},
                      {10, 0, 10, 0}, {10, 1, 10, 1}, {6, 3, 2, 1 - 3.0 / 15}, {200, 7, 1, 7.0 / 200}};
  for (const Row& row : rows) {
    INFO(row.n << " " << row.c << " " << row.k);
    CHECK(pass_at_k(row.n, row.c, row.k) == Approx(row.value));
  }
}

TEST_CASE("the first fenced block is the program") {
  CHECK(first_block("Sure:\n```python\nx = 1\n```\nand\n```\ny\n```") == "x = 1\n");
  CHECK(first_block("```\nx\n") == "x\n");
  CHECK_FALSE(first_block("no block"));
  CHECK(first_block("no block", {{"otherwise", "text"}}) == "no block");
  CHECK(first_block("```py\n```") == "");
}

TEST_CASE("samples become jobs, and verdicts become scores") {
  Task task;
  task.name = "code";
  task.filters = {{"program", {{"code_block", Json::object()}}}};
  for (const char* name : {"pass@1", "pass@10"}) task.metrics.push_back({name});
  task.program.emplace();
  task.program->text = "{{head}}{{answer}}";
  task.program->tests = "{{test}}";
  task.program->name = "{{id}}";
  task.program->inline_items = {"7"};
  task.by = {{"level", "{{level}}"}};
  Prompt prompt;
  prompt.item_id = "test/x/0";
  prompt.fields = {{"head", "import re\n"}, {"test", "assert f()"}, {"id", 7}, {"level", "hard"}};
  Response response;
  response.texts = {{"```\ndef f(): return 1\n```"}, {"nothing"}};

  const auto jobs = make_programs(task, prompt, {response});
  REQUIRE(jobs.size() == 2);
  REQUIRE(jobs[0]);
  CHECK(jobs[0]->program == "import re\ndef f(): return 1\n");
  CHECK(jobs[0]->tests == "assert f()");
  CHECK(jobs[0]->mode == ProgramMode::kInline);
  CHECK_FALSE(jobs[1]);
  CHECK(make_programs(task, prompt, {std::nullopt}).empty());

  ProgramOutcome pass;
  pass.verdict = Verdict::kPass;
  const auto scores = score_programs(task, prompt, {pass, std::nullopt});
  REQUIRE(scores.size() == 2);  // pass@10 needs ten samples
  CHECK(scores[0].value == 0.5);
  CHECK(scores[0].filter == "program");
  CHECK(scores[1].filter == "level: hard");
  CHECK(score_programs(task, prompt, {std::nullopt, std::nullopt})[0].outcome == Outcome::kUnparsed);
  CHECK(score_programs(task, prompt, {})[0].outcome == Outcome::kMissing);
  CHECK(score_programs(task, prompt, {ProgramOutcome()})[0].outcome == Outcome::kMissing);
}

}  // namespace assay
