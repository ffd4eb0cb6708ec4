// Whether a slow database stalls whoever delivers responses: the same responses with the file free, and with another
// connection that holds its write lock nearly all the time.
//
//   build/release/tests/bench/writing_bench [--responses 20000] [--pause-us 100]
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "reports/results_db.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Holds the write lock of a file for two seconds at a time, with a tenth of a second between.
class Hold {
 public:
  explicit Hold(const std::string& path) : thread_([this, path](std::stop_token stop) { hold(path, stop); }) {
    while (!held_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  void hold(const std::string& path, std::stop_token stop) {
    sqlite3* handle = nullptr;
    sqlite3_open(path.c_str(), &handle);
    sqlite3_busy_timeout(handle, 30000);
    while (!stop.stop_requested()) {
      sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
      held_ = true;
      for (int i = 0; i < 200 && !stop.stop_requested(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      sqlite3_exec(handle, "COMMIT", nullptr, nullptr, nullptr);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    sqlite3_close(handle);
  }
  std::atomic<bool> held_ = false;
  std::jthread thread_;
};

struct Cost {
  double work = 0;     // seconds from the first response to the last one handed over
  double longest = 0;  // of one call
  double calls = 0;    // all calls
  double rest = 0;     // until everything is on disk
};

Cost deliver(ResultsDb& db, const std::string& name, int responses, int pause_us) {
  Response response;
  response.continuations.resize(4);
  Cost cost;
  const auto begin = Clock::now();
  for (int i = 0; i < responses; ++i) {
    const auto until = Clock::now() + std::chrono::microseconds(pause_us);
    while (Clock::now() < until) continue;  // the engine computes
    const auto call = Clock::now();
    db.store_response(fmt::format("{}{:056}", name, i), response);
    const double took = seconds_since(call);
    cost.calls += took, cost.longest = std::max(cost.longest, took);
  }
  cost.work = seconds_since(begin);
  const auto last = Clock::now();
  db.flush();
  cost.rest = seconds_since(last);
  return cost;
}

void print(const char* what, const Cost& cost, int responses) {
  fmt::print(
      "{:22} {:6.2f} s of work, {:6.2f} us a response, longest {:7.3f} ms, then {:5.2f} s until all is on disk\n", what,
      cost.work, 1e6 * cost.calls / responses, 1e3 * cost.longest, cost.rest);
}

void measure(int responses, int pause_us) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("assay_writing_bench_{}", ::getpid());
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "r.db").string();
  Cost free, held;
  {
    auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
    deliver(*db, "warm-up.", responses, 0);
    free = deliver(*db, "freefree", responses, pause_us);
    const Hold hold(path);
    held = deliver(*db, "heldheld", responses, pause_us);
  }
  print("the file is free", free, responses);
  print("another program writes", held, responses);
  fmt::print("work while another program writes / free: {:.2f} (1 = writing stalls nothing)\n", held.work / free.work);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  CLI::App app("Does a slow database stall the engine?");
  int responses = 20'000, pause_us = 100;
  app.add_option("--responses", responses)->capture_default_str();
  app.add_option("--pause-us", pause_us, "Work between two responses")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  assay::measure(responses, pause_us);
  return 0;
}
