// The sandbox as a library: jobs in, outcomes out.

#include "sandbox/sandbox.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <mutex>

#include "core/error.h"
#include "core/json.h"
#include "sandbox/interpreter.h"
#include "sandbox/usage.h"
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

TEST_CASE("tests that do not compile are never the program's fault, in any language") {
  struct Row {
    Language language;
    const char *program, *tests, *stub;
    Verdict verdict;
  };
  const char *cpp = "#include <cassert>\nint add(int a, int b) {\n  return a + b;",
             *js = "function add(a, b) {\n  return a + b;\n}", *sh = "add() {\n  echo $(($1 + $2))",
             *java = "class Problem {\n    public static long add(long a, long b) {\n        return a + b;\n";
  const char* cpp_stub = "#include <cassert>\nint add(int a, int b) {\n";
  const Row rows[] = {
      // A string that is not closed, as in the data's own HumanEval_51 in JavaScript.
      {Language::kJavaScript, js, "const x = 'a\nb';\nadd(1, 2);\n", "", Verdict::kSandboxError},
      {Language::kCpp, cpp, "}\nint main() {\n    assert(add(1, 2) == 3;\n}\n", "", Verdict::kSandboxError},
      {Language::kBash, sh, "}\nif [[ $(add 1 2) = 3 ]]; then\n", "", Verdict::kSandboxError},
      {Language::kJava, java,
       "    }\n    public static void main(String[] args) {\n    assert(add(1, 2) == 3;\n    }\n}\n", "",
       Verdict::kSandboxError},
      // Well formed, but no program of the data's could go with them: the stub tells.
      {Language::kCpp, cpp, "}\nint main() {\n    assert(add(1, 2).size() == 3);\n}\n", cpp_stub,
       Verdict::kSandboxError},
      {Language::kCpp, cpp, "}\nint main() {\n    absent::Type x;\n    assert(add(1, 2) == 3);\n}\n", cpp_stub,
       Verdict::kSandboxError},
      // Good tests stay good, whatever the program does to fail.
      {Language::kCpp, "int sum(int a, int b) {\n  return a + b;",
       "}\n#include <cassert>\nint main() {\n    assert(add(1, 2) == 3);\n}\n", cpp_stub, Verdict::kRuntimeError},
      {Language::kCpp, "int sum(int a, int b) {\n  return a + b;",
       "}\n#include <cassert>\nint main() {\n    assert(add(1, 2) == 3);\n}\n", "", Verdict::kRuntimeError},
      {Language::kCpp, "#define assert )(\nint add(int a, int b) {\n  return a + b;",
       "}\nint main() {\n    assert(add(1, 2) == 3);\n}\n", cpp_stub, Verdict::kPass},
      {Language::kCpp, "#define add )(\nint sum(int a, int b) {\n  return a + b;",
       "}\nint main() {\n    assert(add(1, 2) == 3);\n}\n", "", Verdict::kRuntimeError},
      {Language::kCpp, "struct P { int x; };\nP add(int a, int b) {\n  return a +;",
       "}\nint main() {\n    P p = add(1, 2);\n    return p.x;\n}\n", "", Verdict::kRuntimeError},
      {Language::kJavaScript, "function add(a, b) {\n  return 'a\nb';\n}", "if (add(1, 2) !== 3) throw new Error();\n",
       "", Verdict::kWrongAnswer},
      {Language::kJavaScript,
       "require('fs').writeFileSync('package.json', '{\"type\": \"module\"}');\nfunction add(a, b) { return 0; }",
       "if (add(1, 2) !== 3) throw new Error();\n", "", Verdict::kWrongAnswer},
      {Language::kBash, "add() {\n  echo \"", "}\nset -e\n[[ $(add 1 2) = 3 ]]\n", "", Verdict::kWrongAnswer},
      {Language::kJava, "class Problem {\n    public static long add(long a, long b) {\n        return a +;\n",
       "    }\n    public static void main(String[] args) {\n    assert(add(1, 2) == 3);\n    }\n}\n", "",
       Verdict::kRuntimeError},
  };
  for (const Row& row : rows) {
    std::string missing;
    if (!find_toolchain(row.language, missing)) {
      testing::skip(std::string(to_string(row.language)) + ": " + missing + " is not installed");
      continue;
    }
    ProgramJob job;
    job.language = row.language;
    job.program = row.program, job.tests = row.tests, job.stub = row.stub;
    job.mode = ProgramMode::kInline;
    job.limits.memory_mb = 1024, job.limits.processes = 64;
    const ProgramOutcome out = run_one(one_slot(), job);
    INFO(to_string(row.language) << "\n"
                                 << row.program << "\n"
                                 << row.tests << "\n"
                                 << to_string(out.verdict) << ": " << out.reason);
    CHECK(out.verdict == row.verdict);
    const bool blamed = out.reason.find("the tests do not compile") == 0;
    CHECK(blamed == (row.verdict == Verdict::kSandboxError));
  }
}

