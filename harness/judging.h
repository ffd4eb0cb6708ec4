// Stored answers -> questions to a judge -> its words, stored. Any backend may judge.
//
// A word is kept per answer, judge, version of the judge, version of the prompt, order and repetition, and on disk
// before the next is looked at: what is known is never asked again, so a judging that was stopped goes on where it was.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "model_backend/backend.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace CLI {
class App;
}

namespace assay {

// A cap on what judging a run may cost, what is already stored for it included.
struct JudgeBudget {
  std::optional<int64_t> tokens;
  std::optional<double> money;  // in the price table's currency
};

// "100000" or "100000tokens"; "5usd" or "$5". Throws Error(kInput).
JudgeBudget parse_budget(const std::string& text);

// Price per million tokens.
struct JudgePrice {
  double prompt = 0, completion = 0;
};
// A JSON object {"MODEL": {"prompt": 2.5, "completion": 10}}; throws Error(kInput) when the file or the model's row is
// wrong or absent.
JudgePrice read_price(const std::string& path, const std::string& model);

struct JudgeConfig {
  std::string judge;  // a backend, as --model takes it; empty = nobody
  std::string data;   // folder of judge prompts and references
  BackendOptions backend;
  int repeats = 1;
  double temperature = 0;
  int max_tokens = 2048;
  JudgeBudget budget;
  std::string prices_file;
  std::string against;  // pairs: id or label of the other run; empty = single grading
  std::string task;     // glob; empty = every task that has a judge
};

// The --judge flags of `assay judge` and `assay run`.
void add_judge_flags(CLI::App& command, JudgeConfig& config);

struct JudgeOutcome {
  int64_t questions = 0;  // with repeats
  int64_t known = 0;      // answered before
  int64_t asked = 0;      // answered now
  int64_t unparsed = 0;   // of all that are answered: words without a score
  int64_t left = 0;       // without a word: budget, lost or cancelled
  int64_t tokens = 0;     // of all that are answered
  double money = 0;
  RunStats stats;
  bool folded_system = false;
};

// The tasks of a run that a judge grades and that config.task lets through.
std::vector<const Task*> judged_tasks(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry,
                                      const JudgeConfig& config);

// Judges every answer of the run's tasks that have a protocol. Precondition: config.judge is not empty. Throws
// Error(kInput) when no task of the run has a judge, or the judge can't generate.
JudgeOutcome judge_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, Backend& judge,
                       const JudgeConfig& config, const std::atomic<bool>& cancelled);

// judge_run, then the run's scores anew; says on stderr what happened. `include`: folders of task files; empty = those
// the run was made with.
JudgeOutcome judge_stored_run(ResultsDb& db, const StoredRun& run, std::vector<std::string> include, Backend& judge,
                              const JudgeConfig& config);

// Whether the judge can be opened and has a price where one is needed, before a run is paid for. Throws as open_judge
// and read_price do. A local checkpoint is only looked for: reading it can wait.
void check_judge(const JudgeConfig& config);

// The judge's backend, chat endpoint included. Throws as open_backend does.
std::unique_ptr<Backend> open_judge(const JudgeConfig& config);

}  // namespace assay
