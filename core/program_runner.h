// The interface of running programs that a model wrote: jobs in, outcomes out. `sandbox` fills it, `harness` hands it
// over, tests hand over a fake; `tasks` only makes the jobs.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "core/json.h"

namespace assay {

// What one program may use. CPU time decides; wall time only catches sleepers.
struct ProgramLimits {
  double wall_s = 10;
  double cpu_s = 3;     // all processes of the program together
  int memory_mb = 512;  // all processes together
  int processes = 16;   // tasks: processes and threads
  int output_kb = 256;  // stdout and stderr together
  int file_mb = 32;     // all files together
};
// Reads {"wall_s": ..., ...}; absent fields keep the value of `base`. Throws Error(kInput) for fields that are unknown,
// not numbers, or make no sense (not positive, above a day or a terabyte).
ProgramLimits limits_from_json(const Json& json, const std::string& where, ProgramLimits base = {});

// Where the tests run.
enum class ProgramMode {
  kSplit,   // in a process that never held the program: a pass cannot be forged
  kInline,  // in the program's own process: for tests that need its classes or identity, and for compiled languages
};
const char* to_string(ProgramMode mode);

enum class Language { kPython, kCpp, kJavaScript, kJava, kPhp, kTypeScript, kCSharp, kBash };
const char* to_string(Language language);
// False, with `language` untouched, for an unknown name.
bool language_from_string(const std::string& name, Language& language);

// One program with its tests.
struct ProgramJob {
  Language language = Language::kPython;
  std::string program;
  // Python: source that defines `check(candidate)`, or that is the tests itself (bare asserts). Other languages: text
  // that follows the program, as the data set has it.
  std::string tests;
  // Python: source by the data set's authors that runs before the tests, on the tests' side: helpers that a prompt
  // defines. Classes defined here are records: their instances cross between program and tests.
  std::string setup;
  // Python: the name that `check` gets, "add" or "Solution().method"; empty for bare asserts.
  std::string entry_point;
  // Other languages: a program of the data's alone, no answer in it, with which the tests have to compile (or parse).
  // Empty: the tests are looked at by themselves, and only what can't be a name of the program's is held against them.
  std::string stub;
  // Python: modules that are loaded, in a warm interpreter, before the program starts; with them the interpreter's
  // installed packages can be imported.
  std::vector<std::string> preload;
  ProgramMode mode = ProgramMode::kSplit;
  ProgramLimits limits;
};

enum class Verdict {
  kPass,          // the tests ran to their end
  kWrongAnswer,   // an assert of the tests failed, or what was returned is not plain data
  kRuntimeError,  // the program raised, exited, died by a signal, does not compile, or broke the channel
  kTimeout,
  kMemoryLimit,
  kOutputLimit,
  kSandboxError,  // not a verdict on the program: we or the data failed, after two attempts
  kNotInstalled,  // not a verdict either: the language's tools are not on this machine
};
const char* to_string(Verdict verdict);
// False, with `verdict` untouched, for an unknown name.
bool verdict_from_string(const std::string& name, Verdict& verdict);

struct ProgramOutcome {
  Verdict verdict = Verdict::kSandboxError;
  std::string reason;      // one line; empty for a pass
  std::string output;      // stdout and stderr together, head and tail; control characters removed
  bool truncated = false;  // more was written than `output` holds
  double cpu_s = 0;        // program and tests
  double wall_s = 0;
  double memory_mb = 0;  // the most that its processes held together, and its first process alone, as far as seen
  int processes = 0;     // the most that were seen at once
  int left_over = 0;     // processes that outlived the verdict; counted where SandboxOptions ask for it
  int attempts = 1;      // 2 when the first ended in kSandboxError
  int slot = 0;
  ProgramMode mode = ProgramMode::kSplit;
  std::string sandbox;  // "namespaces", "landlock", "none"
};

class ProgramRunner {
 public:
  virtual ~ProgramRunner() = default;
  // Queues a job; `done` gets its outcome exactly once, from a thread of the runner's, several at the same time. Jobs
  // start in the order of submission. Throws Error(kWorld) when no program can be run at all.
  virtual void submit(ProgramJob job, std::function<void(ProgramOutcome)> done) = 0;
  // Returns when every submitted job is done. Ends early when `cancelled` becomes true: what is queued is dropped, and
  // its `done` never called.
  virtual void wait(const std::atomic<bool>& cancelled) = 0;
  // "namespaces", "landlock" or "none": what its outcomes will say.
  virtual std::string mode() const = 0;
};

}  // namespace assay
