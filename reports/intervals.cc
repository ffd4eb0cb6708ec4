#include "reports/intervals.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "reports/distributions.h"

namespace assay {
namespace {

constexpr double kFewRight = 4;      // effective right (or wrong) answers below which no close interval is tried
constexpr double kUnsureRight = 12;  // below which an error smaller than that of right-or-wrong scores is not trusted
constexpr double kFewInClusters = 8;

double beta_quantile(double probability, double a, double b) {
  double low = 0, high = 1;
  for (int i = 0; i < 100; ++i) {
    double middle = 0.5 * (low + high);
    (incomplete_beta(a, b, middle) < probability ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

Interval wilson_interval(double right, double items, double quantile) {
  ASSAY_ASSERT(items > 0, "an interval needs items");
  const double rate = right / items, square = quantile * quantile;
  const double centre = (rate + square / (2 * items)) / (1 + square / items);
  const double half =
      quantile / (1 + square / items) * std::sqrt(rate * (1 - rate) / items + square / (4 * items * items));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half), false};
}

Interval exact_interval(double right, double items) {
  ASSAY_ASSERT(items > 0, "an interval needs items");
  Interval interval{0, 1, true};
  if (right > 0) interval.low = beta_quantile(0.025, right, items - right + 1);
  if (right < items) interval.high = beta_quantile(0.975, right + 1, items - right);
  return interval;
}

std::optional<Interval> unit_interval(const Estimate& estimate, size_t items, size_t units) {
  if (items < 2 || units < 2 || !estimate.stderr_) return std::nullopt;
  const bool clustered = units < items;
  const double value = std::clamp(estimate.value, 0.0, 1.0), variance = value * (1 - value);
  const double n = static_cast<double>(items);
  const double quantile = student_quantile(0.975, static_cast<double>(units - 1));
  // All right or all wrong: the error says nothing, the units do.
  const double square = *estimate.stderr_ * *estimate.stderr_;
  double effective = square > 0 && variance > 0 ? variance / square : static_cast<double>(units);
  const double rarer = std::min(value, 1 - value);
  bool few = rarer * effective < kFewRight;
  if (rarer * effective < kUnsureRight) effective = std::min(effective, n);
  if (clustered && rarer * effective < kFewInClusters) {
    effective /= kClusterPenalty;
    few = true;
  }
  Interval close = wilson_interval(value * effective, effective, quantile);
  if (!few && (clustered ? units >= kCloseClusters : items >= kCloseItems)) return close;
  const double wary = effective * (kZ95 / quantile) * (kZ95 / quantile);
  Interval wide = exact_interval(value * wary, wary);
  return Interval{std::min(close.low, wide.low), std::max(close.high, wide.high), true};
}

std::optional<Interval> student_interval(const Estimate& estimate, size_t units, bool clustered) {
  if (units < 2 || !estimate.stderr_) return std::nullopt;
  const double half = student_quantile(0.975, static_cast<double>(units - 1)) * *estimate.stderr_;
  const bool few = clustered ? units < kCloseClusters : units < kCloseItems;
  return Interval{estimate.value - half, estimate.value + half, few};
}

}  // namespace assay
