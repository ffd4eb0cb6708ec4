// The live line of a run: items, tokens, tokens per second, time left. On a terminal it is redrawn in place; elsewhere
// a line is written every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "model_backend/backend.h"

namespace assay {

// What a run has to do and what of it is done.
struct Progress {
  int64_t requests = 0, requests_done = 0;
  int64_t known = 0;                  // requests whose answer was there before, not among the above
  int64_t bytes = 0, bytes_done = 0;  // of the requests' prompts
  int64_t texts = 0, texts_done = 0;  // to be generated
  int64_t text_tokens_most = 0;       // that all texts together may have
};

// What one request adds to requests, bytes, texts and text_tokens_most.
void add_request(Progress& progress, const Request& request);
// What it adds to the fields of what is done once it is answered.
void add_response(Progress& progress, const Request& request);

// The share of the work that is done, in [0, 1]. Where the backend has a plan (tree_tokens is more than what is
// computed, or texts are generated) it is tokens computed over all tokens: those of the plan, and of the texts. A
// text's length is taken to be all tokens generated so far over the texts that are done, since texts under way count
// for what they have: the mean of the finished ones alone forgets the long ones. Elsewhere requests that are texts
// count by their number, and where there are none prompts by their bytes.
double share_done(const Progress& progress, const RunStats& stats);

class ProgressLine {
 public:
  // Writes to stderr. `known`: requests answered before.
  ProgressLine(std::span<const Request> requests, int64_t known);
  void add(const Request& answered);
  void update(const RunStats& stats);
  // Ends the line.
  void finish();

  // The text, for tests. seconds: since the start.
  static std::string text(const Progress& progress, const RunStats& stats, double seconds);

 private:
  using Clock = std::chrono::steady_clock;
  Progress progress_;
  Clock::time_point start_, last_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace assay