TEST_CASE("a mode without processes says so to programs in other languages, and blames none") {
  SandboxOptions options;
  options.slots = 1;
  options.unsafe = true;
  options.strongest = SandboxMode::kLandlock;
  Sandbox sandbox(options);
  if (sandbox.mode() != "landlock") {
    testing::skip("no Landlock here");
    return;
  }
  ProgramJob job = python("function add(a, b) { return a + b; }\n", "if (add(1, 2) !== 3) throw 1;\n", "");
  for (Language language : {Language::kJavaScript, Language::kBash}) {
    std::string missing;
    if (!find_toolchain(language, missing)) continue;
    job.language = language;
    const ProgramOutcome out = run_one(sandbox, job);
    CHECK(out.verdict == Verdict::kSandboxError);
    CHECK(out.reason.find("needs processes, which mode landlock refuses") != std::string::npos);
  }
}

TEST_CASE("what fails before the program starts is no verdict on it") {
  std::string missing;
  ProgramJob job = python("echo hello\n", "", "");
  job.language = Language::kBash;
  if (!find_toolchain(job.language, missing)) {
    testing::skip(missing + " is not installed");
    return;
  }
  job.program = "# " + std::string(129 << 20, 'x');  // more than the job's file system holds
  job.limits.memory_mb = 4096;
  const ProgramOutcome out = run_one(one_slot(), job);
  INFO(out.reason);
  CHECK(out.verdict == Verdict::kSandboxError);
  CHECK(out.reason.find("could not be started") != std::string::npos);
}

TEST_CASE("a program that starts others hears when they end, in every language") {
  struct Row {
    Language language;
    const char *program, *tests, *entry_point;
  };
  const Row rows[] = {
      {Language::kPython, "import subprocess\ndef f():\n    return subprocess.run(['echo', 'hi']).returncode\n",
       "assert f() == 0\n", "f"},
      {Language::kJavaScript,
       "const children = require('child_process');\n"
       "function f() { return children.execSync('echo hi').toString().trim(); }\n",
       "const assert = require('assert');\nassert.deepEqual(f(), 'hi');\n", ""},
      {Language::kBash, "f() {\n  sleep 0.05 &\n  wait\n  echo $(echo hi | cat)\n}\n",
       "run_test() {\n  [[ $(f) = hi ]]\n}\nrun_test\n", ""},
  };
  for (const Row& row : rows) {
    INFO(to_string(row.language));
    std::string missing;
    if (row.language != Language::kPython && !find_toolchain(row.language, missing)) {
      testing::skip(missing + " is not installed");
      continue;
    }
    ProgramJob job = python(row.program, row.tests, row.entry_point);
    job.language = row.language;
    job.limits.cpu_s = 5, job.limits.wall_s = 10, job.limits.memory_mb = 1024, job.limits.processes = 64;
    const ProgramOutcome out = run_one(one_slot(), job);
    INFO(out.reason << out.output);
    CHECK(out.verdict == Verdict::kPass);
  }
}

TEST_CASE("a program may hear that its children end, and hides no CPU time by it") {
  if (one_slot().state().mode != SandboxMode::kNamespaces || !open_cpu_clock(::getpid())) {
    WARN("skipped: no processes in this mode, or no clock of a job's CPU time (perf_event_open)");
    return;
  }
  ProgramJob shell = python(
      "import signal\nimport subprocess\n\nheard = []\nsignal.signal(signal.SIGCHLD, lambda *_: heard.append(1))\n\n\n"
      "def f():\n    out = subprocess.run('(sleep 0.1; echo a) & wait; echo b', shell=True, capture_output=True, "
      "text=True)\n"
      "    return out.stdout, bool(heard)\n",
      "def check(candidate):\n    assert candidate() == ('a\\nb\\n', True)\n", "f");
  ProgramOutcome out = run_one(one_slot(), shell);
  CHECK(out.reason == "");
  CHECK(out.verdict == Verdict::kPass);
  // A handler whose children vanish when they end, each within the time between two looks.
  ProgramJob hides = python(
      "import ctypes\nimport os\nimport signal\nimport time\n\nsignal.signal(signal.SIGCHLD, lambda *_: None)\n"
      "libc = ctypes.CDLL(None)\naction = ctypes.create_string_buffer(152)\nlibc.sigaction(17, None, action)\n"
      "action[136] = bytes([action[136][0] | 2])\nassert libc.sigaction(17, action, None) == 0\n\n\n"
      "def f():\n    for _ in range(1000):\n        if os.fork() == 0:\n            end = time.process_time() + 0.01\n"
      "            while time.process_time() < end:\n                pass\n            os._exit(0)\n        try:\n"
      "            os.wait()\n        except ChildProcessError:\n            pass\n    return 0\n",
      "def check(candidate):\n    assert candidate() == 0\n", "f");
  hides.limits.cpu_s = 0.5;
  hides.limits.wall_s = 20;
  out = run_one(one_slot(), hides);
  CHECK(out.verdict == Verdict::kTimeout);
  CHECK(out.reason == "took more than 0.5 s of CPU time");
}

