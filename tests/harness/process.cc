#include "tests/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>

namespace assay::testing {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Reads what is there; false at the end of the file.
bool drain(int fd, std::string& into) {
  char buffer[1 << 16];
  ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) into.append(buffer, static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

Finished run_program(const Start& start) {
  int out[2], err[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
  std::vector<std::string> words = start.wrapper;
  words.push_back(ASSAY_PROGRAM);
  words.insert(words.end(), start.arguments.begin(), start.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    for (const auto& [name, value] : start.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  Finished finished;
  Clock::time_point begin = Clock::now();
  bool out_open = true, err_open = true, interrupted = false, terminated = false, killed = false;
  while (out_open || err_open) {
    pollfd watched[2] = {{out_open ? out[0] : -1, POLLIN, 0}, {err_open ? err[0] : -1, POLLIN, 0}};
    ::poll(watched, 2, 5);
    if (watched[0].revents) out_open = drain(out[0], finished.out);
    if (watched[1].revents) err_open = drain(err[0], finished.err);
    double elapsed = seconds_since(begin);
    if (start.interrupt_after_s > 0 && !interrupted && elapsed > start.interrupt_after_s) {
      interrupted = true;
      ::kill(child, SIGINT);
    }
    if (start.terminate_after_s > 0 && !terminated && elapsed > start.terminate_after_s) {
      terminated = true;
      ::kill(child, SIGTERM);
    }
    const bool late = start.kill_after_s > 0 && elapsed > start.kill_after_s;
    if (!killed && (late || (start.kill_when && start.kill_when()))) {
      killed = true;
      ::kill(child, start.kill_signal);
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  finished.seconds = seconds_since(begin);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

std::string final_rows(const std::string& database) {
  static const char* const kQueries[] = {
      "SELECT 'run', complete, settings FROM runs",
      "SELECT 'task', position, task, convention, is_group, depth, version, shots, headline, note, definition FROM "
      "tasks",
      "SELECT 'request', task, convention, position, part, item, hash, request_hash FROM requests "
      "JOIN items ON items.id = requests.item_id",
      "SELECT 'response', request_hash, status, prompt_tokens, truncated, answer FROM responses",
      "SELECT 'score', task, convention, position, metric, filter, outcome, value, weight, extracted, gold FROM scores",
      "SELECT 'number', task, convention, metric, filter, value, stderr, n, unparsed, missing FROM aggregates",
      "SELECT 'item', content, text FROM items LEFT JOIN texts ON texts.id = head_id",
  };
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open_v2(database.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
  std::vector<std::string> rows;
  for (const char* query : kQueries) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(handle, query, -1, &statement, nullptr) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
      std::string row;
      for (int column = 0; column < sqlite3_column_count(statement); ++column) {
        auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        row += std::string(text ? text : "NULL") + "|";
      }
      rows.push_back(row);
    }
    sqlite3_finalize(statement);
  }
  sqlite3_close(handle);
  std::sort(rows.begin(), rows.end());
  std::string out;
  for (const std::string& row : rows) out += row + "\n";
  return out;
}

}  // namespace assay::testing
