// Whole suites through the command line, as root and as an ordinary user: verdicts, and what must hold beside them.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "core/json.h"
#include "core/text.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

const std::string kOwn = std::string(ASSAY_SOURCE_DIR) + "/tests/sandbox/";

struct Way {
  std::string name;
  std::vector<std::string> arguments;
  bool ordinary_user = false;
};

const std::vector<Way> kWays = {
    {"one slot", {"--slots", "1"}},
    {"two slots", {"--slots", "2"}},
    {"two slots, ordinary user", {"--slots", "2"}, true},
    {"landlock", {"--slots", "2", "--sandbox", "landlock"}},
    {"landlock, ordinary user", {"--slots", "2", "--sandbox", "landlock"}, true},
};

// Processes of warm interpreters, by pid: their command line holds the name of our module.
std::set<std::string> zygotes() {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      if (read_file(entry.path().string() + "/cmdline").find("assay_zygote") != std::string::npos) found.insert(pid);
    } catch (const Error&) {
      continue;  // gone meanwhile
    }
  }
  return found;
}

std::set<std::string> temporary_files() {
  std::set<std::string> found;
  std::error_code ignored;
  const char* home = std::getenv("HOME");
  for (const char* folder : {"/tmp", "/var/tmp", "/dev/shm", ".", home ? home : "."}) {
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      if (starts_with(name, "assay-job") || starts_with(name, "sbx_") || starts_with(name, "core"))
        found.insert(entry.path().string());
    }
  }
  return found;
}

std::map<std::string, Json> rows_of(const std::string& path) {
  std::map<std::string, Json> rows;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (strip(line).empty()) continue;
    Json row = parse_json(line, path);
    rows[row["id"].get<std::string>()] = row;
  }
  return rows;
}

// Readable by everybody, unlike a build folder may be.
std::optional<std::string> prepare_user(const Way& way, testing::Start& start) {
  if (!way.ordinary_user) return "";
  if (::geteuid() != 0) return "this test is not run by root, so it is an ordinary user's already";
  if (!fs::exists("/usr/bin/setpriv") || !fs::exists("/usr/bin/python3"))
    return "setpriv or /usr/bin/python3 is not here";
  start.wrapper = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  start.environment["ASSAY_PYTHON"] = "/usr/bin/python3";
  return "";
}

// A number of the kernel's, e.g. "oom_kill" of /proc/vmstat.
std::string kernel_count(const std::string& name) {
  for (const std::string& line : split(testing::slurp("/proc/vmstat"), '\n')) {
    if (starts_with(line, name + " ")) return line;
  }
  return "";
}

// What must hold of one row beside its verdict; the rows' own words are in the field `must_hold`.
using Promise = std::function<void(const Json& row, bool landlock)>;

void reason_has(const Json& row, const std::string& text) {
  CHECK(row["reason"].get<std::string>().find(text) != std::string::npos);
}

Promise verdict_is(const std::string& verdict) {
  return [verdict](const Json& row, bool) { CHECK(row["verdict"] == verdict); };
}

