// A slot runs one job at a time, in two warm interpreters: one that forks the process of the program, and one that
// forks the process of the tests and never sees a program.
//
// What flows for one job, in split mode:
//   supervisor -> each zygote     limits and open files (wire.h)
//   program process <-> tests process   calls and answers over a socket pair (python/assay_codec.py)
//   tests process -> supervisor   one record on a pipe of its own: the run's secret, then {"verdict", "reason"}
//   program process -> supervisor stdout and stderr over a pipe, which decide nothing
// The supervisor (this file) ends the job at a limit or at the record, waits until every process of it is dead, and
// makes the outcome: what it saw itself (limits, how the program ended) goes before what the tests say.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/program_runner.h"
#include "sandbox/inside/inside.h"
#include "sandbox/interpreter.h"

namespace assay {

class Slot {
 public:
  // Nothing is started yet. Use from one thread only, which must live as long as the slot. When *stopping, which must
  // outlive the slot, becomes true, a job that runs ends within a tenth of a second, with kCancelledReason.
  Slot(int number, Isolation isolation, const std::atomic<bool>* stopping = nullptr);
  ~Slot();

  // Runs one job once. What fails on our side, or on the data's, is the verdict kSandboxError with its reason; the
  // slot is then started anew for the next job where that may help.
  ProgramOutcome run(const ProgramJob& job);

  // Why the tests of a job in another language than Python do not compile, whatever the program is; empty when they do
  // or it can't be told. Starts no program.
  std::string defect_of_tests(const ProgramJob& job);

  // From now on outcomes say how many processes outlived their verdict.
  void count_left_over() { counts_left_over_ = true; }

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
  bool counts_left_over_ = false;
};

}  // namespace assay
