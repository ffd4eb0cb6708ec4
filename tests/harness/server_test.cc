// Servers through the program: what a user sees of keys, refusals and losses.

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/json.h"
#include "core/text.h"
#include "tests/harness/process.h"
#include "tests/model_backend/http/fault_server.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::FaultServer;
using testing::Finished;
using testing::TemporaryFolder;

constexpr const char* kKey = "sk-very-secret-0123456789";

void write_suite(const TemporaryFolder& folder) {
  folder.write("suite/rows.jsonl",
               "{\"q\": \"one\", \"right\": \" a\", \"wrong\": \" b\"}\n{\"q\": \"two\", \"right\": \" c\", "
               "\"wrong\": \" d\"}\n");
  folder.write("suite/open.yaml",
               "task: open\ndata: {files: {test: rows.jsonl}}\ntest_split: test\noutput_type: generate_until\n"
               "doc_to_text: \"{{q}}\"\ndoc_to_target: right\ngeneration_kwargs: {until: []}\njudge: safety\n"
               "metric_list: [{metric: score}]\n");
  folder.write("suite/choice.yaml",
               "task: choice\ndata: {files: {test: rows.jsonl}}\ntest_split: test\noutput_type: multiple_choice\n"
               "doc_to_text: \"{{q}}\"\ndoc_to_choice: [\"{{right}}\", \"{{wrong}}\"]\ndoc_to_target: 0\n"
               "target_delimiter: \"\"\nmetric_list: [{metric: acc}]\n");
}

Finished ask(const TemporaryFolder& folder, FaultServer& server, const std::string& model, const std::string& task,
             const std::vector<std::string>& more = {}) {
  testing::Start start{{"run", "--model", "openai:" + model, "--base-url", server.base_url(), "--include",
                        folder.file("suite"), "--tasks", task, "--db", folder.file("scores.db"), "--first-pause",
                        "0.01"}};
  start.arguments.insert(start.arguments.end(), more.begin(), more.end());
  start.environment = {{"ASSAY_API_KEY", kKey}};
  return testing::run_program(start);
}

// The key stands in nothing that was printed or written.
void check_hidden(const Finished& finished, const TemporaryFolder& folder) {
  CHECK(finished.out.find(kKey) == std::string::npos);
  CHECK(finished.err.find(kKey) == std::string::npos);
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file()) continue;
    INFO(entry.path().string());
    CHECK(read_file(entry.path().string()).find(kKey) == std::string::npos);
    ++files;
  }
  CHECK(files > 3);  // the suite's, and the database
}

}  // namespace

TEST_CASE("a key is sent, and appears in no output and no file, whatever the server says") {
  for (const char* model : {"ok", "always-500", "always-key", "always-bad-request", "always-redirect", "always-cut"}) {
    INFO(model);
    TemporaryFolder folder;
    write_suite(folder);
    FaultServer server;
    // Answers hold the key too, as those of a server that shows what it was sent.
    server.text = std::string("Authorization: Bearer ") + kKey + " <answer>safe</answer>";
    const Finished run = ask(folder, server, model, "open", {"--chat-template", "on", "--max-attempts", "2"});
    CHECK(server.keys_seen().at(0) == std::string("Bearer ") + kKey);
    check_hidden(run, folder);
  }
}

TEST_CASE("a judge's key is sent to the judge, and appears nowhere") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer model, judge;
  REQUIRE(ask(folder, model, "ok", "open", {"--chat-template", "on"}).exit_code == 0);
  judge.text = std::string(kKey) + " <answer>safe</answer>";
  for (const char* name : {"always-500", "always-key", "ok"}) {
    INFO(name);
    testing::Start start{{"judge", folder.file("scores.db"), "--judge", std::string("openai:") + name, "--judge-url",
                          judge.base_url(), "--judge-key-env", "JUDGE_KEY", "--max-attempts", "2", "--first-pause",
                          "0.01"}};
    start.environment = {{"JUDGE_KEY", kKey}};
    const Finished finished = testing::run_program(start);
    INFO(finished.err);
    CHECK(finished.exit_code == (std::string(name) == "ok" ? 0 : std::string(name) == "always-key" ? 2 : 1));
    CHECK(judge.keys_seen().back() == std::string("Bearer ") + kKey);
    check_hidden(finished, folder);
  }
}

