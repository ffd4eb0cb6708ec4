// A run: the pipeline from task files to numbers in the database.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/records.h"
#include "harness/run_config.h"
#include "model_backend/backend.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace assay {

struct RunOutcome {
  int64_t run = 0;              // id in the database; 0 = stopped before anything was asked
  bool complete = false;        // every item has an answer
  int64_t missing = 0;          // items without one
  RunStats stats;               // of this session
  double prepare_seconds = 0;   // from the weights being there to the first row: hashes, known answers, token ids, plan
  std::optional<Error> broken;  // CheckpointSeries: the checkpoint can't be used, or not for these requests
};

// A task file named in --tasks stands for what it defines: its outermost groups, or its tasks. Its folder is included.
// run() and CheckpointSeries do this themselves. Throws Error where there is no such file.
RunConfig with_task_files(RunConfig config);

// Runs the pipeline; the same config again goes on where it stopped. Throws Error: before any work when a task,
// checkpoint or file is wrong; later only when the world fails, and then what came so far is in the database.
RunOutcome run(const RunConfig& config, const std::atomic<bool>& cancelled);

// Any number of checkpoints on the same tasks. Task files, documents and prompts are made ready once; where checkpoints
// share a tokenizer, token ids and the plan too, and weights are put in each other's place.
class CheckpointSeries {
 public:
  // Reads the tasks and opens the database. `config`: model and name are unused. Throws as run() does.
  explicit CheckpointSeries(const RunConfig& config);
  ~CheckpointSeries();
  // As run(), but a checkpoint that can't be opened is an outcome, and the series goes on.
  RunOutcome score(const std::string& model, const std::string& name, const std::atomic<bool>& cancelled);
  ResultsDb& db();
  double prepare_seconds() const;  // what the constructor took

 private:
  friend RunOutcome run(const RunConfig& config, const std::atomic<bool>& cancelled);
  struct State;
  std::unique_ptr<State> state_;
};

// One item made ready: what the model will see.
struct PreparedItem {
  Prompt prompt;
  std::vector<Request> requests;  // in order of part
};

// Task file -> documents -> prompts -> requests, for one task. `show` stops here.
std::vector<PreparedItem> prepare_items(const Task& task, const RunConfig& config);

}  // namespace assay