// By the first three letters of the id. What holds of every row is in check_row: nothing left over, a verdict at most
// one second after its limit, capped output and memory, a reason where it is no pass, one attempt.
const std::map<std::string, Promise> kPromises = {
    {"A01", [](const Json& row, bool) { reason_has(row, "ended early: exit(0)"); }},
    {"A02",
     [](const Json& row, bool) {
       CHECK(row["wall_s"] < 1);
       reason_has(row, "ended early");
     }},
    {"A03",
     [](const Json& row, bool) {
       CHECK(row["output"].get<std::string>().find("All tests passed") != std::string::npos);
       reason_has(row, "ended early: exit(0)");
     }},
    {"A04", [](const Json& row, bool) { reason_has(row, "not plain data"); }},
    // The row after it looks at the builtins that the next job sees. Its own process may die of them.
    {"A05",
     [](const Json& row, bool) { CHECK((row["verdict"] == "wrong_answer" || row["verdict"] == "runtime_error")); }},
    // Its thread died with its process: nothing is left over.
    {"A06", verdict_is("wrong_answer")},
    // It searched, found nothing, and gave a wrong number.
    {"A07", verdict_is("wrong_answer")},
    {"A08", [](const Json& row, bool) { CHECK(row["attempts"] == 1); }},
    {"A09", [](const Json& row, bool) { CHECK(row["wall_s"] < 4); }},
    {"A10",
     [](const Json& row, bool) {
       CHECK(row["wall_s"] < 4);
       CHECK(row["cpu_s"] < 0.2);
     }},
    {"A11", [](const Json& row, bool) { CHECK(row["wall_s"] < 4); }},
    {"A12",
     [](const Json& row, bool landlock) {
       CHECK(row["processes"] <= 16);
       if (!landlock) CHECK(row["processes"] > 4);  // they were there, and were seen
     }},
    {"A13", [](const Json& row, bool) { CHECK(row["wall_s"] < 1); }},
    {"A14",
     [](const Json& row, bool) {
       CHECK(row["truncated"] == true);
       CHECK(row["output"].get<std::string>().size() <= 256 * 1024);
     }},
    {"A15",
     [](const Json& row, bool) {
       CHECK(row["memory_mb"] <= 512);
       CHECK(row["memory_mb"] > 100);
     }},
    {"A16",
     [](const Json& row, bool landlock) {
       if (!landlock) CHECK(row["verdict"] == "memory_limit");
       CHECK(row["wall_s"] < 3);
     }},
    {"A17",
     [](const Json& row, bool) {
       const std::string reason = row["reason"].get<std::string>();
       CHECK((reason.find("SIGSEGV") != std::string::npos || reason.find("RecursionError") != std::string::npos));
     }},
    {"A18", verdict_is("pass")},
    {"A19", verdict_is("pass")},
    {"A20", verdict_is("pass")},
    {"A21", verdict_is("pass")},
    // The suite ran the listeners: without them it would have been skipped, and a visit would have failed it.
    {"A22", verdict_is("pass")},
    {"A23", verdict_is("pass")},
    {"A24", verdict_is("pass")},
    {"A25", verdict_is("pass")},
    {"C01", verdict_is("pass")},
    // All of it: 400 lines for each of three calls, of which the head and the tail are kept.
    {"C02",
     [](const Json& row, bool) {
       const std::string output = row["output"].get<std::string>();
       CHECK(starts_with(output, "step 0 xxxx"));
       CHECK(output.find("step 399 xxxx") != std::string::npos);
       CHECK(row["verdict"] == "pass");
     }},
    {"C03", verdict_is("pass")},
    {"C04", verdict_is("pass")},
    {"C05", verdict_is("pass")},
    {"C06", verdict_is("pass")},
    {"C07", verdict_is("pass")},
    {"C08", verdict_is("pass")},
    {"C09", verdict_is("pass")},
    {"C10", verdict_is("pass")},
    {"C13", verdict_is("pass")},
    {"C11", [](const Json& row, bool) { CHECK(row["cpu_s"] < 0.1); }},
    {"C12", [](const Json& row, bool) { CHECK(row["wall_s"] < 2); }},
};

void check_row(const Json& row, const Json& limits, bool landlock) {
  INFO(dump_json(row));
  CHECK((row["ok"] == true || row["skipped"] == true));
  if (row["skipped"] == true) {
    CHECK(landlock);
    CHECK_FALSE(row["reason"].get<std::string>().empty());
    return;
  }
  CHECK(row["sandbox"] == (landlock ? "landlock" : "namespaces"));
  CHECK(row["left_over"] == 0);
  CHECK(row["attempts"] == 1);
  CHECK(row["wall_s"].get<double>() < limits["wall_s"].get<double>() + 1);
  CHECK(row["output"].get<std::string>().size() <= limits["output_kb"].get<size_t>() * 1024);
  if (row["verdict"] == "output_limit") CHECK(row["truncated"] == true);
  CHECK(row["reason"].get<std::string>().empty() == (row["verdict"] == "pass"));
  const auto promise = kPromises.find(row["id"].get<std::string>().substr(0, 3));
  if (promise != kPromises.end()) promise->second(row, landlock);
}

