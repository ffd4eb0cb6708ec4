// How long reports and comparisons take on a large database: checkpoints x tasks x items scores, made here (8 million
// by default, about 1 GB, kept between calls), read by the program itself: the best of three calls, with the first
// beside it.
//
//   report_bench --assay build/dev/assay --database /var/tmp/large.db
#include <fmt/format.h>
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "reports/counter_random.h"
#include "reports/results_db.h"

namespace assay {
namespace {

struct Sizes {
  std::string program = "build/dev/assay", database = "large.db";
  int checkpoints = 200, tasks = 40, items = 1000;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Skill grows with the step; items differ in difficulty, so that neighbouring checkpoints agree on most.
double score_of(int checkpoint, int task, int item) {
  const double difficulty = counter_uniform(1, static_cast<uint64_t>(task * 100000 + item));
  const double skill = 0.3 + 0.4 * checkpoint / 200.0;
  const double noise = 0.2 * counter_uniform(2, static_cast<uint64_t>((checkpoint * 100 + task) * 100000 + item));
  return difficulty + noise < skill + 0.1 ? 1 : 0;
}

class Writer {
 public:
  explicit Writer(const std::string& path) {
    sqlite3_open(path.c_str(), &handle_);
    execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    sqlite3_prepare_v2(handle_, "INSERT INTO scores VALUES (?, ?, 'own', ?, 'acc', 'none', ?, 'scored', ?, 1, ?, ?)",
                       -1, &insert_, nullptr);
  }
  ~Writer() {
    sqlite3_finalize(insert_);
    execute("COMMIT");
    sqlite3_close(handle_);
  }
  void put(int64_t run, const std::string& task, int position, double value) {
    const std::string item = fmt::format("test/{}/{}", task, position);
    sqlite3_bind_int64(insert_, 1, run);
    sqlite3_bind_text(insert_, 2, task.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(insert_, 3, position);
    sqlite3_bind_text(insert_, 4, item.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_double(insert_, 5, value);
    sqlite3_bind_text(insert_, 6, value > 0 ? "B" : "C", -1, SQLITE_STATIC);
    sqlite3_bind_text(insert_, 7, "B", -1, SQLITE_STATIC);
    sqlite3_step(insert_);
    sqlite3_reset(insert_);
  }

 private:
  void execute(const char* sql) { sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); }
  sqlite3* handle_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

std::string task_name(int task) {
  return fmt::format("task_{:02}", task);
}

void make_database(const Sizes& sizes) {
  std::vector<int64_t> runs;
  {
    auto db = ResultsDb::open(sizes.database, ResultsDb::Mode::kReadWrite);
    for (int checkpoint = 0; checkpoint < sizes.checkpoints; ++checkpoint) {
      RunRecord record;
      record.run_key = fmt::format("step-{:06}", checkpoint * 1000);
      record.checkpoint = {record.run_key, record.run_key, record.run_key, "w", "t", "n", checkpoint * 1000};
      record.settings = Json::object();
      record.software = "bench";
      runs.push_back(db->begin_run(record));
      for (int task = 0; task < sizes.tasks; ++task) {
        TaskRecord entry;
        entry.position = task, entry.task = entry.alias = task_name(task), entry.convention = "own";
        entry.headline = "acc", entry.shots = 5;
        db->put_task(runs.back(), entry);
        std::vector<Score> scores(static_cast<size_t>(sizes.items));
        for (int item = 0; item < sizes.items; ++item) {
          Score& score = scores[static_cast<size_t>(item)];
          score.metric = "acc", score.filter = "none", score.value = score_of(checkpoint, task, item);
        }
        db->put_aggregates(runs.back(), entry.task, "own", {aggregate_scores(scores, "mean", true)});
      }
      db->finish_run(runs.back(), true, Json::object());
    }
  }
  Writer writer(sizes.database);
  for (int checkpoint = 0; checkpoint < sizes.checkpoints; ++checkpoint) {
    for (int task = 0; task < sizes.tasks; ++task) {
      for (int item = 0; item < sizes.items; ++item) {
        writer.put(runs[static_cast<size_t>(checkpoint)], task_name(task), item, score_of(checkpoint, task, item));
      }
    }
  }
}

void time_command(const std::string& title, const std::string& command, double limit_s) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (std::system((command + " > /dev/null").c_str()) != 0) {
      fmt::print("{}: failed: {}\n", title, command);
      return;
    }
    if (i == 0) fmt::print("{}: {:.3f} s the first time\n", title, seconds_since(begin));
    best = std::min(best, seconds_since(begin));
  }
  fmt::print("{}: {:.3f} s, {:.2f} of its limit of {} s\n", title, best, best / limit_s, limit_s);
}

void run_bench(const Sizes& sizes) {
  if (!std::filesystem::exists(sizes.database)) {
    const auto begin = std::chrono::steady_clock::now();
    make_database(sizes);
    fmt::print("made {} scores in {:.1f} s\n", static_cast<int64_t>(sizes.checkpoints) * sizes.tasks * sizes.items,
               seconds_since(begin));
  }
  fmt::print("database: {:.0f} MB\n", static_cast<double>(std::filesystem::file_size(sizes.database)) / 1e6);
  const std::string at = fmt::format(" --db '{}'", sizes.database);
  time_command("report of all checkpoints", sizes.program + " report" + at, 2);
  time_command("report of one checkpoint", sizes.program + " report --run step-000000" + at, 2);
  time_command("compare two runs",
               fmt::format("{} compare {} {}{}", sizes.program, sizes.checkpoints, sizes.checkpoints - 1, at), 1);
  time_command("compare two runs, JSON with flips",
               fmt::format("{} compare 1 {} --json --flips{}", sizes.program, sizes.checkpoints, at), 1);
  const std::string page = sizes.database + ".html";
  time_command("HTML page of all checkpoints", fmt::format("{} report --html '{}'{}", sizes.program, page, at), 5);
  if (std::filesystem::exists(page)) {
    fmt::print("page: {:.2f} MB\n", static_cast<double>(std::filesystem::file_size(page)) / 1e6);
  }
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::Sizes sizes;
  CLI::App app("Reports and comparisons on a large database");
  app.add_option("--assay", sizes.program, "The program")->capture_default_str();
  app.add_option("--database", sizes.database, "Made where it does not exist")->capture_default_str();
  app.add_option("--checkpoints", sizes.checkpoints)->capture_default_str();
  app.add_option("--tasks", sizes.tasks)->capture_default_str();
  app.add_option("--items", sizes.items)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  assay::run_bench(sizes);
}
