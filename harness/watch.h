// Checkpoints scored while training writes them.
//
// Each checkpoint of the folder is taken once, when it is whole (checkpoint_folder.h) and its files have not changed
// for `settle` seconds. What became of it is kept in the database (table watched), so a restart goes on, and a
// checkpoint that was renamed or that is gone again is not taken twice. One that can't be used is recorded as failed,
// with the reason, once `give_up` seconds have passed since its files were first seen as they are; one that vanishes
// while it is scored, as failed too; both are forgotten when the same path is scored after all. All others go on. Task
// files, documents and prompts are made ready once; token ids and the plan too, as long as the tokenizer stays the
// same.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "harness/run_config.h"

namespace assay {

struct WatchConfig {
  RunConfig run;       // model and name: unused
  std::string folder;  // where training writes
  std::string marker;  // file that each finished checkpoint has; empty = none is asked for
  bool newest_first = false;
  double settle = 5, give_up = 600, poll = 10;  // seconds
  bool once = false;                            // end when nothing is left to score or to wait for
};

struct WatchSummary {
  int64_t scored = 0, failed = 0, incomplete = 0;  // checkpoints; incomplete: scored, but answers are missing
};

// Ends when cancelled, or with `once`. Says on stderr what it does: one line a checkpoint, and how far it lags behind.
// Throws Error when the tasks, the database or the folder fail, never for a checkpoint.
WatchSummary watch(const WatchConfig& config, const std::atomic<bool>& cancelled);

}  // namespace assay
