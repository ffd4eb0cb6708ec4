#include "model_backend/http/pace.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

constexpr double kLongestPause = 60;

// splitmix64: enough for jitter.
double random_unit(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

}  // namespace

Pace::Pace(int most, double first_pause_s, uint64_t seed)
    : most_(std::max(1, most)), limit_(std::min<double>(kStart, most_)), first_pause_s_(first_pause_s), state_(seed) {}

void Pace::succeeded() {
  limit_ = std::min(most_, limit_ + (had_trouble_ ? 1.0 / limit_ : 1.0));
}

void Pace::met_trouble(Clock::time_point started, Clock::time_point now, std::optional<double> retry_after_s) {
  if (retry_after_s) {
    const auto until = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*retry_after_s));
    open_from_ = std::max(open_from_, until);
  }
  if (had_trouble_ && started <= last_fall_) return;
  had_trouble_ = true;
  last_fall_ = now;
  limit_ = std::max(1.0, limit_ / 2);
}

double Pace::pause_s(int attempt, std::optional<double> retry_after_s) {
  const double base = std::min(kLongestPause, first_pause_s_ * std::pow(2.0, attempt - 1));
  const double pause = base * (0.5 + random_unit(state_));
  return std::max(pause, retry_after_s.value_or(0));
}

}  // namespace assay