TEST_CASE("the judge is asked one small question before the model, and its host does not get the model's key") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer model, judge;
  judge.text = "<answer>safe</answer>";
  const Finished lost =
      ask(folder, model, "ok", "open",
          {"--chat-template", "on", "--judge", "openai:always-no-model", "--judge-url", judge.base_url()});
  CHECK(lost.exit_code == 2);
  CHECK_THAT(lost.err, Catch::Contains("does not exist"));
  CHECK(model.requests() == 0);
  const Finished good = ask(folder, model, "ok", "open",
                            {"--chat-template", "on", "--judge", "openai:ok", "--judge-url", judge.base_url()});
  INFO(good.err);
  CHECK(good.exit_code == 0);
  CHECK(judge.requests() == 1 + 1 + 2);
  for (const std::string& key : judge.keys_seen()) CHECK(key.empty());
  CHECK(model.keys_seen().back() == std::string("Bearer ") + kKey);
}

TEST_CASE("replies that were thrown away count for the budget") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer model, judge;
  judge.text = "<answer>safe</answer>";
  REQUIRE(ask(folder, model, "ok", "open", {"--chat-template", "on"}).exit_code == 0);
  testing::Start start{{"judge", folder.file("scores.db"), "--judge", "openai:truncated", "--judge-url",
                        judge.base_url(), "--first-pause", "0.01", "--judge-budget", "100000", "--json"}};
  const Finished finished = testing::run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 0);
  CHECK(parse_json(finished.out, "judge")[0]["tokens"].get<int>() > 2 * (7 + 3) + 200);
}

TEST_CASE("a budget holds with a judge whose server counts no tokens, and over several commands") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer model, judge;
  judge.text = "<answer>safe</answer>";
  REQUIRE(ask(folder, model, "ok", "open", {"--chat-template", "on"}).exit_code == 0);
  for (const int asked : {1, 0}) {
    testing::Start start{{"judge", folder.file("scores.db"), "--judge", "openai:no-usage", "--judge-url",
                          judge.base_url(), "--judge-tokens", "20", "--judge-budget", "500tokens", "--json"}};
    const Finished finished = testing::run_program(start);
    INFO(finished.err);
    CHECK(finished.exit_code == 1);
    const Json outcome = parse_json(finished.out, "judge")[0];
    CHECK(outcome["asked"] == asked);
    CHECK(outcome["left"] == 1);
    CHECK(outcome["tokens"].get<int>() > 250);
  }
  CHECK(judge.requests() == 1);
}

TEST_CASE("log-probability tasks run where the server gives those of the prompt, else they are refused by name") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer server;
  const Finished good = ask(folder, server, "ok", "choice", {"--json"});
  INFO(good.err);
  CHECK(good.exit_code == 0);
  CHECK(parse_json(good.out, "run")["complete"] == true);
  for (const char* model : {"no-logprobs", "shifted"}) {
    const Finished refused = ask(folder, server, model, "choice");
    INFO(refused.err);
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Catch::Contains("choice") && Catch::Contains("log-probabilities"));
  }
  const Finished chat = ask(folder, server, "ok", "choice", {"--chat-template", "on"});
  CHECK(chat.exit_code == 2);
  CHECK_THAT(chat.err, Catch::Contains("choice") && Catch::Contains("leave --chat-template off"));
}

TEST_CASE("a lost request leaves the run incomplete, says why, and is asked again by the same command") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer server;
  const Finished lost = ask(folder, server, "500", "open", {"--chat-template", "on", "--max-attempts", "1", "--json"});
  CHECK(lost.exit_code == 1);
  CHECK(parse_json(lost.out, "run")["missing"] == 2);
  CHECK_THAT(lost.err, Catch::Contains("2 requests given up") && Catch::Contains("inner trouble"));
  const Finished again = ask(folder, server, "500", "open", {"--chat-template", "on", "--json"});
  CHECK(again.exit_code == 0);
  CHECK(testing::final_rows(folder.file("scores.db")).find("\nresponse") != std::string::npos);
  CHECK(parse_json(again.out, "run")["missing"] == 0);
}

TEST_CASE("what is too long for a server today is asked again by the same command") {
  TemporaryFolder folder;
  write_suite(folder);
  FaultServer server;
  const Finished refused = ask(folder, server, "always-too-long", "open", {"--chat-template", "on", "--json"});
  CHECK(refused.exit_code == 1);
  CHECK(parse_json(refused.out, "run")["missing"] == 2);
  CHECK(testing::final_rows(folder.file("scores.db")).find("\nresponse") == std::string::npos);
}

}  // namespace assay
