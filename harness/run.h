// A run: the pipeline from task files to numbers in the database.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "core/records.h"
#include "harness/run_config.h"
#include "model_backend/backend.h"
#include "tasks/task_file.h"

namespace assay {

struct RunOutcome {
  int64_t run = 0;        // id in the database
  bool complete = false;  // every item has an answer
  int64_t missing = 0;    // items without one
  RunStats stats;         // of this session
};

// Runs the pipeline; the same config again goes on where it stopped. Throws Error: before any work when a task,
// checkpoint or file is wrong; later only when the world fails, and then what came so far is in the database.
RunOutcome run(const RunConfig& config, const std::atomic<bool>& cancelled);

// One item made ready: what the model will see.
struct PreparedItem {
  Prompt prompt;
  std::vector<Request> requests;  // in order of part
};

// Task file -> documents -> prompts -> requests, for one task. `show` stops here.
std::vector<PreparedItem> prepare_items(const Task& task, const RunConfig& config);

}  // namespace assay
