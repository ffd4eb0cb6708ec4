#include "harness/execution.h"

#include <chrono>

#include "core/hash.h"

namespace assay {
namespace {

std::string key_of(const ProgramJob& job) {
  const ProgramLimits& limits = job.limits;
  FieldHash hash;
  hash.add(to_string(job.language)).add(job.program).add(job.tests).add(job.setup).add(job.entry_point);
  hash.add(job.stub).add_number(static_cast<int64_t>(job.preload.size()));
  for (const std::string& name : job.preload) hash.add(name);
  hash.add(to_string(job.mode)).add_real(limits.wall_s).add_real(limits.cpu_s).add_number(limits.memory_mb);
  hash.add_number(limits.processes).add_number(limits.output_kb).add_number(limits.file_mb);
  return hash.hex();
}

}  // namespace

ProgramExecution::~ProgramExecution() {
  static const std::atomic<bool> drop{true};
  runner_.wait(drop);
}

void ProgramExecution::prefetch(const std::vector<std::optional<ProgramJob>>& jobs) {
  for (const auto& job : jobs) {
    if (!job) continue;
    const std::string key = key_of(*job);
    {
      std::lock_guard lock(mutex_);
      if (!outcomes_.try_emplace(key).second) continue;
    }
    runner_.submit(*job, [this, key](ProgramOutcome outcome) {
      std::lock_guard lock(mutex_);
      outcomes_[key] = std::move(outcome);
      done_.notify_all();
    });
  }
}

std::vector<std::optional<ProgramOutcome>> ProgramExecution::run(const std::vector<std::optional<ProgramJob>>& jobs,
                                                                 const std::atomic<bool>& cancelled) {
  prefetch(jobs);
  std::vector<std::optional<ProgramOutcome>> out;
  std::unique_lock lock(mutex_);
  for (const auto& job : jobs) {
    out.emplace_back();
    if (!job) continue;
    std::optional<ProgramOutcome>& outcome = outcomes_[key_of(*job)];
    while (!outcome && !cancelled) done_.wait_for(lock, std::chrono::milliseconds(100));
    if (outcome) {
      out.back() = outcome;
    } else {
      out.back().emplace();
      out.back()->reason = "not run: cancelled";
    }
  }
  return out;
}

}  // namespace assay
