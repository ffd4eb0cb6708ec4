// The sandbox as a library: jobs in, outcomes out.

#include "sandbox/sandbox.h"

#include <catch2/catch.hpp>
#include <mutex>

#include "core/error.h"
#include "core/json.h"
#include "sandbox/interpreter.h"
#include "tests/support.h"

namespace assay {
namespace {

const std::atomic<bool> kNever{false};

std::vector<ProgramOutcome> run_all(Sandbox& sandbox, const std::vector<ProgramJob>& jobs) {
  std::vector<ProgramOutcome> outcomes(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    sandbox.submit(jobs[i], [&outcomes, i](ProgramOutcome outcome) { outcomes[i] = std::move(outcome); });
  }
  sandbox.wait(kNever);
  return outcomes;
}

ProgramOutcome run_one(Sandbox& sandbox, const ProgramJob& job) {
  return run_all(sandbox, {job}).front();
}

ProgramJob python(const std::string& program, const std::string& tests, const std::string& entry_point) {
  ProgramJob job;
  job.program = program;
  job.tests = tests;
  job.entry_point = entry_point;
  return job;
}

constexpr const char* kAdd = "def add(a, b):\n    return a + b\n";
constexpr const char* kAddTests = "def check(candidate):\n    assert candidate(1, 2) == 3\n";

Sandbox& one_slot() {
  static Sandbox sandbox([] {
    SandboxOptions options;
    options.slots = 1;
    options.unsafe = true;
    return options;
  }());
  return sandbox;
}

}  // namespace

TEST_CASE("what is wrong with the tests is never the program's fault") {
  struct Row {
    const char *tests, *entry_point, *reason;
  };
  const Row rows[] = {
      {"def check(candidate:\n    pass\n", "add", "the tests do not compile"},
      {"", "", "name an entry point"},
      {"def check(candidate):\n    assert candidate(1, 2) == 3\n", "", "name an entry point"},
      {"def check(candidate):\n    candidate(lambda: 1, 2)\n", "add", "needs inline mode"},
  };
  for (const Row& row : rows) {
    const ProgramOutcome out = run_one(one_slot(), python(kAdd, row.tests, row.entry_point));
    INFO(row.tests << out.reason);
    CHECK(out.verdict == Verdict::kSandboxError);
    CHECK(out.attempts == 2);
    CHECK(out.reason.find(row.reason) != std::string::npos);
  }
  CHECK(run_one(one_slot(), python(kAdd, kAddTests, "add")).verdict == Verdict::kPass);
}

TEST_CASE("odd programs get a verdict") {
  struct Row {
    std::string name, program;
    Verdict verdict;
  };
  const Row rows[] = {
      {"empty", "", Verdict::kRuntimeError},
      {"not UTF-8", "x = '\xff\xfe'\n" + std::string(kAdd), Verdict::kRuntimeError},
      {"a zero byte", std::string("x = 1\0\n", 7) + kAdd, Verdict::kRuntimeError},
      {"ten megabytes", "# " + std::string(10 << 20, 'x') + "\n" + kAdd, Verdict::kPass},
      {"windows line ends", "def add(a, b):\r\n    return a + b\r\n", Verdict::kPass},
      {"byte order mark", "\xEF\xBB\xBF" + std::string(kAdd), Verdict::kPass},
  };
  for (const Row& row : rows) {
    const ProgramOutcome out = run_one(one_slot(), python(row.program, kAddTests, "add"));
    INFO(row.name << ": " << out.reason);
    CHECK(out.verdict == row.verdict);
  }
}

TEST_CASE("limits that make no sense are refused") {
  for (const char* text : {"{\"cpu_s\": 0}", "{\"wall_s\": -1}", "{\"memory_mb\": 1.5}", "{\"processes\": \"many\"}",
                           "{\"cpu\": 3}", "[]", "{\"wall_s\": 1e300}"}) {
    INFO(text);
    CHECK(testing::error_of([&] { limits_from_json(parse_json(text, "x"), "x"); }) != "(no error)");
  }
  const ProgramLimits limits = limits_from_json(parse_json("{\"cpu_s\": 0.5, \"memory_mb\": 64}", "x"), "x");
  CHECK(limits.cpu_s == 0.5);
  CHECK(limits.memory_mb == 64);
  CHECK(limits.wall_s == 10);
}

TEST_CASE("inline mode sees what split mode can't") {
  ProgramJob job = python("import re\n\n\ndef find(t):\n    return re.search('b', t)\n",
                          "assert find('abc').span() == (1, 2)\nassert find('x') is None\n", "find");
  CHECK(run_one(one_slot(), job).verdict == Verdict::kWrongAnswer);
  job.mode = ProgramMode::kInline;
  const ProgramOutcome out = run_one(one_slot(), job);
  CHECK(out.verdict == Verdict::kPass);
  CHECK(out.mode == ProgramMode::kInline);
  job.program = "import sys\nsys.exit(0)\n";
  CHECK(run_one(one_slot(), job).verdict == Verdict::kRuntimeError);
  job.program = "import os\n\n\ndef find(t):\n    os._exit(0)\n";
  CHECK(run_one(one_slot(), job).verdict == Verdict::kRuntimeError);
}

TEST_CASE("a program beside one that spins keeps its verdict, two hundred times") {
  SandboxOptions options;
  options.slots = 2;
  options.unsafe = true;
  Sandbox sandbox(options);
  std::atomic<int> passed{0}, spun{0};
  ProgramJob spinner = python("def add(a, b):\n    while True:\n        pass\n", kAddTests, "add");
  spinner.limits.cpu_s = 1;
  for (int i = 0; i < 3; ++i) {
    sandbox.submit_to(1, spinner, [&](ProgramOutcome out) { spun += out.verdict == Verdict::kTimeout; });
  }
  for (int i = 0; i < 200; ++i) {
    sandbox.submit_to(0, python(kAdd, kAddTests, "add"),
                      [&](ProgramOutcome out) { passed += out.verdict == Verdict::kPass; });
  }
  sandbox.wait(kNever);
  CHECK(passed == 200);
  CHECK(spun == 3);
}

TEST_CASE("a verdict comes soon after its limit") {
  ProgramJob job = python("import time\n\n\ndef add(a, b):\n    time.sleep(60)\n", kAddTests, "add");
  job.limits.wall_s = 0.5;
  const ProgramOutcome out = run_one(one_slot(), job);
  CHECK(out.verdict == Verdict::kTimeout);
  CHECK(out.wall_s >= 0.5);
  CHECK(out.wall_s < 1.5);
  CHECK(out.cpu_s < 0.2);
}

TEST_CASE("programs in other languages pass, fail and are told apart") {
  struct Row {
    Language language;
    const char *program, *tests;
    Verdict verdict;
  };
  const char* cpp_tests = "}\nint main() {\n    assert(add(1, 2) == 3);\n}\n";
  const char* js_tests =
      "const assert = require('node:assert');\nfunction test() { assert.deepEqual(add(1, 2), 3); }\ntest();\n";
  const char* sh_tests = "}\nset -e\n[[ $(add 1 2) = 3 ]]\n";
  const char* java_tests =
      "    }\n    public static void main(String[] args) {\n    assert(add(1, 2) == 3);\n    }\n}\n";
  const Row rows[] = {
      {Language::kCpp, "#include <cassert>\nint add(int a, int b) {\n  return a + b;", cpp_tests, Verdict::kPass},
      {Language::kCpp, "#include <cassert>\nint add(int a, int b) {\n  return a - b;", cpp_tests,
       Verdict::kWrongAnswer},
      {Language::kCpp, "#include <cassert>\nint add(int a, int b) {\n  return c;", cpp_tests, Verdict::kRuntimeError},
      {Language::kCpp, "#include <cassert>\n#include <cstdlib>\nint add(int a, int b) {\n  _Exit(0);", cpp_tests,
       Verdict::kRuntimeError},
      {Language::kCpp, "#include <cassert>\nint add(int a, int b) {\n  for (volatile int i = 0;; i = i + 1) {}",
       cpp_tests, Verdict::kTimeout},
      {Language::kJavaScript, "function add(a, b) {\n  return a + b;\n}", js_tests, Verdict::kPass},
      {Language::kJavaScript, "function add(a, b) {\n  return a * b;\n}", js_tests, Verdict::kWrongAnswer},
      {Language::kJavaScript, "function add(a, b) {\n  process.exit(0);\n}", js_tests, Verdict::kRuntimeError},
      {Language::kBash, "add() {\n  echo $(($1 + $2))", sh_tests, Verdict::kPass},
      {Language::kBash, "add() {\n  echo 4", sh_tests, Verdict::kWrongAnswer},
      {Language::kBash, "exit 0\nadd() {\n  echo 4", sh_tests, Verdict::kRuntimeError},
      {Language::kJava, "class Problem {\n    public static long add(long a, long b) {\n        return a + b;\n",
       java_tests, Verdict::kPass},
      {Language::kJava, "class Problem {\n    public static long add(long a, long b) {\n        return a - b;\n",
       java_tests, Verdict::kWrongAnswer},
  };
  for (const Row& row : rows) {
    std::string missing;
    if (!find_toolchain(row.language, missing)) {
      testing::skip(std::string(to_string(row.language)) + ": " + missing + " is not installed");
      continue;
    }
    ProgramJob job;
    job.language = row.language;
    job.program = row.program;
    job.tests = row.tests;
    job.mode = ProgramMode::kInline;
    job.limits.memory_mb = 1024;
    job.limits.processes = 64;
    const ProgramOutcome out = run_one(one_slot(), job);
    INFO(to_string(row.language) << " " << row.program << "\n"
                                 << to_string(out.verdict) << ": " << out.reason << "\n"
                                 << out.output);
    CHECK(out.verdict == row.verdict);
  }
}

}  // namespace assay
