// assay compare as a user starts it: two bundled checkpoints, published models, gates, bad input.

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/json.h"
#include "harness/compare_gate.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::Finished;
using testing::run_assay;
using testing::TemporaryFolder;

std::string source(const std::string& path) {
  return std::string(ASSAY_SOURCE_DIR) + "/" + path;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A database with an early and a late checkpoint of the bundled series on two bundled suites.
const std::string& database() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    const std::string file = folder.file("scores.db");
    for (const char* step : {"step-00040", "step-01800"}) {
      Finished finished = run_assay({"run", "--model", source("examples/checkpoints/") + step, "--include",
                                     source("examples/suites"), "--tasks", "sample_cloze,sample_text", "--db", file});
      INFO(finished.err);
      REQUIRE(finished.exit_code == 0);
    }
    return file;
  }();
  return path;
}

Finished compare(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "compare");
  arguments.insert(arguments.end(), {"--db", database()});
  return run_assay(arguments);
}

const Json& row_of(const Json& comparison, const std::string& task) {
  for (const Json& row : comparison["rows"]) {
    if (row["task"] == task) return row;
  }
  FAIL("no row for " << task);
  return comparison;
}

}  // namespace

TEST_CASE("a later checkpoint is better than an early one, by a paired test") {
  Finished finished = compare({"step-01800", "step-00040", "--json", "--flips"});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  const Json comparison = parse_json(finished.out, "compare");
  CHECK(comparison["a"] == "step-01800");
  const Json& cloze = row_of(comparison, "sample_cloze");
  CHECK(cloze["verdict"] == "better");
  CHECK(cloze["difference"].get<double>() > 0);
  CHECK(cloze["ci95"][0].get<double>() > 0);
  const size_t flips = cloze["flips"]["a_better"].get<size_t>() + cloze["flips"]["b_better"].get<size_t>();
  CHECK(cloze["flipped_items"].size() == flips);
  // The other way round says the opposite.
  const Json turned = parse_json(compare({"step-00040", "step-01800", "--json"}).out, "compare");
  CHECK(row_of(turned, "sample_cloze")["verdict"] == "worse");
}

TEST_CASE("a run differs from itself in nothing") {
  const Json comparison = parse_json(compare({"1", "1", "--json"}).out, "compare");
  for (const Json& row : comparison["rows"]) {
    CHECK(row["difference"] == 0.0);
    CHECK(row["p"] == 1.0);
  }
}

TEST_CASE("--why names the weights and says that the prompts are the same") {
  Finished finished = compare({"step-01800", "step-00040", "--why"});
  CHECK(finished.exit_code == 0);
  CHECK(contains(finished.out, "weights: "));
  CHECK(contains(finished.out, "no prompt differs"));
}

TEST_CASE("--why shows the answer filters of a task that has two") {
  TemporaryFolder folder;
  folder.write("suite/rows.jsonl", "{\"q\": \"one\", \"a\": \"1\"}\n");
  const std::string head =
      "task: t\ndata: {files: {test: rows.jsonl}}\ntest_split: test\noutput_type: generate_until\n"
      "doc_to_text: \"{{q}}\"\ndoc_to_target: a\nmetric_list: [{metric: exact_match}]\nfilter_list:\n"
      "- {name: one, filter: [{function: take_first}]}\n- {name: ";
  const std::string script = "scripted:" + folder.write("script.json", R"({"default": "1"})");
  for (const char* second : {"two", "three"}) {
    folder.write("suite/t.yaml", head + second + ", filter: [{function: take_first}]}\n");
    REQUIRE(run_assay({"run", "--model", script, "--name", second, "--tasks", "t", "--include", folder.file("suite"),
                       "--db", folder.file("scores.db")})
                .exit_code == 0);
  }
  const Finished finished = run_assay({"compare", "two", "three", "--why", "--db", folder.file("scores.db")});
  INFO(finished.err);
  CHECK(finished.exit_code == 0);
  CHECK(contains(finished.out, "filters: [\"one\",\"two\"] / [\"one\",\"three\"]"));
}

TEST_CASE("a gate passes the better checkpoint and stops the worse one with a reason") {
  TemporaryFolder folder;
  const std::string gate = folder.write("gate.yaml", "tasks: [sample_cloze]\nworse_by_at_most: 0.02\n");
  CHECK(compare({"step-01800", "step-00040", "--gate", gate}).exit_code == 0);
  Finished stopped = compare({"step-00040", "step-01800", "--gate", gate});
  CHECK(stopped.exit_code == 1);
  CHECK(contains(stopped.err, "gate: sample_cloze: worse by"));
  const std::string high = folder.write("high.yaml", "average_at_least: 0.9\n");
  CHECK(compare({"step-01800", "step-00040", "--gate", high}).exit_code == 0);
  CHECK(compare({"step-00040", "step-01800", "--gate", high}).exit_code == 1);
}

