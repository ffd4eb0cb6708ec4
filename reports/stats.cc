#include "reports/stats.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"

namespace assay {

Estimate mean(std::span<const double> values) {
  ASSAY_ASSERT(!values.empty(), "a mean needs values");
  const double n = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values) sum += value;
  Estimate estimate{sum / n, std::nullopt};
  if (values.size() < 2) return estimate;
  double squares = 0;
  for (double value : values) squares += (value - estimate.value) * (value - estimate.value);
  estimate.stderr_ = std::sqrt(squares / (n - 1) / n);
  return estimate;
}

Estimate ratio(std::span<const double> numerator, std::span<const double> denominator) {
  ASSAY_ASSERT(numerator.size() == denominator.size() && !numerator.empty(), "a ratio needs pairs");
  double above = 0, below = 0;
  for (double value : numerator) above += value;
  for (double value : denominator) below += value;
  ASSAY_ASSERT(below > 0, "a ratio needs a positive denominator");
  Estimate estimate{above / below, std::nullopt};
  const double n = static_cast<double>(numerator.size());
  if (numerator.size() < 2) return estimate;
  double squares = 0;
  for (size_t i = 0; i < numerator.size(); ++i) {
    double residual = numerator[i] - estimate.value * denominator[i];
    squares += residual * residual;
  }
  estimate.stderr_ = std::sqrt(n / (n - 1) * squares) / below;
  return estimate;
}

Estimate stratified(std::span<const Estimate> members, std::span<const double> weights) {
  ASSAY_ASSERT(members.size() == weights.size() && !members.empty(), "a group needs members");
  double total = 0, sum = 0, variance = 0;
  bool known = true;
  for (size_t i = 0; i < members.size(); ++i) {
    total += weights[i];
    sum += weights[i] * members[i].value;
    known = known && members[i].stderr_.has_value();
    if (known) variance += weights[i] * weights[i] * *members[i].stderr_ * *members[i].stderr_;
  }
  ASSAY_ASSERT(total > 0, "a group needs weight");
  Estimate estimate{sum / total, std::nullopt};
  if (known) estimate.stderr_ = std::sqrt(variance) / total;
  return estimate;
}

std::optional<double> cohen_kappa(std::span<const std::string> a, std::span<const std::string> b) {
  ASSAY_ASSERT(a.size() == b.size() && !a.empty(), "agreement is over answers that both labelled");
  const double n = static_cast<double>(a.size());
  std::map<std::string, std::pair<double, double>> shares;
  double observed = 0, expected = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    observed += a[i] == b[i] ? 1 / n : 0;
    shares[a[i]].first += 1 / n;
    shares[b[i]].second += 1 / n;
  }
  for (const auto& [label, share] : shares) expected += share.first * share.second;
  if (expected > 1 - 1e-12) return std::nullopt;
  return (observed - expected) / (1 - expected);
}

std::optional<Estimate> pearson(std::span<const double> x, std::span<const double> y) {
  ASSAY_ASSERT(x.size() == y.size(), "a correlation is between pairs");
  const double n = static_cast<double>(x.size());
  // Compared exactly: a mean's rounding would make a tiny spread of none.
  auto varies = [](std::span<const double> values) {
    return std::any_of(values.begin(), values.end(), [&](double value) { return value != values.front(); });
  };
  if (x.size() < 3 || !varies(x) || !varies(y)) return std::nullopt;
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  const double r = std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
  return Estimate{r, std::sqrt((1 - r * r) / (n - 2))};
}

}  // namespace assay
