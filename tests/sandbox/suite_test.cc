// Whole suites through the command line, as root and as an ordinary user: verdicts, and what must hold beside them.

#include <unistd.h>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
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
  for (const char* folder : {"/tmp", "/var/tmp", "/dev/shm", "."}) {
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
  const testing::Finished done = testing::run_program(start);
  INFO(way.name << "\n" << done.err);
  CHECK(done.exit_code == 0);
  CHECK(temporary_files() == files_before);
  for (const std::string& pid : zygotes()) CHECK(processes_before.count(pid) == 1);

  std::map<std::string, Json> defined = rows_of(attacks);
  for (auto& [id, row] : rows_of(controls)) defined[id] = row;
  size_t rows = 0;
  const bool landlock = way.name.find("landlock") != std::string::npos;
  for (const std::string& line : split(done.out, '\n')) {
    if (strip(line).empty()) continue;
    const Json row = parse_json(line, "output");
    const Json& limits = defined.at(row["id"].get<std::string>())["limits"];
    INFO(dump_json(row));
    ++rows;
    CHECK((row["ok"] == true || row["skipped"] == true));
    if (row["skipped"] == true) {
      CHECK(landlock);
      CHECK_FALSE(row["reason"].get<std::string>().empty());
      continue;
    }
    CHECK(row["sandbox"] == (landlock ? "landlock" : "namespaces"));
    CHECK(row["wall_s"].get<double>() < limits["wall_s"].get<double>() + 1);
    CHECK(row["output"].get<std::string>().size() <= limits["output_kb"].get<size_t>() * 1024);
    if (row["verdict"] == "output_limit") CHECK(row["truncated"] == true);
    if (row["verdict"] != "pass") CHECK_FALSE(row["reason"].get<std::string>().empty());
  }
  CHECK(rows == defined.size());
}

}  // namespace

TEST_CASE("attacks of our own, and programs that must pass") {
  for (const Way& way : kWays) run_suite(kOwn + "more_attacks.jsonl", kOwn + "more_controls.jsonl", way);
}

TEST_CASE("the acceptance suite") {
  const auto attacks = testing::shared_file("sandbox/attacks.jsonl"),
             controls = testing::shared_file("sandbox/controls.jsonl");
  if (!attacks || !controls) return;
  for (const Way& way : kWays) run_suite(*attacks, *controls, way);
}

TEST_CASE("what single rows must hold beside their verdict") {
  const auto attacks = testing::shared_file("sandbox/attacks.jsonl"),
             controls = testing::shared_file("sandbox/controls.jsonl");
  if (!attacks || !controls) return;
  const testing::Finished done = testing::run_assay({"sandbox", "suite", *attacks, "--controls", *controls, "--json"});
  std::map<std::string, Json> rows;
  for (const std::string& line : split(done.out, '\n')) {
    if (strip(line).empty()) continue;
    Json row = parse_json(line, "output");
    rows[row["id"].get<std::string>().substr(0, 3)] = row;
  }
  auto reason_has = [&](const char* id, const std::string& text) {
    INFO(id << ": " << rows.at(id)["reason"]);
    CHECK(rows.at(id)["reason"].get<std::string>().find(text) != std::string::npos);
  };
  reason_has("A01", "ended early");
  CHECK(rows.at("A02")["wall_s"] < 1);
  reason_has("A04", "not plain data");
  CHECK(rows.at("A10")["cpu_s"] < 0.2);
  CHECK(rows.at("A13")["wall_s"] < 1);
  CHECK((rows.at("A17")["reason"].get<std::string>().find("SIG") != std::string::npos ||
         rows.at("A17")["reason"].get<std::string>().find("RecursionError") != std::string::npos));
  CHECK(rows.at("C11")["cpu_s"] < 0.1);
  CHECK(rows.at("C12")["wall_s"] < 3);
}

TEST_CASE("SIGKILL to the program leaves no process and no folder") {
  testing::TemporaryFolder folder;
  const std::string suite = folder.write(
      "spin.jsonl",
      R"({"id": "spin", "entry_point": "f", "program": "import os\nif os.fork() == 0:\n    os.setsid()\ndef f():\n    while True: pass\n", )"
      R"("tests": "def check(c):\n    c()\n", "limits": {"wall_s": 20, "cpu_s": 20}, "expected_verdict": "timeout"})"
      "\n");
  const auto before = zygotes();
  testing::Start start;
  start.arguments = {"sandbox", "suite", suite, "--slots", "2"};
  start.kill_after_s = 2.5;
  CHECK(testing::run_program(start).exit_code == 128 + 9);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  for (const std::string& pid : zygotes()) CHECK(before.count(pid) == 1);
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
      {"{\"id\": \"a\", \"program\": \"\", \"tests\": \"\", \"limits\": {\"cpu_s\": -1}}\n", "makes no sense"},
      {"{\"id\": \"a\", \"program\": \"\", \"tests\": \"\", \"expected_verdict\": \"fine\"}\n", "unknown verdict"},
  };
  for (const Row& row : rows) {
    const testing::Finished done = testing::run_assay({"sandbox", "suite", folder.write("suite.jsonl", row.text)});
    INFO(row.text << done.err);
    CHECK(done.exit_code == 2);
    CHECK(done.err.find(row.message) != std::string::npos);
  }
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
