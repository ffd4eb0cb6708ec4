#include "sandbox/sandbox.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/text.h"
#include "sandbox/interpreter.h"
#include "sandbox/native.h"
#include "sandbox/slot.h"

namespace assay {
namespace {

struct Entry {
  ProgramJob job;
  std::function<void(ProgramOutcome)> done;
};

Isolation isolation_of(SandboxMode mode) {
  switch (mode) {
    case SandboxMode::kNamespaces:
      return kIsolationNamespaces;
    case SandboxMode::kLandlock:
      return kIsolationLandlock;
    case SandboxMode::kNone:
      return kIsolationNone;
  }
  ASSAY_ASSERT(false, "every mode has an isolation");
}

}  // namespace

struct Sandbox::Implementation {
  SandboxState state;
  std::mutex mutex;
  std::condition_variable work_came, work_done;
  // Guarded by the mutex:
  std::deque<Entry> shared;
  std::vector<std::deque<Entry>> own;  // one a slot
  int open = 0;                        // queued or running
  bool closing = false;
  std::vector<std::thread> threads;
  std::atomic<bool> stopping{false};  // ends what runs
  bool count_left_over = false;
  std::mutex defects_mutex;
  std::map<std::string, std::string> defects;  // of tests, by language, stub and tests. defects_mutex

  void serve(int number) {
    Slot slot(number, isolation_of(state.mode), &stopping);
    if (count_left_over) slot.count_left_over();
    for (;;) {
      Entry entry;
      {
        std::unique_lock lock(mutex);
        auto& mine = own[static_cast<size_t>(number)];
        work_came.wait(lock, [&] { return closing || !mine.empty() || !shared.empty(); });
        if (closing) return;
        auto& queue = mine.empty() ? shared : mine;
        entry = std::move(queue.front());
        queue.pop_front();
      }
      entry.done(run_twice(slot, entry.job));
      std::lock_guard lock(mutex);
      --open;
      work_done.notify_all();
    }
  }

  // Tests that do not compile are the data's fault, whatever the program is. Looked at only where a program failed as
  // it would with such tests.
  ProgramOutcome run_once(Slot& slot, const ProgramJob& job) {
    ProgramOutcome out = slot.run(job);
    const bool failed = out.verdict == Verdict::kWrongAnswer || out.verdict == Verdict::kRuntimeError;
    if (!failed || job.language == Language::kPython ||
        (native_has_compiler(job.language) && !starts_with(out.reason, kNotCompiled)))
      return out;
    const std::string key =
        fmt::format("{}\n{}\n{}\n{}", to_string(job.language), job.stub.size(), job.stub, job.tests);
    std::unique_lock lock(defects_mutex);
    auto known = defects.find(key);
    if (known == defects.end()) {
      lock.unlock();
      const std::string defect = slot.defect_of_tests(job);
      lock.lock();
      known = defects.try_emplace(key, defect).first;
    }
    if (!known->second.empty()) out.verdict = Verdict::kSandboxError, out.reason = known->second;
    return out;
  }

  ProgramOutcome run_twice(Slot& slot, const ProgramJob& job) {
    ProgramOutcome out;
    std::string missing;
    if (job.language != Language::kPython && !find_toolchain(job.language, missing)) {
      out.verdict = Verdict::kNotInstalled;
      out.reason = missing + " is not installed";
      out.mode = ProgramMode::kInline;
    } else if (job.language != Language::kPython && state.mode == SandboxMode::kLandlock) {
      out.reason = fmt::format("a program in {} needs processes, which mode landlock refuses", to_string(job.language));
      out.mode = ProgramMode::kInline;
    } else if (missing = missing_modules(job.preload); !missing.empty()) {
      out.verdict = Verdict::kNotInstalled;
      out.reason = fmt::format(
          "the interpreter {} cannot import {}: install it there, or name another Python in the "
          "environment variable ASSAY_PYTHON",
          state.python, missing);
      out.mode = job.mode;
    } else {
      out = run_once(slot, job);
      if (out.verdict == Verdict::kSandboxError && !stopping) {
        out = run_once(slot, job);
        out.attempts = 2;
      }
    }
    out.sandbox = to_string(state.mode);
    return out;
  }

  void drop_queues() {
    open -= static_cast<int>(shared.size());
    shared.clear();
    for (auto& queue : own) {
      open -= static_cast<int>(queue.size());
      queue.clear();
    }
  }
};

Sandbox::Sandbox(const SandboxOptions& options) : implementation_(new Implementation) {
  Implementation& self = *implementation_;
  self.state = probe_sandbox(options.unsafe, options.strongest);
  self.count_left_over = options.count_left_over;
  int count = options.slots > 0 ? options.slots : static_cast<int>(std::thread::hardware_concurrency());
  if (count < 1) count = 1;
  self.own.resize(static_cast<size_t>(count));
  for (int number = 0; number < count; ++number) self.threads.emplace_back([&self, number] { self.serve(number); });
}

Sandbox::~Sandbox() {
  Implementation& self = *implementation_;
  {
    std::lock_guard lock(self.mutex);
    self.closing = true;
    self.stopping = true;
    self.drop_queues();
    self.work_came.notify_all();
  }
  for (std::thread& thread : self.threads) thread.join();
}

void Sandbox::submit(ProgramJob job, std::function<void(ProgramOutcome)> done) {
  std::lock_guard lock(implementation_->mutex);
  implementation_->shared.push_back({std::move(job), std::move(done)});
  ++implementation_->open;
  implementation_->work_came.notify_one();
}

void Sandbox::submit_to(int slot, ProgramJob job, std::function<void(ProgramOutcome)> done) {
  std::lock_guard lock(implementation_->mutex);
  implementation_->own.at(static_cast<size_t>(slot)).push_back({std::move(job), std::move(done)});
  ++implementation_->open;
  implementation_->work_came.notify_all();
}

void Sandbox::wait(const std::atomic<bool>& cancelled) {
  Implementation& self = *implementation_;
  std::unique_lock lock(self.mutex);
  while (self.open > 0) {
    if (cancelled) {
      self.drop_queues();
      self.stopping = true;
      if (self.open == 0) break;
    }
    self.work_done.wait_for(lock, std::chrono::milliseconds(100));
  }
  self.stopping = false;  // jobs that come later run again
}

std::string Sandbox::mode() const {
  return to_string(implementation_->state.mode);
}

const SandboxState& Sandbox::state() const {
  return implementation_->state;
}

int Sandbox::slots() const {
  return static_cast<int>(implementation_->own.size());
}

}  // namespace assay
