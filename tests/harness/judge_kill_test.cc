// A client killed at random moments and started again, seen from the server that sells the answers.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <random>

#include "core/json.h"
#include "tests/harness/process.h"
#include "tests/model_backend/http/fault_server.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::FaultServer;
using testing::Finished;
using testing::run_program;
using testing::Start;
using testing::TemporaryFolder;

constexpr int kItems = 400;
constexpr int kKills = 20;
constexpr int kInFlight = 16;

void write_suite(const TemporaryFolder& folder) {
  std::string rows;
  for (int i = 0; i < kItems; ++i) rows += fmt::format("{{\"prompt\": \"Question {}\", \"category\": \"c\"}}\n", i);
  folder.write("suite/rows.jsonl", rows);
  folder.write("suite/ask.yaml",
               "task: ask\ndata: {files: {test: rows.jsonl}}\ntest_split: test\noutput_type: generate_until\n"
               "doc_to_text: \"{{prompt}}\"\ndoc_to_target: \"\"\ngeneration_kwargs: {until: []}\njudge: safety\n"
               "metric_list: [{metric: score}, {metric: refusal}]\n");
}

// Starts the command, kills it when a random number of requests more has arrived, starts it again; the last time it may
// end. The number is drawn so that the kills spread over the whole work.
Finished stubborn(const std::vector<std::string>& words, FaultServer& server, std::mt19937& random) {
  std::uniform_int_distribution<int64_t> more(1, 2 * kItems / kKills);
  for (int kill = 0; kill < kKills; ++kill) {
    const int64_t enough = server.requests() + more(random);
    Start start{words};
    start.kill_when = [&server, enough] { return server.requests() >= enough; };
    CHECK(run_program(start).exit_code == 128 + SIGKILL);
  }
  return run_program({words});
}

// Every answer was sold once. What the server had to give again under the same Idempotency-Key was under way when the
// client was killed, or had come in and was not on disk yet: on average less than one round of requests a kill.
void check_log(FaultServer& server) {
  CHECK(server.sold() == kItems);
  CHECK(server.replays() <= kKills * kInFlight);
  std::printf("%lld requests, %zu sold, %lld given again after %d kills\n", static_cast<long long>(server.requests()),
              server.sold(), static_cast<long long>(server.replays()), kKills);
}

}  // namespace

TEST_CASE("killed at 20 random moments: no request is sold twice, none is left out, model and judge alike") {
  TemporaryFolder folder;
  write_suite(folder);
  const std::string database = folder.file("scores.db");
  std::mt19937 random(20261123);
  const std::vector<std::string> pace = {"--first-pause", "0.01", "--max-attempts", "50", "--request-timeout", "5"};
  {
    FaultServer server;
    server.delay_ms = 30;
    std::vector<std::string> run = {"run",        "--model",         "openai:mixed",
                                    "--base-url", server.base_url(), "--tasks",
                                    "ask",        "--include",       folder.file("suite"),
                                    "--db",       database,          "--chat-template",
                                    "on",         "--max-in-flight", std::to_string(kInFlight),
                                    "--json"};
    run.insert(run.end(), pace.begin(), pace.end());
    const Finished finished = stubborn(run, server, random);
    INFO(finished.err);
    REQUIRE(finished.exit_code == 0);
    CHECK(parse_json(finished.out, "run")["complete"] == true);
    check_log(server);
  }
  FaultServer server;
  server.delay_ms = 30;
  server.text = "fine <answer>safe</answer>";
  std::vector<std::string> judge = {"judge",       database,          "--judge",         "openai:mixed",
                                    "--judge-url", server.base_url(), "--max-in-flight", std::to_string(kInFlight),
                                    "--json"};
  judge.insert(judge.end(), pace.begin(), pace.end());
  const Finished finished = stubborn(judge, server, random);
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  const Json outcome = parse_json(finished.out, "judge")[0];
  CHECK(outcome["questions"] == kItems);
  CHECK(outcome["known"].get<int>() + outcome["asked"].get<int>() == kItems);
  CHECK(outcome["left"] == 0);
  check_log(server);
}

}  // namespace assay
