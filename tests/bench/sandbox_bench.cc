// Jobs a second of the sandbox, and their CPU time against T0: the CPU time of a bare `python3 -I -S -c pass`, measured
// in the same run, so that the ratios hold on any machine.
// Each figure stands beside its bar.
//   sandbox_bench [SLOTS] [JOBS] [HUMANEVAL.jsonl]
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "sandbox/interpreter.h"
#include "sandbox/sandbox.h"

extern char** environ;

namespace {

using namespace assay;
using Clock = std::chrono::steady_clock;

const std::atomic<bool> kNever{false};

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
    sandbox.wait(kNever);
    wall = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return {wall, cpu_seconds() - cpu, passed};
}

// The data set's own solutions; a fresh sandbox, its start counted.
void time_references(const std::string& path, int slots) {
  std::vector<ProgramJob> jobs;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (strip(line).empty()) continue;
    const Json row = parse_json(line, path);
    ProgramJob job;
    job.program = row["prompt"].get<std::string>() + row["canonical_solution"].get<std::string>();
    job.tests = row["test"].get<std::string>();
    job.entry_point = row["entry_point"].get<std::string>();
    jobs.push_back(job);
  }
  std::atomic<int> passed{0};
  SandboxOptions options;
  options.slots = slots;
  Sandbox sandbox(options);
  const auto start = Clock::now();
  for (const ProgramJob& job : jobs) {
    sandbox.submit(job, [&](ProgramOutcome outcome) { passed += outcome.verdict == Verdict::kPass; });
  }
  sandbox.wait(kNever);
  const double wall = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf(
      "references of HumanEval, split, %d slots: %d of %zu pass in %.2f s = %.2f of the bar of 2 s (wanted 1 s)\n",
      slots, passed.load(), jobs.size(), wall, wall / 2);
}

// From a limit to its verdict, the longest of some: a sleeper at its wall limit, one that spins at its CPU limit, one
// that holds much memory at its wall limit.
void time_verdicts() {
  SandboxOptions options;
  options.slots = 1;
  Sandbox sandbox(options);
  auto late = [&](const char* body, double wall_s, double cpu_s, int memory_mb) {
    double longest = 0;
    for (int i = 0; i < 5; ++i) {
      ProgramJob job;
      job.program = std::string("import time\n\n\ndef f():\n") + body;
      job.tests = "def check(f):\n    assert f()\n";
      job.entry_point = "f";
      job.limits.wall_s = wall_s, job.limits.cpu_s = cpu_s, job.limits.memory_mb = memory_mb;
      sandbox.submit(job, [&](ProgramOutcome outcome) {
        const bool ended = outcome.verdict == Verdict::kTimeout;
        longest = std::max(longest, ended ? outcome.wall_s - std::min(wall_s, cpu_s) : 1e9);
      });
      sandbox.wait(kNever);
    }
    return longest;
  };
  const double sleeps = late("    time.sleep(60)\n", 0.3, 3, 512);
  const double spins = late("    while True:\n        pass\n", 10, 0.3, 512);
  const double holds =
      late("    block = bytearray(1 << 30)\n    block[::4096] = b'x' * (1 << 18)\n    time.sleep(60)\n", 1.5, 3, 2048);
  std::printf(
      "verdict after the limit, longest of 5: wall %.0f ms = %.2f, CPU %.0f ms = %.2f of the bar of 100 ms; with 1 GiB "
      "to free "
      "%.0f ms = %.2f of the bar of 1 s\n",
      sleeps * 1000, sleeps / 0.1, spins * 1000, spins / 0.1, holds * 1000, holds);
}

}  // namespace

int main(int argc, char** argv) {
  const int slots = argc > 1 ? std::atoi(argv[1]) : 2, jobs = argc > 2 ? std::atoi(argv[2]) : 1000;
  const double t0 = bare_interpreter_seconds(find_python().path);
  std::printf("T0 %.2f ms (%s)\n", t0 * 1000, find_python().path.c_str());
  struct Bar {
    ProgramMode mode;
    double jobs, wanted, t0;
  };
  for (const Bar& bar : {Bar{ProgramMode::kSplit, 200, 300, 1.0}, Bar{ProgramMode::kInline, 400, 500, 0.6}}) {
    const Measured few = measure(slots, 1, bar.mode), many = measure(slots, jobs, bar.mode);
    const double cpu = (many.cpu_s - few.cpu_s) / (jobs - 1), rate = jobs / many.wall_s;
    std::printf("%-6s  %d of %d pass in %d slots\n", to_string(bar.mode), many.passed, jobs, slots);
    std::printf("        %.1f jobs/s = %.2f of the bar of %g, %.2f of the wanted %g\n", rate, rate / bar.jobs, bar.jobs,
                rate / bar.wanted, bar.wanted);
    std::printf("        %.2f ms of CPU a job = %.2f T0 = %.2f of the bar of %g T0\n", cpu * 1000, cpu / t0,
                cpu / t0 / bar.t0, bar.t0);
  }
  if (argc > 3) time_references(argv[3], slots);
  time_verdicts();
  return 0;
}