TEST_CASE("CPU time that is used up between two looks is seen at the end") {
  ProgramJob job = python(kAdd, kAddTests, "add");
  job.limits.cpu_s = 0.0005;
  const ProgramOutcome out = run_one(one_slot(), job);
  CHECK(out.verdict == Verdict::kTimeout);
  CHECK(out.reason == "took more than 0.0005 s of CPU time");
}

TEST_CASE("modules that a task asks for are loaded before the program") {
  ProgramJob job = python(
      "import sys\nLOADED = 'fractions' in sys.modules and 'colorsys' in sys.modules\n\n\ndef f():\n    return "
      "LOADED\n",
      "def check(f):\n    assert f()\n", "f");
  CHECK(run_one(one_slot(), job).verdict == Verdict::kWrongAnswer);
  job.preload = {"colorsys"};
  CHECK(run_one(one_slot(), job).verdict == Verdict::kPass);
  job.preload = {"colorsys", "assay_no_such_module"};
  const ProgramOutcome out = run_one(one_slot(), job);
  CHECK(out.verdict == Verdict::kNotInstalled);
  CHECK(out.reason.find("cannot import assay_no_such_module") != std::string::npos);
  CHECK(out.reason.find("ASSAY_PYTHON") != std::string::npos);
  job.preload = {"numpy"};
  job.program = "def f():\n    import numpy\n    return float(numpy.linalg.norm(numpy.array([3.0, 4.0]))) == 5.0\n";
  if (!missing_modules(job.preload).empty()) {
    testing::skip("the interpreter has no numpy");
    return;
  }
  const ProgramOutcome with_numpy = run_one(one_slot(), job);
  INFO(with_numpy.reason);
  CHECK(with_numpy.verdict == Verdict::kPass);
  CHECK(run_one(one_slot(), python(kAdd, kAddTests, "add")).verdict == Verdict::kPass);
}

TEST_CASE("a flood of output takes no memory of ours") {
  auto resident_kib = [] {
    const std::string text = testing::slurp("/proc/self/status");
    return std::strtol(text.c_str() + text.find("VmRSS:") + 6, nullptr, 10);
  };
  const ProgramJob flood = python(
      "import os\n\n\ndef add(a, b):\n    block = b'x' * 65536\n    for _ in range(4096):\n        os.write(1, "
      "block)\n    return 3\n",
      kAddTests, "add");
  run_one(one_slot(), python(kAdd, kAddTests, "add"));
  const long before = resident_kib();
  std::vector<ProgramJob> jobs(5, flood);
  jobs.front().limits.output_kb = 1 << 20;
  for (const ProgramOutcome& out : run_all(one_slot(), jobs)) {
    CHECK(out.truncated);
    CHECK(out.output.size() < 16384);
  }
  CHECK(resident_kib() - before < 16 << 10);
}

TEST_CASE("output that is kept is never more than its limit") {
  ProgramJob job = python("def add(a, b):\n    print('x' * 100000)\n    return a + b\n", kAddTests, "add");
  job.limits.output_kb = 1;
  const ProgramOutcome out = run_one(one_slot(), job);
  CHECK(out.verdict == Verdict::kOutputLimit);
  CHECK(out.truncated);
  CHECK(out.output.size() < 1100);
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
      {Language::kCpp, "#include <cassert>\nint add(int a, int b) {\n  throw 5;", cpp_tests, Verdict::kRuntimeError},
      {Language::kCpp, "#include <new>\nint add(int a, int b) {\n  throw std::bad_alloc();", cpp_tests,
       Verdict::kMemoryLimit},
      // Asserts that a program puts out of force.
      {Language::kCpp, "#include <cassert>\n#undef assert\n#define assert(x)\nint add(int a, int b) {\n  return 0;",
       cpp_tests, Verdict::kWrongAnswer},
      {Language::kCpp, "#define NDEBUG\n#include <cassert>\nint add(int a, int b) {\n  return 0;", cpp_tests,
       Verdict::kWrongAnswer},
      {Language::kJavaScript,
       "const a = require('assert');\nfor (const k of Object.keys(a)) try { a[k] = () => {}; } catch (e) {}\n"
       "function add(a, b) {\n  return 0;\n}",
       js_tests, Verdict::kWrongAnswer},
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
