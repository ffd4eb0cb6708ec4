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

bool generates(const Request& request) {
  return request.kind == RequestKind::kGenerate || request.kind == RequestKind::kChat;
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
  progress.text_tokens_most += int64_t{request.generate.samples} * request.generate.max_tokens;
}

void add_response(Progress& progress, const Request& request) {
  ++progress.requests_done;
  progress.bytes_done += prompt_bytes(request);
  if (!generates(request)) return;
  progress.texts_done += request.generate.samples;
}

double share_done(const Progress& progress, const RunStats& stats) {
  const double computed = static_cast<double>(stats.computed_tokens);
  const int64_t prompt_tokens_left = stats.tree_tokens - stats.computed_tokens;
  if (prompt_tokens_left <= 0 && stats.generated_tokens == 0) {
    if (progress.texts > 0)
      return ratio(static_cast<double>(progress.requests_done), static_cast<double>(progress.requests));
    return ratio(static_cast<double>(progress.bytes_done), static_cast<double>(progress.bytes));
  }
  const double generated = static_cast<double>(stats.generated_tokens);
  const double most = static_cast<double>(progress.text_tokens_most);
  const double share_of_texts = ratio(static_cast<double>(progress.texts_done), static_cast<double>(progress.texts));
  const double text_tokens = share_of_texts > 0 ? std::min(most, generated / share_of_texts) : most;
  const double text_tokens_left = std::max(0.0, text_tokens - generated);
  return ratio(computed, computed + static_cast<double>(std::max<int64_t>(0, prompt_tokens_left)) + text_tokens_left);
}

ProgressLine::ProgressLine(std::span<const Request> requests, int64_t known)
    : start_(Clock::now()), last_(start_), terminal_(::isatty(2) == 1) {
  progress_.known = known;
  for (const Request& request : requests) add_request(progress_, request);
}

std::string ProgressLine::text(const Progress& progress, const RunStats& stats, double seconds) {
  std::string line = fmt::format("{}/{} requests", progress.requests_done, progress.requests);
  if (progress.known > 0) line += fmt::format(" (+{} known)", progress.known);
  line += fmt::format("  {} tokens", count(stats.computed_tokens));
  const double working = seconds - stats.plan_seconds;
  if (working > 0.5) line += fmt::format("  {:.0f} tokens/s", static_cast<double>(stats.computed_tokens) / working);
  const double share = share_done(progress, stats);
  if (share > 0.005 && working > 1) line += "  " + duration(working * (1 - share) / share) + " left";
  return line;
}

void ProgressLine::add(const Request& answered) {
  add_response(progress_, answered);
}

void ProgressLine::update(const RunStats& stats) {
  Clock::time_point now = Clock::now();
  double pause = terminal_ ? 0.2 : 10;
  if (std::chrono::duration<double>(now - last_).count() < pause) return;
  last_ = now;
  std::string line = text(progress_, stats, std::chrono::duration<double>(now - start_).count());
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
