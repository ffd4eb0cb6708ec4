#include "sandbox/sandbox.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "sandbox/interpreter.h"
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

  void serve(int number) {
    Slot slot(number, isolation_of(state.mode));
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

  ProgramOutcome run_twice(Slot& slot, const ProgramJob& job) {
    ProgramOutcome out;
    std::string missing;
    if (job.language != Language::kPython && !find_toolchain(job.language, missing)) {
      out.verdict = Verdict::kNotInstalled;
      out.reason = missing + " is not installed";
      out.mode = ProgramMode::kInline;
    } else {
      out = slot.run(job);
      if (out.verdict == Verdict::kSandboxError) {
        out = slot.run(job);
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
    if (cancelled) self.drop_queues();
    self.work_done.wait_for(lock, std::chrono::milliseconds(100));
  }
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
