#include "reports/paired.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "reports/counter_random.h"
#include "reports/distributions.h"

namespace assay {
namespace {

constexpr size_t kAllPatterns = 14;  // units up to which every sign pattern is looked at
constexpr int kEnoughExtremes = 100;
constexpr double kTestLevel = 0.05, kPower = 0.8;
constexpr size_t kFewChanged = 10;  // units that changed, below which their spread is not trusted
constexpr int64_t kManyFlips = 60;  // from here on the power of McNemar's test is taken from the normal distribution
constexpr int64_t kTableFlips = 400;
constexpr size_t kFewestSigns = 6;  // below, no pattern of signs has p <= 5 %
constexpr size_t kLanes = 64;       // patterns at a time: the bits of one random word

// Sums equal up to rounding count as equally extreme.
double tolerance(double sum) {
  return 1e-9 * std::max(1.0, std::abs(sum));
}

double all_patterns(const std::vector<double>& units, double observed) {
  const uint64_t patterns = uint64_t{1} << units.size();
  uint64_t extreme = 0;
  for (uint64_t pattern = 0; pattern < patterns; ++pattern) {
    double sum = 0;
    for (size_t i = 0; i < units.size(); ++i) sum += (pattern >> i) & 1 ? units[i] : -units[i];
    extreme += std::abs(sum) >= observed - tolerance(observed);
  }
  return static_cast<double>(extreme) / static_cast<double>(patterns);
}

// One lane a pattern; unit i's signs in block b are the bits of counter b * units + i.
double random_patterns(const std::vector<double>& units, double observed, uint64_t seed) {
  const double limit = observed - tolerance(observed);
  int extreme = 0, drawn = 0;
  for (uint64_t block = 0; drawn < kSignPatterns; ++block) {
    double sums[kLanes] = {};
    for (size_t i = 0; i < units.size(); ++i) {
      const uint64_t bits = counter_bits(seed, block * units.size() + i);
      const double values[2] = {-units[i], units[i]};
      for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += values[(bits >> lane) & 1];
    }
    for (size_t lane = 0; lane < kLanes && drawn < kSignPatterns; ++lane) {
      ++drawn;
      extreme += std::abs(sums[lane]) >= limit;
      if (extreme == kEnoughExtremes) return static_cast<double>(extreme) / static_cast<double>(drawn);
    }
  }
  return static_cast<double>(extreme + 1) / static_cast<double>(drawn + 1);
}

Estimate estimate_of(std::span<const double> values, std::span<const double> weights, const Clusters& clusters) {
  return weights.empty() ? clustered_mean(values, clusters) : clustered_ratio(values, weights, clusters);
}

// What each item adds to the difference of two ratios, to first order; its sum is zero. For means: the differences less
// their mean, over the number of items.
std::vector<double> influences(const PairedScores& scores, double value_a, double value_b) {
  const size_t n = scores.a.size();
  auto total = [&](const std::vector<double>& weights) {
    double sum = 0;
    for (double weight : weights) sum += weight;
    return weights.empty() ? static_cast<double>(n) : sum;
  };
  const double below_a = total(scores.weight_a), below_b = total(scores.weight_b);
  std::vector<double> out(n);
  for (size_t i = 0; i < n; ++i) {
    const double weight_a = scores.weight_a.empty() ? 1 : scores.weight_a[i];
    const double weight_b = scores.weight_b.empty() ? 1 : scores.weight_b[i];
    out[i] = (scores.a[i] - value_a * weight_a) / below_a - (scores.b[i] - value_b * weight_b) / below_b;
  }
  return out;
}

// The pair differences that the sign-flip test works on: those whose sum is the difference of the two numbers.
std::vector<double> flip_units(const PairedScores& scores, const std::vector<double>& influence, double difference) {
  std::vector<double> units(scores.a.size());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i] = scores.weight_a.empty() ? scores.a[i] - scores.b[i]
                                       : influence[i] + difference / static_cast<double>(units.size());
  }
  return cluster_sums(units, scores.clusters);
}

// Two-sided exact McNemar at 5 % rejects, among `flips` items that flipped, when at most this many went the rarer way;
// -1: never.
int64_t rarer_way_limit(int64_t flips) {
  static const std::vector<int64_t> limits = [] {
    std::vector<int64_t> all;
    for (int64_t n = 0; n <= kTableFlips; ++n) {
      int64_t limit = all.empty() ? -1 : all.back();  // grows by at most one
      if (2 * binomial_cdf(limit + 1, n, 0.5) <= kTestLevel) ++limit;
      all.push_back(limit);
    }
    return all;
  }();
  return limits[static_cast<size_t>(std::min(flips, kTableFlips))];
}

