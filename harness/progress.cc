#include "harness/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace assay {
namespace {

std::string duration(double seconds) {
  int64_t whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string count(int64_t n) {
  if (n >= 10'000'000) return fmt::format("{:.1f}M", static_cast<double>(n) / 1e6);
  if (n >= 10'000) return fmt::format("{:.1f}k", static_cast<double>(n) / 1e3);
  return std::to_string(n);
}

}  // namespace

ProgressLine::ProgressLine(int64_t total_requests, int64_t known)
    : total_(total_requests), known_(known), start_(Clock::now()), last_(start_), terminal_(::isatty(2) == 1) {}

std::string ProgressLine::text(int64_t done, int64_t total, int64_t known, const RunStats& stats, double seconds) {
  std::string line = fmt::format("{}/{} requests", done, total);
  if (known > 0) line += fmt::format(" (+{} known)", known);
  line += fmt::format("  {} tokens", count(stats.computed_tokens));
  if (seconds > 0.5) line += fmt::format("  {:.0f} tokens/s", static_cast<double>(stats.computed_tokens) / seconds);
  // Work left in tokens where the plan knows it, else in requests.
  double share = 0;
  if (stats.tree_tokens > 0 && stats.generated_tokens == 0) {
    share = static_cast<double>(stats.computed_tokens) / static_cast<double>(stats.tree_tokens);
  } else if (total > 0) {
    share = static_cast<double>(done) / static_cast<double>(total);
  }
  if (share > 0.005 && share <= 1 && seconds > 1) line += "  " + duration(seconds * (1 - share) / share) + " left";
  return line;
}

void ProgressLine::update(int64_t requests_done, const RunStats& stats) {
  Clock::time_point now = Clock::now();
  double pause = terminal_ ? 0.2 : 10;
  if (std::chrono::duration<double>(now - last_).count() < pause) return;
  last_ = now;
  std::string line = text(requests_done, total_, known_, stats, std::chrono::duration<double>(now - start_).count());
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    drawn_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

void ProgressLine::finish() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace assay
