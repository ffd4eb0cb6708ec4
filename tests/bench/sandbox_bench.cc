// Jobs a second of the sandbox, and their CPU time against T0: the CPU time of a bare `python3 -I -S -c pass`, measured
// in the same run, so that the ratios hold on any machine.
//   sandbox_bench [SLOTS] [JOBS]
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sandbox/interpreter.h"
#include "sandbox/sandbox.h"

extern char** environ;

namespace {

using namespace assay;
using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  double sum = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage;
    getrusage(who, &usage);
    sum += static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  return sum;
}

double bare_interpreter_seconds(const std::string& path) {
  constexpr int kTimes = 20;
  const double before = cpu_seconds();
  for (int i = 0; i < kTimes; ++i) {
    const char* arguments[] = {path.c_str(), "-I", "-S", "-c", "pass", nullptr};
    pid_t pid = 0;
    posix_spawn(&pid, path.c_str(), nullptr, nullptr, const_cast<char**>(arguments), environ);
    waitpid(pid, nullptr, 0);
  }
  return (cpu_seconds() - before) / kTimes;
}

ProgramJob typical_job(ProgramMode mode) {
  ProgramJob job;
  job.mode = mode;
  job.entry_point = "closest";
  job.program =
      "from typing import List, Tuple\nimport math\n\n\ndef closest(numbers: List[float]) -> Tuple[float, float]:\n"
      "    \"\"\"The two numbers that lie nearest to each other, smaller first.\"\"\"\n    best = None\n"
      "    ordered = sorted(numbers)\n    for a, b in zip(ordered, ordered[1:]):\n"
      "        if best is None or b - a < best[1] - best[0]:\n            best = (a, b)\n    return best\n";
  job.tests =
      "def check(candidate):\n    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2]) == (3.9, 4.0)\n"
      "    assert candidate([1.0, 2.0, 5.9, 4.0, 5.0]) == (5.0, 5.9)\n"
      "    assert candidate([1.0, 2.0, 3.0, 4.0, 5.0, 2.2]) == (2.0, 2.2)\n"
      "    assert candidate([1.0, 2.0, 3.0, 4.0, 5.0, 2.0]) == (2.0, 2.0)\n"
      "    assert candidate([1.1, 2.2, 3.1, 4.1, 5.1]) == (2.2, 3.1)\n";
  return job;
}

struct Measured {
  double wall_s, cpu_s;
  int passed;
};

// Everything counted: the sandbox's start and end too.
Measured measure(int slots, int jobs, ProgramMode mode) {
  const double cpu = cpu_seconds();
  std::atomic<int> passed{0};
  double wall = 0;
  {
    SandboxOptions options;
    options.slots = slots;
    Sandbox sandbox(options);
    const auto start = Clock::now();
    for (int i = 0; i < jobs; ++i) {
      sandbox.submit(typical_job(mode), [&](ProgramOutcome outcome) { passed += outcome.verdict == Verdict::kPass; });
    }
    const std::atomic<bool> cancelled{false};
    sandbox.wait(cancelled);
    wall = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return {wall, cpu_seconds() - cpu, passed};
}

}  // namespace

int main(int argc, char** argv) {
  const int slots = argc > 1 ? std::atoi(argv[1]) : 2, jobs = argc > 2 ? std::atoi(argv[2]) : 1000;
  const double t0 = bare_interpreter_seconds(find_python().path);
  std::printf("T0 %.2f ms (%s)\n", t0 * 1000, find_python().path.c_str());
  for (ProgramMode mode : {ProgramMode::kSplit, ProgramMode::kInline}) {
    const Measured few = measure(slots, 1, mode), many = measure(slots, jobs, mode);
    const double cpu = (many.cpu_s - few.cpu_s) / (jobs - 1);
    std::printf("%-6s  %d of %d pass  %6.1f jobs/s in %d slots  %.2f ms of CPU a job = %.2f T0\n", to_string(mode),
                many.passed, jobs, jobs / many.wall_s, slots, cpu * 1000, cpu / t0);
  }
  return 0;
}
