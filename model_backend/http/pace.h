// How many requests a server is given at once, and how long a failed one waits.
//
// The limit starts at kStart. Until the first trouble each success adds one, so it doubles a round trip; after it each
// round of `limit` successes adds one. Trouble (429, 5xx, a lost connection, a time-out) halves it, once for all
// requests that were under way at that moment. A Retry-After holds back every new request until its time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace assay {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kStart = 4;

  Pace(int most, double first_pause_s, uint64_t seed);

  int limit() const { return static_cast<int>(limit_); }
  // Nothing new before this moment.
  Clock::time_point open_from() const { return open_from_; }

  void succeeded();
  // `started`: when the request that met trouble was sent.
  void met_trouble(Clock::time_point started, Clock::time_point now, std::optional<double> retry_after_s);

  // Pause before attempt number `attempt` + 1 (attempt >= 1): first_pause * 2^(attempt-1) up to 60 s, times a random
  // factor in [0.5, 1.5); never less than what the server asked for.
  double pause_s(int attempt, std::optional<double> retry_after_s);

 private:
  double most_, limit_;
  double first_pause_s_;
  uint64_t state_;
  bool had_trouble_ = false;
  Clock::time_point last_fall_{}, open_from_{};
};

}  // namespace assay
