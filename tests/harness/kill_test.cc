// Nothing is lost and nothing doubled, whenever the process dies: a run is killed again and again, resumed, and its
// final rows are compared with those of a run that nobody disturbed.

#include <sqlite3.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <random>

#include "core/text.h"
#include "reports/schema.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::Finished;
using testing::run_program;
using testing::Start;
using testing::TemporaryFolder;

constexpr int kItems = 400;

// A suite that uses every kind of request, on the scripted backend.
void write_suite(const TemporaryFolder& folder) {
  std::string choice_rows, open_rows;
  for (int i = 0; i < kItems; ++i) {
    std::string n = std::to_string(i);
    choice_rows += "{\"q\": \"Is " + n + " even?\", \"gold\": \"" + (i % 2 ? "no" : "yes") + "\"}\n";
    open_rows += "{\"q\": \"What is " + n + " plus 1?\", \"a\": \"" + std::to_string(i + 1) + "\"}\n";
  }
  folder.write("suite/choice.jsonl", choice_rows);
  folder.write("suite/open.jsonl", open_rows);
  folder.write("suite/words.txt", "The first document.\n");
  folder.write("suite/choice.yaml",
               "task: choice\ndata: {format: jsonl, files: {test: choice.jsonl}}\ntest_split: test\n"
               "output_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_choice: [\"yes\", \"no\"]\n"
               "doc_to_target: gold\nmetric_list: [{metric: acc}]\n");
  folder.write("suite/open.yaml",
               "task: open\ndata: {format: jsonl, files: {test: open.jsonl}}\ntest_split: test\n"
               "output_type: generate_until\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: a\n"
               "generation_kwargs: {until: [\"\\n\"]}\nmetric_list: [{metric: exact_match}]\n");
  folder.write("suite/words.yaml",
               "task: words\ndata: {format: text, files: {text: words.txt}}\ntest_split: text\n"
               "output_type: loglikelihood_rolling\ndoc_to_text: \"\"\ndoc_to_target: text\n"
               "metric_list: [{metric: bits_per_byte}]\n");
}

std::string write_script(const TemporaryFolder& folder, int delay_ms) {
  return "scripted:" + folder.write("script.json", "{\"loglikelihood\": \"hash\", \"default\": \"17\", \"delay_ms\": " +
                                                       std::to_string(delay_ms) + "}");
}

std::vector<std::string> command(const TemporaryFolder& folder, const std::string& model, const std::string& database) {
  return {"run",   "--model", model,    "--include", folder.file("suite"), "--tasks", "choice,open,words", "--name",
          "label", "--db",    database, "--json"};
}

void sql(const std::string& path, const std::string& text) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

std::string reference_rows(const TemporaryFolder& folder) {
  std::string database = folder.file("reference.db");
  Finished finished = testing::run_assay(command(folder, write_script(folder, 0), database));
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  return testing::final_rows(database);
}

// Compares row by row, so that a failure shows the row and not the database.
void check_same_rows(const std::string& got, const std::string& expected) {
  std::vector<std::string> got_rows = split(got, '\n'), expected_rows = split(expected, '\n');
  CHECK(got_rows.size() == expected_rows.size());
  for (size_t i = 0; i < std::min(got_rows.size(), expected_rows.size()); ++i) REQUIRE(got_rows[i] == expected_rows[i]);
}

}  // namespace

TEST_CASE("a run killed at 30 moments ends with the rows of one never stopped") {
  TemporaryFolder folder;
  write_suite(folder);
  const std::string expected = reference_rows(folder);
  // The delay is no part of the script's identity, so both runs ask the same.
  const std::string slow = write_script(folder, 2);
  const std::string database = folder.file("killed.db");
  sql(database, std::string(migrations()[0]) + "PRAGMA user_version = 1;");

  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  INFO("seed " << seed);
  int killed = 0;
  auto expect_kill = [&](const Start& start) {
    Finished finished = run_program(start);
    INFO(finished.err);
    REQUIRE((finished.exit_code == 128 + 9 || finished.exit_code == 0));
    killed += finished.exit_code == 128 + 9;
  };
  auto at_write = [&](const char* kind, int at) {
    Start start{command(folder, slow, database)};
    start.environment = {
        {"LD_PRELOAD", ASSAY_KILL_SHIM}, {"ASSAY_KILL_KIND", kind}, {"ASSAY_KILL_AT", std::to_string(at)}};
    return start;
  };
  // In the migration of an old schema: its pages go to the log before it is committed.
  for (int at : {1, 2, 3, 5, 8}) expect_kill(at_write("wal", at));
  // In later writes to the log, and in the checkpoint that copies the log into the database file.
  for (int i = 0; i < 5; ++i) expect_kill(at_write("wal", 10 + static_cast<int>(random() % 300)));
  for (int at : {1, 2, 7, 20, 60}) expect_kill(at_write("db", at));
  // At random times.
  for (int i = 0; i < 15; ++i) {
    Start start{command(folder, slow, database)};
    start.kill_after_s = 0.02 + 0.001 * static_cast<double>(random() % 900);
    expect_kill(start);
  }
  CHECK(killed >= 15);

  Finished finished = testing::run_assay(command(folder, write_script(folder, 0), database));
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  check_same_rows(testing::final_rows(database), expected);
}

