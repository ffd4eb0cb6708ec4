// Whole runs through the program: every built-in suite on the scripted backend, real checkpoints, resuming, reports.

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "core/json.h"
#include "core/text.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::Finished;
using testing::run_assay;
using testing::TemporaryFolder;

std::string script(const TemporaryFolder& folder, const std::string& text) {
  return "scripted:" + folder.write("script.json", text);
}

std::string source(const std::string& path) {
  return std::string(ASSAY_SOURCE_DIR) + "/" + path;
}

Json report(const std::string& database) {
  Finished finished = run_assay({"report", "--db", database, "--json"});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  return parse_json(finished.out, "report");
}

const Json& row_of(const Json& report, const std::string& task) {
  for (const Json& row : report["results"]) {
    if (row["task"] == task) return row;
  }
  FAIL("no row for " << task);
  return report;
}

}  // namespace

TEST_CASE("every built-in suite runs end to end on the scripted backend") {
  auto data = testing::shared_file("data");
  if (!data) return;
  TemporaryFolder folder;
  const std::string model =
      script(folder, R"({"loglikelihood": "hash", "default": "The answer is 18.", "context_length": 100000})");
  const std::string database = folder.file("scores.db");
  Finished finished =
      run_assay({"run", "--model", model, "--data", *data, "--db", database, "--json", "--limit", "3", "--tasks",
                 "mmlu,mmlu@lm-eval,ceval,ceval@lm-eval,gsm8k,gsm8k@lm-eval,gsm8k@original,hellaswag,"
                 "hellaswag@lm-eval,arc_easy,arc_challenge,arc_easy@lm-eval,arc_challenge@lm-eval,winogrande,"
                 "triviaqa,nq,bpb",
                 "--text", source("README.md")});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  Json outcome = parse_json(finished.out, "run");
  for (const char* key : {"run", "complete", "requested_tokens", "tree_tokens", "computed_tokens", "head_rows",
                          "seconds", "tokens_per_second", "peak_bytes", "missing"}) {
    CHECK(outcome.contains(key));
  }
  CHECK(outcome["complete"] == true);
  Json rows = report(database);
  CHECK(row_of(rows, "mmlu")["n"] == 57 * 3);
  CHECK(row_of(rows, "ceval")["n"] == 52 * 3);
  CHECK(row_of(rows, "gsm8k")["n"] == 3);
  CHECK(row_of(rows, "bpb")["n"] == 1);
}

TEST_CASE("the bundled checkpoints are scored on the bundled suites, and later steps are better") {
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  std::vector<std::string> steps;
  for (const auto& entry : std::filesystem::directory_iterator(source("examples/checkpoints"))) {
    if (starts_with(entry.path().filename().string(), "step-")) steps.push_back(entry.path().string());
  }
  std::sort(steps.begin(), steps.end());
  REQUIRE(steps.size() >= 5);
  for (const std::string& step : {steps.front(), steps.back()}) {
    Finished finished = run_assay({"run", "--model", step, "--include", source("examples/suites"), "--tasks",
                                   "sample_cloze,sample_open,sample_text", "--db", database, "--json"});
    INFO(finished.err);
    REQUIRE(finished.exit_code == 0);
  }
  Json rows = report(database);
  for (const char* task : {"sample_cloze", "sample_open"}) {
    std::vector<const Json*> found;
    for (const Json& row : rows["results"]) {
      if (row["task"] == task) found.push_back(&row);
    }
    REQUIRE(found.size() == 2);
    double gain = (*found[1])["value"].get<double>() - (*found[0])["value"].get<double>();
    double error = (*found[1])["stderr"].get<double>() + (*found[0])["stderr"].get<double>();
    INFO(task);
    CHECK(gain > 3 * error);
  }
}

TEST_CASE("held to narrower instructions, oneDNN's products give the same numbers within rounding") {
  TemporaryFolder folder;
  std::vector<double> bits;
  for (const char* widest : {"DEFAULT", "AVX2", "SSE41"}) {
    testing::Start start{{"run", "--model", source("examples/checkpoints/step-00300"), "--include",
                          source("examples/suites"), "--tasks", "sample_text_en", "--dtype", "float32", "--limit", "4",
                          "--db", folder.file(std::string(widest) + ".db")}};
    start.environment["ONEDNN_MAX_CPU_ISA"] = widest;
    const Finished finished = testing::run_program(start);
    INFO(finished.err);
    REQUIRE(finished.exit_code == 0);
    bits.push_back(row_of(report(folder.file(std::string(widest) + ".db")), "sample_text_en")["value"].get<double>());
  }
  CHECK(bits[1] == Approx(bits[0]).epsilon(1e-4));
  CHECK(bits[2] == Approx(bits[0]).epsilon(1e-4));
}

TEST_CASE("the same command a second time asks nothing again and changes no row") {
  TemporaryFolder folder;
  const std::string model = script(folder, R"({"loglikelihood": "hash", "default": "7"})");
  const std::string database = folder.file("scores.db");
  std::vector<std::string> command = {"run",     "--model", model,  "--include", source("examples/suites"),
                                      "--tasks", "sample",  "--db", database,    "--json"};
  REQUIRE(run_assay(command).exit_code == 0);
  std::string before = testing::final_rows(database);
  Finished again = run_assay(command);
  REQUIRE(again.exit_code == 0);
  CHECK(parse_json(again.out, "run")["requested_tokens"] == 0);
  CHECK(testing::final_rows(database) == before);
}

