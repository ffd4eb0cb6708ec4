#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "harness/commands.h"
#include "harness/judging.h"
#include "harness/run_config.h"
#include "harness/scoring.h"
#include "reports/report.h"

namespace assay {
namespace {

struct JudgeOptions {
  Places places;
  HttpOptions http;      // --base-url and its like stand for --judge-url and its like where those are not given
  std::string database;  // positional; wins over --db
  std::string run;
  JudgeConfig judge;
  bool json = false;
};

std::string counts_text(const RunStats& stats) {
  std::string text;
  for (const auto& [name, count] : stats.events) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  if (!stats.first_failure.empty())
    text += (text.empty() ? "" : "; ") + std::string("first loss: ") + stats.first_failure;
  return text;
}

void describe(const JudgeOutcome& outcome, int64_t run) {
  std::string text =
      fmt::format("run {}: {} questions, {} known, {} asked, {} without a score, {} left, {} tokens", run,
                  outcome.questions, outcome.known, outcome.asked, outcome.unparsed, outcome.left, outcome.tokens);
  const auto worst = std::max_element(outcome.problems.begin(), outcome.problems.end(),
                                      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (worst != outcome.problems.end())
    text += fmt::format("\nmost words without a score ({}): {}", worst->second, worst->first);
  if (outcome.money > 0) text += fmt::format(", {:.4f} in money", outcome.money);
  if (const std::string counts = counts_text(outcome.stats); !counts.empty()) text += "\n" + counts;
  if (outcome.left > 0) text += "\nincomplete: what is left counts as missing; give the same command again to go on";
  std::fprintf(stderr, "%s\n", text.c_str());
  if (outcome.folded_system)
    std::fprintf(stderr, "the judge's chat template takes no system role: its text stands in the first user turn\n");
}

// The judge's server. ASSAY_API_KEY goes to the host of --base-url only.
HttpOptions server_of(const JudgeOptions& options) {
  const HttpOptions& own = options.judge.backend.http;
  HttpOptions out = options.http;
  out.model_url = options.http.base_url;
  if (!own.base_url.empty()) out.base_url = own.base_url, out.key_variable.clear(), out.key_file.clear();
  if (!own.key_variable.empty()) out.key_variable = own.key_variable;
  if (!own.key_file.empty()) out.key_file = own.key_file;
  return out;
}

// Without the run that the others are compared with.
void leave_out_opponent(ResultsDb& db, const JudgeOptions& options, std::vector<StoredRun>& runs) {
  const auto opponents = db.find_runs(options.judge.against);
  if (options.judge.against.empty() || opponents.empty()) return;
  std::erase_if(runs, [&](const StoredRun& run) { return run.id == opponents.back().id; });
  if (runs.empty())
    throw_input("--against " + options.judge.against, "is the only run that is left: it is not compared with itself",
                "name another one with --run");
}

int judge_command(JudgeOptions options) {
  if (!options.database.empty()) options.places.db = options.database;
  if (is_server(options.judge.judge)) g_end_within_ms = kEndWithServersMs;
  options.judge.data = options.places.data;
  options.judge.backend.http = server_of(options);
  ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);  // a new file would hold nothing to judge
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadWrite);
  std::vector<StoredRun> runs = db->find_runs(options.run);
  if (runs.empty()) throw_input(options.places.db, "has no run \"" + options.run + "\"", "`assay report` lists them");
  // Where no run is named, those without open answers are passed over; if that is all of them, the first says so.
  const auto judged = std::stable_partition(runs.begin(), runs.end(), [&](const StoredRun& run) {
    return !judged_tasks(*db, run, load_registry_of(run, options.places.include), options.judge).empty();
  });
  if (judged != runs.begin() && options.run.empty()) runs.erase(judged, runs.end());
  leave_out_opponent(*db, options, runs);
  const std::unique_ptr<Backend> judge = open_judge(options.judge);
  JudgePurse purse = open_purse(options.judge, *judge);
  if (purse.is_capped()) {
    for (const StoredRun& run : runs)
      count_known_words(*db, run, load_registry_of(run, options.places.include), *judge, options.judge, purse);
  }
  std::vector<int64_t> ids;
  Json outcomes = Json::array();
  bool complete = true;
  for (const StoredRun& run : runs) {
    const JudgeOutcome outcome = judge_stored_run(*db, run, options.places.include, *judge, options.judge, purse);
    ids.push_back(run.id);
    complete = complete && outcome.left == 0;
    outcomes.push_back({{"run", run.id},
                        {"questions", outcome.questions},
                        {"known", outcome.known},
                        {"asked", outcome.asked},
                        {"unparsed", outcome.unparsed},
                        {"left", outcome.left},
                        {"tokens", outcome.tokens},
                        {"money", outcome.money},
                        {"problems", outcome.problems},
                        {"events", outcome.stats.events}});
  }
  print(options.json ? dump_json(outcomes, 2) + "\n" : render_judged(db->report_rows(ids), ReportOptions{}));
  return complete ? kExitDone : kExitIncomplete;
}

}  // namespace

JudgeOutcome judge_stored_run(ResultsDb& db, const StoredRun& run, std::vector<std::string> include, Backend& judge,
                              const JudgeConfig& config, JudgePurse& purse) {
  const TaskRegistry registry = load_registry_of(run, std::move(include));
  const JudgeOutcome outcome = judge_run(db, run, registry, judge, config, purse, g_cancelled);
  score_stored_run(db, run, registry, nullptr, g_cancelled);  // judging says nothing about programs
  describe(outcome, run.id);
  return outcome;
}

void add_judge_flags(CLI::App& command, JudgeConfig& config) {
  command.add_option("--judge", config.judge, "Backend that grades open answers: as --model takes it");
  command.add_option("--judge-url", config.backend.http.base_url, "Base URL of the judge's server (openai:)");
  command.add_option("--judge-key-env", config.backend.http.key_variable,
                     "Environment variable with the judge's key (default: ASSAY_JUDGE_API_KEY)");
  command.add_option("--judge-key-file", config.backend.http.key_file, "File with the judge's key");
  command.add_option("--judge-repeats", config.repeats, "Ask everything this often")->check(CLI::Range(1, 1000));
  command.add_option("--judge-temperature", config.temperature, "Sampling temperature of the judge")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--judge-tokens", config.max_tokens, "Tokens that one judgement may have")
      ->check(CLI::PositiveNumber);
  command.add_option_function<std::string>(
      "--judge-budget", [&config](const std::string& text) { config.budget = parse_budget(text); },
      "Cap on the command's judging: 200000tokens or 5usd (needs --judge-prices)");
  command.add_option("--judge-prices", config.prices_file,
                     "JSON file: {\"MODEL\": {\"prompt\": 2.5, \"completion\": 10}}, per million tokens");
  command.add_flag("--judge-reword", config.reword,
                   "Ask about judged answers again where the judge prompts are others now");
}

void declare_judge(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<JudgeOptions>();
  add_place_flags(command, options->places);
  command.add_option("database", options->database, "Report database (default: --db)");
  command.add_option("--run", options->run, "Id of a run or label of a checkpoint (default: all)");
  command.add_option("--task", options->judge.task, "Only tasks that match this name or glob");
  command.add_option("--against", options->judge.against, "Compare in pairs with this run, both orders");
  add_judge_flags(command, options->judge);
  add_http_flags(command, options->http);
  command.get_option("--judge")->required();
  add_engine_flags(command, options->judge.backend);
  command.add_flag("--json", options->json, "One JSON value on stdout");
  command.callback([options, &exit_code] { exit_code = judge_command(*options); });
}

}  // namespace assay
