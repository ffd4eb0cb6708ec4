#include "harness/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
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

int64_t prompt_bytes(const Request& request) {
  size_t bytes = request.context.size() + request.text.size();
  for (const std::string& continuation : request.continuations) bytes += continuation.size();
  for (const Message& message : request.messages) bytes += message.content.size();
  return static_cast<int64_t>(bytes);
}

double ratio(double part, double whole) {
  return whole > 0 ? std::clamp(part / whole, 0.0, 1.0) : 0;
}

}  // namespace

void add_request(Progress& progress, const Request& request) {
  ++progress.requests;
  progress.bytes += prompt_bytes(request);
  if (!generates(request)) return;
  progress.texts += request.generate.samples;
}

void add_response(Progress& progress, const Request& request) {
  ++progress.requests_done;
  progress.bytes_done += prompt_bytes(request);
}

double share_done(const Progress& progress) {
  if (progress.texts > 0)
    return ratio(static_cast<double>(progress.requests_done), static_cast<double>(progress.requests));
  return ratio(static_cast<double>(progress.bytes_done), static_cast<double>(progress.bytes));
}

ProgressLine::ProgressLine(std::span<const Request> requests, int64_t known, int64_t later_turns, int context_length,
                           const TimeLeft::Earlier& earlier)
    : left_(requests, context_length, earlier), start_(Clock::now()), last_(start_), terminal_(::isatty(2) == 1) {
  progress_.known = known;
  progress_.later_turns = static_cast<double>(later_turns) / std::max(1.0, static_cast<double>(requests.size()));
  for (const Request& request : requests) add_request(progress_, request);
}

std::string ProgressLine::text(const Progress& progress, const RunStats& stats, double seconds,
                               std::optional<double> left) {
  std::string line = fmt::format("{}/{} requests", progress.requests_done, progress.requests);
  if (progress.known > 0) line += fmt::format(" (+{} known)", progress.known);
  line += fmt::format("  {} tokens", count(stats.computed_tokens));
  const double working = seconds - stats.plan_seconds;
  if (working > 0.5) line += fmt::format("  {:.0f} tokens/s", static_cast<double>(stats.computed_tokens) / working);
  const double share = share_done(progress);
  if (!left && share > 0.005) left = working * (1 - share) / share;
  if (left) *left += progress.later_turns * (working + *left);  // each as long as one of these, about
  if (left && working > 1) line += "  " + duration(*left) + " left";
  return line;
}

void ProgressLine::add(const Request& request, const Response& answer) {
  add_response(progress_, request);
  left_.add(request, answer);
}

void ProgressLine::update(const RunStats& stats) {
  const std::optional<double> left = left_.seconds(stats);  // of every report: it learns from them
  Clock::time_point now = Clock::now();
  double pause = terminal_ ? 0.2 : 10;
  if (std::chrono::duration<double>(now - last_).count() < pause) return;
  last_ = now;
  std::string line = text(progress_, stats, std::chrono::duration<double>(now - start_).count(), left);
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
