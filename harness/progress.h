// The live line of a run: items, tokens, tokens per second, time left. On a terminal it is redrawn in place; elsewhere
// a line is written every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "harness/time_left.h"
#include "model_backend/backend.h"

namespace assay {

// What a run has to do and what of it is done.
struct Progress {
  int64_t requests = 0, requests_done = 0;
  int64_t known = 0;                  // requests whose answer was there before, not among the above
  int64_t bytes = 0, bytes_done = 0;  // of the requests' prompts
  int64_t texts = 0;                  // to be generated
  double later_turns = 0;             // of conversations: for each of these requests
};

// What one request adds to requests, bytes and texts.
void add_request(Progress& progress, const Request& request);
// What it adds to the fields of what is done once it is answered.
void add_response(Progress& progress, const Request& request);

// The share of the work that is done, in [0, 1], where the backend says no more than what is answered: requests that
// are texts count by their number, and where there are none prompts by their bytes.
double share_done(const Progress& progress);

class ProgressLine {
 public:
  // Writes to stderr. `requests` must outlive this, but for their texts; `known`: requests answered before;
  // `later_turns`: requests that can only be asked after these. `context_length`, `earlier`: as for TimeLeft.
  ProgressLine(std::span<const Request> requests, int64_t known, int64_t later_turns, int context_length,
               const TimeLeft::Earlier& earlier);
  void add(const Request& request, const Response& answer);
  void update(const RunStats& stats);
  // Ends the line.
  void finish();

  // The text, for tests. seconds: since the start; left: what TimeLeft says.
  static std::string text(const Progress& progress, const RunStats& stats, double seconds, std::optional<double> left);

 private:
  using Clock = std::chrono::steady_clock;
  Progress progress_;
  TimeLeft left_;
  Clock::time_point start_, last_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace assay
