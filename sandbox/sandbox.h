// Runs programs that a model wrote, several at once, and says how well they are held.
//
// Modes, strongest first; which one a machine gives is found by trying it once:
//   namespaces   own users, processes, mounts, network; read-only system; files in memory; filter of system calls
//   landlock     no namespaces: file rules of the process for itself, the filter, no fork, no sockets
//   none         limits and the clock only: for a user who asked for it by name
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/program_runner.h"

namespace assay {

enum class SandboxMode { kNamespaces, kLandlock, kNone };
const char* to_string(SandboxMode mode);

// One protection: whether it is on, and if not why and what that costs.
struct Mechanism {
  std::string name;
  bool on = false;
  std::string why;
};

struct SandboxState {
  SandboxMode mode = SandboxMode::kNone;
  std::vector<Mechanism> mechanisms;
  std::string python;  // path and version of the interpreter
  // One line for the head of a run; for a mode below namespaces it says what is lacking and the remedy.
  std::string headline() const;
};

// Tries the modes from the strongest down, or from `strongest` on. With `unsafe` the mode none is used where no other
// works, else Error(kWorld) with reason and remedy. Takes about 0.1 s.
SandboxState probe_sandbox(bool unsafe, SandboxMode strongest = SandboxMode::kNamespaces);

struct SandboxOptions {
  int slots = 0;  // jobs at once; 0 = one a core
  bool unsafe = false;
  SandboxMode strongest = SandboxMode::kNamespaces;
  bool count_left_over = false;  // after each verdict, look for processes of the job that still live (for suites)
};

// Of what was running when it was cancelled; its verdict is kSandboxError.
inline constexpr const char* kCancelledReason = "not run: cancelled";

// Each slot is a thread with its own warm interpreters. A job that ends in kSandboxError is run once more.
class Sandbox : public ProgramRunner {
 public:
  // Throws as probe_sandbox.
  explicit Sandbox(const SandboxOptions& options);
  ~Sandbox() override;  // drops what is queued, ends what runs, leaves no process

  void submit(ProgramJob job, std::function<void(ProgramOutcome)> done) override;
  // Into the queue of one slot, behind what it has: for suites in which a job must follow another in its slot.
  void submit_to(int slot, ProgramJob job, std::function<void(ProgramOutcome)> done);
  // When it is cancelled, what runs is ended at once too, with kCancelledReason.
  void wait(const std::atomic<bool>& cancelled) override;
  std::string mode() const override;

  const SandboxState& state() const;
  int slots() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace assay