TEST_CASE("a gate does not pass what was not measured") {
  TemporaryFolder folder;
  const std::string gate = folder.write("gate.yaml", "worse_by_at_most: 0.5\n");
  // Bits per byte over a single text has no interval.
  Finished text = compare({"step-01800", "step-00040", "--gate", gate});
  CHECK(text.exit_code == 1);
  CHECK(contains(text.err, "has no interval"));
  const std::string common =
      folder.write("common.yaml", "worse_by_at_most: 0.5\ntasks: [sample_cloze, 'sample_endings']\n");
  CHECK(contains(compare({"step-01800", "step-00040", "--gate", common}).err, "sample_endings: no such task"));

  // A task that only B was run on.
  const std::string file = folder.file("scores.db");
  auto score = [&](const std::string& step, const std::string& tasks) {
    Finished finished = run_assay({"run", "--model", source("examples/checkpoints/") + step, "--include",
                                   source("examples/suites"), "--tasks", tasks, "--limit", "40", "--db", file});
    INFO(finished.err);
    REQUIRE(finished.exit_code == 0);
  };
  score("step-00040", "sample_cloze,sample_endings"), score("step-01800", "sample_cloze");
  Finished unmeasured = run_assay({"compare", "step-01800", "step-00040", "--gate", gate, "--db", file});
  CHECK(unmeasured.exit_code == 1);
  CHECK(contains(unmeasured.err, "gate: sample_endings: only step-00040 has it"));
  const std::string named = folder.write("named.yaml", "worse_by_at_most: 0.5\ntasks: [sample_cloze]\n");
  CHECK(run_assay({"compare", "step-01800", "step-00040", "--gate", named, "--db", file}).exit_code == 0);
  // The other way round nothing is missing: A may be run on more.
  Finished more = run_assay({"compare", "step-00040", "step-01800", "--gate", gate, "--db", file});
  CHECK_FALSE(contains(more.err, "sample_endings"));
}

TEST_CASE("a gate decides each task by its own interval, and items without an answer fail it") {
  Comparison comparison;
  comparison.columns = {"A", "B"};
  CompareTest test;
  test.difference = -0.1, test.interval = Interval{-0.15, -0.05};
  test.p = 0.01, test.q = 0.4;  // not significant over all the table's tests
  test.verdict = CompareVerdict::kNoDifferenceShown;
  CompareRow row;
  row.task = "task", row.convention = "deepseek", row.metric = "acc", row.filter = "none";
  row.cells = {CompareCell{0.4}, CompareCell{0.5}};
  row.tests = {std::nullopt, test};
  comparison.rows = {row};
  Gate gate;
  gate.limits.worse_by_at_most = 0.02;
  REQUIRE(gate_failures(gate, comparison).size() == 1);
  CHECK(contains(gate_failures(gate, comparison)[0], "worse by 0.1000 (95 %: at least 0.0500)"));
  gate.limits.worse_by_at_most = 0.06;
  CHECK(gate_failures(gate, comparison).empty());
  comparison.rows[0].cells[0]->missing = 3;
  REQUIRE(gate_failures(gate, comparison).size() == 1);
  CHECK(contains(gate_failures(gate, comparison)[0], "3 items of A have no answer"));
  comparison.rows[0].cells[0]->missing = 0;
  comparison.rows[0].tests[1]->interval.reset();
  CHECK(contains(gate_failures(gate, comparison).at(0), "no interval"));
}

TEST_CASE("published models stand side by side, benchmarks without a task say so") {
  Finished finished = run_assay({"compare", "published:LLaMA-2 70B@table5", "published:DeepSeek LLM 67B Base@table5"});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  CHECK(contains(finished.out, "mmlu"));
  CHECK(contains(finished.out, "71.3"));
  const Json json = parse_json(
      run_assay({"compare", "published:LLaMA-2 70B@table5", "published:DeepSeek LLM 67B Base@table5", "--json"}).out,
      "compare");
  CHECK(json["rows"].size() == 26);
  for (const Json& row : json["rows"]) CHECK(row["verdict"] == "not_tested");
}

TEST_CASE("bits per byte of own texts are not tested against those of The Pile") {
  TemporaryFolder folder;
  const std::string file = folder.file("scores.db"), texts = folder.file("texts");
  std::filesystem::create_directory(texts);
  for (int i = 0; i < 3; ++i) {
    folder.write("texts/" + std::to_string(i) + ".txt", "One short text, number " + std::to_string(i) + ".\n");
  }
  Finished run = run_assay(
      {"run", "--model", source("examples/checkpoints/step-00040"), "--tasks", "bpb", "--text", texts, "--db", file});
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  Finished finished = run_assay({"compare", "step-00040", "published:LLaMA-2 70B@table5", "--json", "--db", file});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  const Json row = row_of(parse_json(finished.out, "compare"), "bpb");
  CHECK(row["verdict"] == "not_tested");
  CHECK(row["p"].is_null());
  CHECK(contains(row["marks"].dump(), "Pile-test is over other texts"));
}

TEST_CASE("a cutoff that is no date is refused") {
  for (const char* cutoff : {"banana", "2023", "2023-13", "2023-9", "2023-09-40"}) {
    Finished finished = run_assay({"audit", "step-01800", "--cutoff", cutoff, "--db", database()});
    CHECK(finished.exit_code == 2);
    CHECK(contains(finished.err, "is no date"));
  }
}

TEST_CASE("bad input to compare ends with 2 and says where") {
  struct Row {
    std::vector<std::string> arguments;
    std::string says;
  };
  TemporaryFolder folder;
  const std::string gate = folder.write("gate.yaml", "average_at_least: 0.4\nworse_by_at_mots: 0.1\n");
  for (const Row& row : std::vector<Row>{{{"step-0180", "step-00040"}, "step-01800"},
                                         {{"99", "step-00040"}, "no run or checkpoint \"99\""},
                                         {{"step-01800", "published:LLaMA2 70B"}, "LLaMA-2 70B"},
                                         {{"step-01800", "published:LLaMA-2 70B@table99"}, "its sources"},
                                         {{"step-01800", "published:LLaMA-2 70B@table5"}, "no task in common"},
                                         {{"step-01800", "step-00040", "--gate", gate}, "gate.yaml:2"},
                                         {{"step-01800", "step-00040", "--task", "nothing*"}, "no task in common"},
                                         {{"step-01800", "published:LLaMA-2 70B", "--why"}, "--why"}}) {
    Finished finished = compare(row.arguments);
    INFO(row.arguments[0] << " " << row.arguments[1] << "\n" << finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(contains(finished.err, row.says));
  }
}

}  // namespace assay
