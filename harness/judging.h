// Stored answers -> questions to a judge -> its words, stored. Any backend may judge.
//
// A word is kept per answer, judge, version of the judge, version of the prompt, order and repetition, and on disk
// before the next is looked at: what is known is never asked again, so a judging that was stopped goes on where it was.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "model_backend/backend.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace CLI {
class App;
}

namespace assay {

// A cap on what the judging of one command may cost, what is already stored for its runs included.
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
  bool reword = false;  // judged answers may be asked about in other words: the stored words no longer count
};

struct TokenCount {
  int64_t prompt = 0, completion = 0;
};

// What a command has spent, and what one more question may cost at most. One for all runs of a command.
class JudgePurse {
 public:
  // A stored word: response, judge, its version, prompt version, order, repetition.
  using Word = std::tuple<std::string, std::string, std::string, std::string, std::string, int>;

  JudgePurse(const JudgeBudget& budget, const JudgePrice& price) : budget_(budget), price_(price) {}
  void spend(const TokenCount& count);
  // Spends once for each word, however many runs share it.
  void spend_on(const Word& word, const TokenCount& count);
  // Reserves a question's worst case; false when it might break the cap.
  bool reserve(const TokenCount& count);
  void release_all() { held_tokens_ = 0, held_money_ = 0; }
  bool is_capped() const { return budget_.tokens || budget_.money; }
  double cost(const TokenCount& count) const;

 private:
  JudgeBudget budget_;
  JudgePrice price_;
  std::set<Word> counted_;
  int64_t tokens_ = 0, held_tokens_ = 0;
  double money_ = 0, held_money_ = 0;
};

// Throws as read_price does.
JudgePurse open_purse(const JudgeConfig& config, const Backend& judge);

// The --judge flags of `assay judge` and `assay run`.
void add_judge_flags(CLI::App& command, JudgeConfig& config);

struct JudgeOutcome {
  int64_t questions = 0;  // with repeats
  int64_t known = 0;      // answered before
  int64_t asked = 0;      // answered now
  int64_t unparsed = 0;   // of all that are answered: words without a score
  int64_t left = 0;       // without a word: budget, lost or cancelled
  int64_t tokens = 0;     // of all that are answered, and of replies that were thrown away
  double money = 0;
  std::map<std::string, int64_t> problems;  // why words have no score
  RunStats stats;
  bool folded_system = false;
};

// The tasks of a run that a judge grades and that config.task lets through.
std::vector<const Task*> judged_tasks(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry,
                                      const JudgeConfig& config);

// Judges every answer of the run's tasks that have a protocol. Precondition: config.judge is not empty. Throws
// Error(kInput) when no task of the run has a judge, or the judge can't generate.
JudgeOutcome judge_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, Backend& judge,
                       const JudgeConfig& config, JudgePurse& purse, const std::atomic<bool>& cancelled);

// Spends what the run's stored words have cost, before anything is asked about another run.
void count_known_words(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, const Backend& judge,
                       const JudgeConfig& config, JudgePurse& purse);

// judge_run, then the run's scores anew; says on stderr what happened. `include`: folders of task files; empty = those
// the run was made with.
JudgeOutcome judge_stored_run(ResultsDb& db, const StoredRun& run, std::vector<std::string> include, Backend& judge,
                              const JudgeConfig& config, JudgePurse& purse);

// Whether the judge can be opened, answers one small question where it is a server, and has a price where one is
// needed, before a run is paid for. Throws as open_judge and read_price do. A local checkpoint is only looked for:
// reading it can wait.
void check_judge(const JudgeConfig& config);

// The judge's backend, chat endpoint included. Throws as open_backend does.
std::unique_ptr<Backend> open_judge(const JudgeConfig& config);

}  // namespace assay