void run_suite(const std::string& attacks, const std::string& controls, const Way& way) {
  testing::Start start;
  if (const auto reason = prepare_user(way, start); !reason->empty()) {
    testing::skip(way.name + ": " + *reason);
    return;
  }
  start.arguments = {"sandbox", "suite", attacks, "--controls", controls, "--json"};
  start.arguments.insert(start.arguments.end(), way.arguments.begin(), way.arguments.end());
  const auto files_before = temporary_files();
  const auto processes_before = zygotes();
  const std::string mounts_before = testing::slurp("/proc/self/mountinfo"), killed_before = kernel_count("oom_kill");
  const testing::Finished done = testing::run_program(start);
  INFO(way.name << "\n" << done.err);
  CHECK(done.exit_code == 0);
  CHECK(temporary_files() == files_before);
  for (const std::string& pid : zygotes()) CHECK(processes_before.count(pid) == 1);
  CHECK(testing::slurp("/proc/self/mountinfo") == mounts_before);
  CHECK(kernel_count("oom_kill") == killed_before);

  std::map<std::string, Json> defined = rows_of(attacks);
  for (auto& [id, row] : rows_of(controls)) defined[id] = row;
  size_t rows = 0;
  const bool landlock = way.name.find("landlock") != std::string::npos;
  // Without a memory controller the sum over processes is watched only, and that is said at the head.
  CHECK(done.err.find(landlock ? "weaker than namespaces" : "watched, not capped") != std::string::npos);
  for (const std::string& line : split(done.out, '\n')) {
    if (strip(line).empty()) continue;
    const Json row = parse_json(line, "output");
    ++rows;
    check_row(row, defined.at(row["id"].get<std::string>())["limits"], landlock);
  }
  CHECK(rows == defined.size());
}

Json row_after(const std::string& before, const std::string& id, const std::string& program, const std::string& tests) {
  return {{"id", id},
          {"after", before},
          {"entry_point", "f"},
          {"program", program},
          {"tests", tests},
          {"limits", {{"wall_s", 3}, {"cpu_s", 3}, {"output_kb", 256}}},
          {"expected_verdict", "pass"}};
}