double binomial_probability(int64_t k, int64_t n, double p) {
  if (p >= 1) return k == n ? 1 : 0;
  const double above = static_cast<double>(k), all = static_cast<double>(n);
  return std::exp(std::lgamma(all + 1) - std::lgamma(above + 1) - std::lgamma(all - above + 1) + above * std::log(p) +
                  (all - above) * std::log1p(-p));
}

// Power of exact McNemar when a share `discordance` of the items flips, (discordance + d) / 2 one way.
double mcnemar_power(int64_t items, double discordance, double d) {
  const double expected = static_cast<double>(items) * discordance, spread = 5 * std::sqrt(expected) + 5;
  const int64_t last = std::min({items, kTableFlips, static_cast<int64_t>(expected + spread)});
  const double one_way = 0.5 * (1 + d / discordance);
  double power = 0;
  for (int64_t flips = std::max<int64_t>(0, static_cast<int64_t>(expected - spread)); flips <= last; ++flips) {
    const int64_t limit = rarer_way_limit(flips);
    if (limit < 0) continue;
    const double reject = binomial_cdf(limit, flips, 1 - one_way) + binomial_cdf(limit, flips, one_way);
    power += binomial_probability(flips, items, discordance) * reject;
  }
  return power;
}

void add_flip_interval(PairedResult& result, size_t items) {
  const double n = static_cast<double>(items) + 2;
  const double a = (static_cast<double>(result.only_a) + 1) / n, b = (static_cast<double>(result.only_b) + 1) / n;
  const double error = std::sqrt((a + b - (a - b) * (a - b)) / n);
  const bool few = items < kCloseItems || result.only_a + result.only_b < static_cast<int64_t>(kFewChanged);
  result.stderr_ = error;
  result.interval = Interval{std::max(-1.0, a - b - kZ95 * error), std::min(1.0, a - b + kZ95 * error), few};
}

bool is_not_zero(double value) {
  return value != 0;
}

// Where next to no unit changed, their spread says nothing: the error is that of two more that did, one each way, as in
// add_flip_interval().
void widen_for_few(PairedResult& result, size_t units) {
  result.stderr_ = std::hypot(*result.stderr_, std::sqrt(2.0) / (static_cast<double>(units) + 2));
}

// Where none changed, the share of units that do may still be 1 - 0.025^(1 / units); and a difference must have changed
// enough units for the signs to show it.
void floor_for_few(PairedResult& result, size_t units, size_t changed) {
  const double count = static_cast<double>(units);
  if (changed == 0) {
    const double most = 1 - std::pow(0.025, 1 / count);
    result.interval->low = std::min(result.interval->low, result.difference - most);
    result.interval->high = std::max(result.interval->high, result.difference + most);
  }
  result.interval->low = std::max(-1.0, result.interval->low);
  result.interval->high = std::min(1.0, result.interval->high);
  if (result.mde80) {
    result.mde80 =
        std::max(*result.mde80, mcnemar_detectable_effect(static_cast<int64_t>(units), static_cast<int64_t>(changed)));
  }
}

}  // namespace

double exact_mcnemar(int64_t only_a, int64_t only_b) {
  return std::min(1.0, 2 * binomial_cdf(std::min(only_a, only_b), only_a + only_b, 0.5));
}

double sign_flip_test(std::span<const double> differences, uint64_t seed) {
  std::vector<double> units;
  double sum = 0;
  for (double difference : differences) {
    if (difference == 0) continue;  // its sign changes nothing
    units.push_back(difference);
    sum += difference;
  }
  if (units.empty()) return 1;
  return units.size() <= kAllPatterns ? all_patterns(units, std::abs(sum))
                                      : random_patterns(units, std::abs(sum), seed);
}

ScoreKind kind_of_mean(std::span<const double> a, std::span<const double> b) {
  bool whole = true, unit = true;
  for (std::span<const double> values : {a, b}) {
    for (double value : values) {
      whole = whole && (value == 0 || value == 1);
      unit = unit && value >= 0 && value <= 1;
    }
  }
  return whole ? ScoreKind::kRightOrWrong : unit ? ScoreKind::kUnit : ScoreKind::kReal;
}

