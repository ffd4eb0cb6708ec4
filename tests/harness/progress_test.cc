#include "harness/progress.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace assay {
namespace {

Request prompt_of(int64_t bytes) {
  Request request;
  request.context = std::string(static_cast<size_t>(bytes), 'a');
  return request;
}

Request text_of(int max_tokens) {
  Request request = prompt_of(100);
  request.kind = RequestKind::kGenerate;
  request.generate.max_tokens = max_tokens;
  return request;
}

// What the clock showed at every report, and what share was said to be done.
struct Report {
  double seconds, share;
};

// The largest error of seconds * (1 - share) / share, over the time that was left, from the first tenth on; in the last
// tenth over a tenth of the whole, where seconds are all that is left.
double largest_error(const std::vector<Report>& reports) {
  const double whole = reports.back().seconds;
  double largest = 0;
  for (const Report& report : reports) {
    if (report.seconds < 0.1 * whole) continue;
    const double left = whole - report.seconds, said = report.seconds * (1 - report.share) / report.share;
    largest = std::max(largest, std::abs(said - left) / std::max(left, 0.1 * whole));
  }
  return largest;
}

}  // namespace

TEST_CASE("the live line shows items, tokens, speed and the time left in tokens") {
  Progress progress;
  progress.requests = 40, progress.requests_done = 10, progress.known = 5;
  RunStats stats;
  stats.computed_tokens = 25000, stats.tree_tokens = 100000, stats.plan_seconds = 3;
  CHECK(ProgressLine::text(progress, stats, 53, 150) ==
        "10/40 requests (+5 known)  25.0k tokens  500 tokens/s  2:30 left");
}

TEST_CASE("the turns that follow are as long as those before them, about") {
  Progress progress;
  progress.requests = 40, progress.requests_done = 10, progress.later_turns = 0.5;
  RunStats stats;
  stats.plan_seconds = 3;
  CHECK(ProgressLine::text(progress, stats, 53, 150) == "10/40 requests  0 tokens  0 tokens/s  4:10 left");
}

TEST_CASE("without a plan and with texts the time left goes by requests") {
  Progress progress;
  for (int i = 0; i < 40; ++i) add_request(progress, text_of(100));
  for (int i = 0; i < 10; ++i) add_response(progress, text_of(100));
  RunStats stats;
  stats.computed_tokens = stats.tree_tokens = 4000;
  CHECK(ProgressLine::text(progress, stats, 3600, std::nullopt) ==
        "10/40 requests  4000 tokens  1 tokens/s  3:00:00 left");
}

TEST_CASE("without a plan and without texts the time left goes by the length of the prompts") {
  Progress progress;
  std::mt19937 random(1);
  std::vector<Request> requests;
  double whole = 0;
  for (int i = 0; i < 2000; ++i) requests.push_back(prompt_of(i < 1000 ? 100 : 2000));
  for (const Request& request : requests) add_request(progress, request), whole += 1e-3 * request.context.size();
  std::vector<Report> reports;
  double clock = 0;
  for (const Request& request : requests) {
    clock += 1e-3 * static_cast<double>(request.context.size());
    add_response(progress, request);
    reports.push_back({clock, share_done(progress)});
  }
  CHECK(largest_error(reports) < 0.15);
}

}  // namespace assay
