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

}  // namespace

TEST_CASE("a key is sent, and appears in no output and no file, whatever the server says") {
  for (const char* model : {"ok", "always-500", "always-key", "always-bad-request", "always-redirect"}) {
    INFO(model);
    TemporaryFolder folder;
    write_suite(folder);
    FaultServer server;
    const Finished run = ask(folder, server, model, "open", {"--chat-template", "on"});
    CHECK(server.keys_seen().at(0) == std::string("Bearer ") + kKey);
    CHECK(run.out.find(kKey) == std::string::npos);
    CHECK(run.err.find(kKey) == std::string::npos);
    for (const char* file : {"scores.db", "scores.db-wal"}) {
      if (!std::filesystem::exists(folder.file(file))) continue;
      CHECK(read_file(folder.file(file)).find(kKey) == std::string::npos);
    }
  }
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
  CHECK(parse_json(again.out, "run")["missing"] == 0);
}

}  // namespace assay