PairedResult compare_paired(const PairedScores& scores, ScoreKind kind) {
  const size_t items = scores.a.size();
  ASSAY_ASSERT(items > 0 && scores.b.size() == items, "a paired comparison needs the same items twice");
  PairedResult result;
  result.a = estimate_of(scores.a, scores.weight_a, scores.clusters).value;
  result.b = estimate_of(scores.b, scores.weight_b, scores.clusters).value;
  result.difference = result.a - result.b;
  for (size_t i = 0; i < items; ++i) {
    result.only_a += scores.a[i] > scores.b[i];
    result.only_b += scores.a[i] < scores.b[i];
  }
  const bool clustered = scores.clusters.is_clustered();
  const size_t units = clustered ? scores.clusters.count : items;
  if (kind == ScoreKind::kRightOrWrong && !clustered) {
    result.test = "exact McNemar";
    result.p = exact_mcnemar(result.only_a, result.only_b);
    add_flip_interval(result, items);
    result.mde80 = mcnemar_detectable_effect(static_cast<int64_t>(items), result.only_a + result.only_b);
  } else {
    result.test = clustered ? "sign flips of clusters" : "sign flips";
    std::vector<double> influence = influences(scores, result.a, result.b);
    const std::vector<double> signs = flip_units(scores, influence, result.difference);
    result.p = sign_flip_test(signs);
    if (units >= 2) {
      double squares = 0;
      for (double sum : cluster_sums(influence, scores.clusters)) squares += sum * sum;
      const double count = static_cast<double>(units);
      result.stderr_ = std::sqrt(count / (count - 1) * squares);
      const size_t changed = static_cast<size_t>(std::count_if(signs.begin(), signs.end(), is_not_zero));
      const bool bounded = kind == ScoreKind::kRightOrWrong || kind == ScoreKind::kUnit;
      if (bounded && changed < kFewChanged) widen_for_few(result, units);
      result.interval = student_interval({result.difference, result.stderr_}, units, clustered);
      if (units >= kFewestSigns) result.mde80 = minimal_detectable_effect(*result.stderr_, units);
      if (changed < kFewChanged) result.interval->conservative = true;
      if (bounded && changed < kFewChanged) floor_for_few(result, units, changed);
    }
  }
  return result;
}

double mcnemar_detectable_effect(int64_t items, int64_t flips) {
  const double n = static_cast<double>(items), observed = static_cast<double>(flips) / n;
  if (flips >= kManyFlips) {
    // Connor 1987, solved for the difference; the last item is the test's discreteness.
    double d = 0;
    for (int i = 0; i < 50; ++i) {
      d = (kZ95 * std::sqrt(observed) + normal_quantile(kPower) * std::sqrt(std::max(0.0, observed - d * d))) /
          std::sqrt(n);
    }
    return std::min(1.0, d + 1 / n);
  }
  // A difference that takes 60 flips is found: 80 one way leave nothing to chance.
  double low = 0, high = std::min(1.0, 80 / n);
  if (mcnemar_power(items, high, high) < kPower) return 1;
  for (int i = 0; i < 12; ++i) {
    const double middle = 0.5 * (low + high);
    (mcnemar_power(items, std::max(observed, middle), middle) < kPower ? low : high) = middle;
  }
  return high;
}

double minimal_detectable_effect(double stderr_value, size_t units) {
  const double degrees = static_cast<double>(std::max<size_t>(units, 2) - 1);
  return (student_quantile(0.975, degrees) + student_quantile(0.8, degrees)) * stderr_value;
}

OneSampleResult compare_with_number(const Estimate& estimate, size_t items, size_t units, ScoreKind kind,
                                    double number) {
  OneSampleResult result;
  result.difference = estimate.value - number;
  const bool clustered = units < items;
  const bool unit = kind == ScoreKind::kRightOrWrong || kind == ScoreKind::kUnit;
  auto interval = unit ? unit_interval(estimate, items, units) : student_interval(estimate, units, clustered);
  if (interval) result.interval = Interval{interval->low - number, interval->high - number, interval->conservative};
  const bool varies = estimate.stderr_ && *estimate.stderr_ > 0;
  // All right or all wrong: the error says nothing, the number of units does.
  const int64_t effective =
      std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(units) / (clustered ? kClusterPenalty : 1)));
  if (varies && units >= 2) result.mde80 = minimal_detectable_effect(*estimate.stderr_, units);
  if (unit && !varies && units >= 2 && number > 0 && number < 1) {
    result.mde80 = std::min(
        1.0, minimal_detectable_effect(std::sqrt(number * (1 - number) / static_cast<double>(effective)), units));
  }
  if (kind == ScoreKind::kRightOrWrong && !clustered && items > 0) {
    result.test = "one-sample binomial";
    const double n = static_cast<double>(items);
    result.p = binomial_test(std::llround(estimate.value * n), static_cast<int64_t>(items), number);
  } else if (unit && !varies && estimate.stderr_ && units >= 2) {
    result.test = clustered ? "one-sample binomial of clusters" : "one-sample binomial";
    result.p = binomial_test(std::llround(estimate.value * static_cast<double>(effective)), effective, number);
  } else if (varies && units >= 2) {
    result.test = "one-sample t";
    const double t = std::abs(result.difference) / *estimate.stderr_;
    result.p = 2 * student_cdf(-t, static_cast<double>(units - 1));
  }
  return result;
}

}  // namespace assay