// The shared rows, and after those that could spoil their slot a row that looks at it.
std::string with_rows_after(const std::string& attacks) {
  std::string text;
  for (const std::string& line : split(read_file(attacks), '\n')) {
    if (strip(line).empty()) continue;
    text += line + "\n";
    const std::string id = parse_json(line, attacks)["id"].get<std::string>();
    if (starts_with(id, "A05")) {
      text += dump_json(row_after(id, "after " + id,
                                  "import builtins\n\n\ndef f():\n    b = builtins\n"
                                  "    return [abs(-2), all([0]), any([0]), round(2.6), isinstance(1, str), len('ab'), "
                                  "sorted([2, 1]), b.len is len]\n",
                                  "def check(f):\n    assert f() == [2, False, False, 3, False, 2, [1, 2], True]\n")) +
              "\n";
    }
    if (starts_with(id, "A17")) {
      text += dump_json(row_after(id, "after " + id,
                                  "import sys\n\n\ndef f():\n    return sys.getrecursionlimit(), repr([1])\n",
                                  "def check(f):\n    assert f() == (1000, '[1]')\n")) +
              "\n";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("attacks of our own, and programs that must pass") {
  for (const Way& way : kWays) run_suite(kOwn + "more_attacks.jsonl", kOwn + "more_controls.jsonl", way);
}

TEST_CASE("the acceptance suite, and what each row must hold beside its verdict") {
  const auto attacks = testing::shared_file("sandbox/attacks.jsonl"),
             controls = testing::shared_file("sandbox/controls.jsonl");
  if (!attacks || !controls) return;
  for (const std::string& file : {*attacks, *controls}) {
    for (const auto& [id, row] : rows_of(file)) {
      INFO(id << " must hold: " << dump_json(row["must_hold"]));
      CHECK(kPromises.count(id.substr(0, 3)) == 1);
    }
  }
  // Where an ordinary user can read it.
  const testing::TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  const std::string file = folder.write("attacks.jsonl", with_rows_after(*attacks));
  for (const Way& way : kWays) run_suite(file, *controls, way);
}

TEST_CASE("a program beside attacks in the other slot keeps its verdict") {
  const auto attacks = testing::shared_file("sandbox/attacks.jsonl");
  if (!attacks) return;
  std::string text, before;
  for (const auto& [id, row] : rows_of(*attacks)) {
    if (id < "A09" || id > "A18") continue;
    Json chained = row;
    if (!before.empty()) chained["after"] = before;
    before = id;
    text += dump_json(chained) + "\n";
  }
  const std::string program = "import time\n\n\ndef f(x):\n    time.sleep(0.1)\n    return sum(range(x))\n";
  const std::string tests = "def check(f):\n    assert f(10) == 45\n    assert f(1000) == 499500\n";
  Json control = row_after("", "control 0", program, tests);
  control.erase("after");
  text += dump_json(control) + "\n";
  constexpr int kControls = 60;
  for (int i = 1; i < kControls; ++i) {
    text += dump_json(row_after(fmt::format("control {}", i - 1), fmt::format("control {}", i), program, tests)) + "\n";
  }
  const testing::TemporaryFolder folder;
  const testing::Finished done =
      testing::run_assay({"sandbox", "suite", folder.write("suite.jsonl", text), "--slots", "2", "--json"});
  INFO(done.err);
  CHECK(done.exit_code == 0);
  int passed = 0;
  for (const std::string& line : split(done.out, '\n')) {
    if (strip(line).empty()) continue;
    const Json row = parse_json(line, "output");
    INFO(dump_json(row));
    CHECK(row["ok"] == true);
    const bool is_control = starts_with(row["id"].get<std::string>(), "control");
    CHECK(row["slot"] == (is_control ? 1 : 0));
    passed += is_control && row["verdict"] == "pass";
  }
  CHECK(passed == kControls);
}

TEST_CASE("SIGKILL and SIGHUP to the program leave no process and no folder") {
  // Refuses every signal that it can, asks not to be ended with the process that started it, and spins in all the
  // processes and sessions that it gets.
  const std::string program =
      "import ctypes\nimport os\nimport signal\nimport time\n\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"
      "for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:\n"
      "    try:\n        signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\n\n\n"
      "def f():\n    try:\n        for _ in range(3):\n            if os.fork() == 0:\n                os.setsid()\n"
      "                while True:\n                    pass\n    except OSError:\n        pass\n"
      "    while True:\n        pass\n";
  // The other slot's tests are busy by themselves.
  const std::string tests = "def check(candidate):\n    candidate()\n",
                    busy = "import time\n\n\ndef check(candidate):\n    time.sleep(60)\n    candidate()\n";
  for (const char* mode : {"namespaces", "landlock"}) {
    for (const int signal : {SIGKILL, SIGHUP}) {
      testing::TemporaryFolder folder;
      std::string suite;
      for (const std::string& text : {tests, busy}) {
        suite += dump_json({{"id", text == busy ? "busy tests" : "spin"},
                            {"entry_point", "f"},
                            {"program", program},
                            {"tests", text},
                            {"limits", {{"wall_s", 20}, {"cpu_s", 20}}},
                            {"expected_verdict", "timeout"}}) +
                 "\n";
      }
      const auto before = zygotes();
      const auto files_before = temporary_files();
      testing::Start start;
      start.arguments = {"sandbox", "suite", folder.write("spin.jsonl", suite), "--slots", "2", "--sandbox", mode};
      start.kill_after_s = 2;
      start.kill_signal = signal;
      INFO(mode << ", signal " << signal);
      CHECK(testing::run_program(start).exit_code == 128 + signal);
      std::this_thread::sleep_for(std::chrono::seconds(2));
      for (const std::string& pid : zygotes()) CHECK(before.count(pid) == 1);
      // What a killed process leaves behind, the next one clears away.
      testing::run_assay({"doctor", "--sandbox", mode});
      for (const std::string& file : temporary_files()) CHECK(files_before.count(file) == 1);
    }
  }
}

TEST_CASE("suite files with defects are refused with file and line") {
  testing::TemporaryFolder folder;
  struct Row {
    const char *text, *message;
  };
  const Row rows[] = {
      {"", "holds no rows"},
      {"{\"id\": \"a\"}\n", ":1"},
      {"not json\n", ":1"},
      {"{\"id\": \"a\", \"program\": \"\", \"tests\": \"\", \"expected_verdict\": \"fine\"}\n", "unknown verdict"},
  };
  for (const Row& row : rows) {
    const testing::Finished done = testing::run_assay({"sandbox", "suite", folder.write("suite.jsonl", row.text)});
    INFO(row.text << done.err);
    CHECK(done.exit_code == 2);
    CHECK(done.err.find(row.message) != std::string::npos);
  }
}

TEST_CASE("a row with limits that make no sense is an error of its own, and the other rows run") {
  testing::TemporaryFolder folder;
  const std::string good = R"("program": "def f():\n    return 1\n", "tests": "assert f() == 1\n", "entry_point": "f")";
  const std::string suite = folder.write("suite.jsonl", "{\"id\": \"a\", " + good + ", \"limits\": {\"cpu_s\": -1}}\n" +
                                                            "{\"id\": \"b\", " + good + "}\n");
  const testing::Finished done = testing::run_assay({"sandbox", "suite", suite, "--json"});
  INFO(done.err);
  CHECK(done.exit_code == 1);
  const std::vector<std::string> lines = split(done.out, '\n');
  REQUIRE(lines.size() >= 2);
  const Json bad = parse_json(lines[0], "output"), other = parse_json(lines[1], "output");
  CHECK(bad["verdict"] == "sandbox_error");
  CHECK(bad["ok"] == false);
  CHECK(bad["reason"].get<std::string>().find(":1") != std::string::npos);
  CHECK(bad["reason"].get<std::string>().find("makes no sense") != std::string::npos);
  CHECK(other["verdict"] == "pass");
  // The head names what is off, with the reason.
  CHECK(done.err.find("off: memory controller: not used") != std::string::npos);
}

TEST_CASE("an interrupted suite ends its running programs at once") {
  testing::TemporaryFolder folder;
  const std::string suite = folder.write(
      "sleep.jsonl",
      R"({"id": "sleep", "entry_point": "f", "program": "import time\ndef f():\n    time.sleep(60)\n", )"
      R"("tests": "def check(c):\n    c()\n", "limits": {"wall_s": 60, "cpu_s": 20}, "expected_verdict": "timeout"})"
      "\n");
  for (const bool terminate : {false, true}) {
    const auto before = zygotes();
    testing::Start start;
    start.arguments = {"sandbox", "suite", suite};
    (terminate ? start.terminate_after_s : start.interrupt_after_s) = 1.5;
    const testing::Finished done = testing::run_program(start);
    INFO(done.err);
    CHECK(done.seconds < 1.5 + 2);
    for (const std::string& pid : zygotes()) CHECK(before.count(pid) == 1);
  }
}

TEST_CASE("a python3 that is too old is passed over") {
  testing::TemporaryFolder folder;
  const std::string old = folder.write("python3", "#!/bin/sh\nprintf '/usr/bin/python3.7\\n307\\n3.7.1\\n/usr\\n'\n");
  fs::permissions(old, fs::perms::all);
  const std::string program = folder.write("p.py", "def f():\n    return 1\n"),
                    tests = folder.write("t.py", "assert f() == 1\n");
  testing::Start start;
  start.arguments = {"sandbox", "run", "--program", program, "--tests", tests, "--entry-point", "f"};
  const std::string path = std::getenv("PATH");
  start.environment["PATH"] = fs::path(old).parent_path().string() + ":" + path;
  CHECK(testing::run_program(start).exit_code == 0);
  start.environment["ASSAY_PYTHON"] = old;
  const testing::Finished done = testing::run_program(start);
  CHECK(done.exit_code == 3);
  CHECK(done.err.find("too old to run programs") != std::string::npos);
}

TEST_CASE("an interpreter that is absent is said, with the remedy") {
  testing::TemporaryFolder folder;
  const std::string program = folder.write("p.py", "def f():\n    return 1\n"),
                    tests = folder.write("t.py", "assert f() == 1\n");
  testing::Start start;
  start.arguments = {"sandbox", "run", "--program", program, "--tests", tests, "--entry-point", "f"};
  CHECK(testing::run_program(start).exit_code == 0);
  start.environment["ASSAY_PYTHON"] = folder.file("no-python");
  const testing::Finished done = testing::run_program(start);
  CHECK(done.exit_code == 3);
  CHECK(done.err.find("ASSAY_PYTHON") != std::string::npos);
}

}  // namespace assay
