// The live line of a run: items, tokens, tokens per second, time left. On a terminal it is redrawn in place; elsewhere
// a line is written every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "model_backend/backend.h"

namespace assay {

class ProgressLine {
 public:
  // Writes to stderr. total_requests: those that will be asked; known: those answered before.
  ProgressLine(int64_t total_requests, int64_t known);
  void update(int64_t requests_done, const RunStats& stats);
  // Ends the line.
  void finish();

  // The text, for tests. seconds: since the start.
  static std::string text(int64_t done, int64_t total, int64_t known, const RunStats& stats, double seconds);

 private:
  using Clock = std::chrono::steady_clock;
  int64_t total_, known_;
  Clock::time_point start_, last_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace assay