TEST_CASE("two runs write one database at once") {
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  const std::string model = script(folder, R"({"loglikelihood": "hash", "default": "7", "delay_ms": 1})");
  auto command = [&](const std::string& label) {
    return std::vector<std::string>{"run",     "--model", model,  "--include", source("examples/suites"),
                                    "--tasks", "sample",  "--db", database,    "--name",
                                    label};
  };
  Finished one, two;
  std::thread other([&] { two = run_assay(command("two")); });
  one = run_assay(command("one"));
  other.join();
  INFO(one.err << two.err);
  CHECK(one.exit_code == 0);
  CHECK(two.exit_code == 0);
  Json rows = report(database);
  size_t ones = 0, twos = 0;
  for (const Json& row : rows["results"]) {
    ones += row["checkpoint"] == "one";
    twos += row["checkpoint"] == "two";
  }
  CHECK(ones > 0);
  CHECK(ones == twos);
}

TEST_CASE("a new task is one YAML file and one JSONL") {
  TemporaryFolder folder;
  folder.write("exam/questions.jsonl",
               "{\"ask\": \"Capital of France?\", \"options\": [\"Paris\", \"Rome\"], \"right\": \"Paris\"}\n"
               "{\"ask\": \"Capital of Italy?\", \"options\": [\"Paris\", \"Rome\"], \"right\": \"Rome\"}\n");
  folder.write(
      "exam/capitals.yaml",
      "task: capitals\ndata: {files: {test: questions.jsonl}}\ntest_split: test\noutput_type: multiple_choice\n"
      "doc_to_text: \"{{ask}}\"\ndoc_to_choice: options\ndoc_to_target: right\nmetric_list: [{metric: acc}]\n");
  Finished valid = run_assay({"tasks", "--validate", folder.file("exam/capitals.yaml")});
  INFO(valid.err);
  CHECK(valid.exit_code == 0);
  CHECK(valid.out.find("2 items") != std::string::npos);
  const std::string database = folder.file("scores.db");
  Finished finished = run_assay({"run", "--model", script(folder, R"({"loglikelihood": "gold-first"})"), "--include",
                                 folder.file("exam"), "--tasks", "capitals", "--db", database});
  INFO(finished.err);
  CHECK(finished.exit_code == 0);
  CHECK(report(database)["results"][0]["n"] == 2);
}

TEST_CASE("show prints what the model will see, without weights") {
  auto model = testing::shared_file("models/stories260K");
  if (!model) return;
  TemporaryFolder folder;
  // Tokenizer files alone.
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    folder.write(std::string("tokens/") + name, read_file(*model + "/" + name));
  }
  Finished finished = run_assay({"show", "sample_cloze", "--include", source("examples/suites"), "--item", "1",
                                 "--tokens", "--model", folder.file("tokens"), "--json"});
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  Json shown = parse_json(finished.out, "show");
  CHECK(shown["item"] == "test/test/1");
  CHECK(starts_with(shown["text"].get<std::string>(), "Question: "));
  CHECK(shown["token_ids"][0] == 1);  // BOS, once
  CHECK(shown["token_ids"][1] != 1);
  CHECK(shown["continuations"].size() == 4);
  CHECK(shown["continuations"][0]["token_ids"].size() > 0);
  CHECK(shown["gold"].is_number());
}

TEST_CASE("score changes numbers, not responses, and needs no model") {
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  const std::string script_path = folder.file("script.json");
  REQUIRE(run_assay({"run", "--model", script(folder, R"({"loglikelihood": "hash", "default": "The answer is 3."})"),
                     "--include", source("examples/suites"), "--tasks", "sample_math", "--db", database})
              .exit_code == 0);
  std::filesystem::remove(script_path);
  std::string before = testing::final_rows(database);
  Finished finished = run_assay({"score", "--db", database, "--json"});
  INFO(finished.err);
  CHECK(finished.exit_code == 0);
  CHECK(testing::final_rows(database) == before);
}

TEST_CASE("samples show prompt, response, extracted answer and gold") {
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  REQUIRE(run_assay({"run", "--model", script(folder, R"({"default": "The answer is 3."})"), "--include",
                     source("examples/suites"), "--tasks", "sample_math", "--db", database})
              .exit_code == 0);
  Finished table = run_assay({"samples", "--db", database, "--task", "sample_math", "--wrong", "--limit", "1"});
  CHECK(table.exit_code == 0);
  CHECK(table.out.find("The answer is 3.") != std::string::npos);
  CHECK(table.out.find("answer: 3") != std::string::npos);
  CHECK(table.out.find("gold: ") != std::string::npos);
  Finished lines = run_assay({"samples", "--db", database, "--format", "lm-eval-jsonl", "--limit", "2"});
  std::vector<std::string> rows = split(lines.out, '\n');
  REQUIRE(rows.size() == 3);
  Json line = parse_json(rows[0], "samples");
  for (const char* key : {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
                          "doc_hash", "prompt_hash", "target_hash", "exact_match"}) {
    INFO(key);
    CHECK(line.contains(key));
  }
}

}  // namespace assay
