// Execution of answers that are programs: a stage between responses and scores.
//
// Jobs are remembered by what they are (program, tests, limits, mode), so a job is run once however often it is asked
// for: while the model goes on, as each answer comes (prefetch), and again when scores are made (run), which then only
// waits. Identical answers to one item are run once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/program_runner.h"

namespace assay {

class ProgramExecution {
 public:
  // `runner` must outlive this object.
  explicit ProgramExecution(ProgramRunner& runner) : runner_(runner) {}
  // Drops what waits in the runner's queue and waits for what runs.
  ~ProgramExecution();

  // Starts jobs and returns at once. From any thread.
  void prefetch(const std::vector<std::optional<ProgramJob>>& jobs);

  // Outcomes of the jobs, in order; nothing where there is no job. Waits for those that are not done. When `cancelled`
  // becomes true the rest gets kSandboxError with the reason "not run: cancelled".
  std::vector<std::optional<ProgramOutcome>> run(const std::vector<std::optional<ProgramJob>>& jobs,
                                                 const std::atomic<bool>& cancelled);

  const ProgramRunner& runner() const { return runner_; }

 private:
  ProgramRunner& runner_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::map<std::string, std::optional<ProgramOutcome>> outcomes_;  // by key of the job; nothing: on its way. mutex_
};

}  // namespace assay