TEST_CASE("a response is on disk within a second of its arrival") {
  TemporaryFolder folder;
  write_suite(folder);
  const std::string database = folder.file("durable.db");
  Start start{command(folder, write_script(folder, 5), database)};
  start.kill_after_s = 2.5;
  REQUIRE(run_program(start).exit_code == 128 + 9);
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(database.c_str(), &handle) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(handle, "SELECT count(*) FROM responses", -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  int64_t stored = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  // 5 ms each: about 200 arrive in the last second. At least one older than that must be there.
  CHECK(stored > 0);
}

TEST_CASE("Ctrl-C ends cleanly, and the same command goes on where it stopped") {
  TemporaryFolder folder;
  write_suite(folder);
  const std::string expected = reference_rows(folder);
  const std::string database = folder.file("interrupted.db");
  Start start{command(folder, write_script(folder, 5), database)};
  start.interrupt_after_s = 1.5;
  Finished finished = run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 1);
  CHECK(finished.err.find("incomplete") != std::string::npos);
  finished = testing::run_assay(command(folder, write_script(folder, 0), database));
  CHECK(finished.exit_code == 0);
  check_same_rows(testing::final_rows(database), expected);
}

TEST_CASE("SIGTERM in the middle of a batch of the engine: the program ends within 2 s and goes on afterwards") {
  TemporaryFolder folder;
  std::string rows;
  for (int i = 0; i < 16000; ++i) rows += "{\"q\": \"Is number " + std::to_string(i) + " a prime?\"}\n";
  folder.write("suite/long.jsonl", rows);
  folder.write("suite/long.yaml",
               "task: long\ndata: {format: jsonl, files: {test: long.jsonl}}\ntest_split: test\n"
               "output_type: generate_until\ndoc_to_text: \"{{q}}\"\ndoc_to_target: q\n"
               "generation_kwargs: {max_gen_toks: 200}\nmetric_list: [{metric: exact_match}]\n");
  Start start{{"run", "--model", std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00300", "--include",
               folder.file("suite"), "--tasks", "long", "--db", folder.file("scores.db")}};
  start.terminate_after_s = 2;
  const Finished finished = run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 1);
  CHECK(finished.err.find("incomplete") != std::string::npos);
  CHECK(finished.seconds < start.terminate_after_s + 2);
}

TEST_CASE("SIGTERM while another program holds the database: the program ends within 2 s and goes on afterwards") {
  TemporaryFolder folder;
  write_suite(folder);
  const std::string expected = reference_rows(folder), database = folder.file("locked.db");
  sqlite3* other = nullptr;
  Start start{command(folder, write_script(folder, 1), database)};
  start.kill_when = [&] {  // once its tables are there
    if (!other) {
      if (!std::filesystem::exists(database)) return false;
      REQUIRE(sqlite3_open(database.c_str(), &other) == SQLITE_OK);
    }
    return sqlite3_exec(other, "SELECT 1 FROM runs WHERE id = 1; BEGIN IMMEDIATE", nullptr, nullptr, nullptr) ==
           SQLITE_OK;
  };
  start.kill_signal = SIGTERM;
  const Finished finished = run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 1);
  CHECK(finished.seconds < 5);  // a lock is waited for longer than that
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  CHECK(testing::run_assay(command(folder, write_script(folder, 0), database)).exit_code == 0);
  check_same_rows(testing::final_rows(database), expected);
}

}  // namespace assay
