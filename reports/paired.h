// Two models on the same items: the difference with its interval, and the test that fits the scores.
//
//   right or wrong, independent items   exact McNemar on the items that flipped
//   anything else                       sign flips: under the null a pair's (a cluster's) difference is as likely to
//   have
//                                       the other sign; the share of sign patterns with a sum at least as far from zero
// Sign patterns come from a counter-based generator with a fixed seed, so a p-value is the same wherever it is
// computed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reports/clusters.h"
#include "reports/intervals.h"

namespace assay {

// Two-sided exact test of equal numbers of flips each way: binomial(only_a + only_b, 1/2). 1 where nothing flipped.
double exact_mcnemar(int64_t only_a, int64_t only_b);

// Two-sided sign-flip test that the differences of independent units have mean zero. All patterns where there are at
// most 2^14; else random ones, at most `kSignPatterns`, ended early when 100 were as extreme (Besag and Clifford 1991).
// p >= 1 / (kSignPatterns + 1) then.
inline constexpr int kSignPatterns = 9999;
inline constexpr uint64_t kSignSeed = 20240105;
double sign_flip_test(std::span<const double> differences, uint64_t seed = kSignSeed);

// How the items' scores become one number.
enum class ScoreKind {
  kRightOrWrong,  // every value is 0 or 1
  kUnit,          // values between 0 and 1
  kReal,          // any values: their mean
  kRatio,         // sum(value) / sum(weight)
};

struct PairedScores {
  std::vector<double> a, b;                // values, the same item at the same place
  std::vector<double> weight_a, weight_b;  // kRatio only
  Clusters clusters;                       // of the items
};

// The kind of mean that values need: kRightOrWrong, kUnit or kReal.
ScoreKind kind_of_mean(std::span<const double> a, std::span<const double> b);

struct PairedResult {
  double a = 0, b = 0, difference = 0;  // difference = a - b
  std::optional<double> stderr_;        // of the difference
  std::optional<Interval> interval;     // of the difference
  double p = 1;
  std::string test;                // "exact McNemar", "sign flips", "sign flips of clusters"
  int64_t only_a = 0, only_b = 0;  // items where a (b) has the larger value
  std::optional<double> mde80;     // see below; nothing where no data could have shown a difference
};

// Precondition: at least one item, all vectors of one length.
// Intervals: right or wrong, independent: Wald's with one half of an item added to each kind of flip twice over (Bonett
// and Price 2012), so that it is not empty where nothing flipped; else +- t times the (cluster-robust) error. Where
// fewer than ten items or clusters changed, that error is widened by two more flips, and with none at all the interval
// holds what the number of units leaves open, 1 - 0.025^(1 / units) each way; both are marked as conservative.
PairedResult compare_paired(const PairedScores& scores, ScoreKind kind);

// The smallest true difference that a two-sided test at 5 % finds in 80 % of experiments, when a difference has this
// standard error: (z_0.975 + z_0.8) stderr, with Student's quantiles for `units` - 1 degrees of freedom.
double minimal_detectable_effect(double stderr_value, size_t units);

// The same for exact McNemar: the smallest difference which it finds in 80 % of experiments, when as many items flip as
// did, or as many as the difference needs. Up to 59 flips by the test's own power, then by the normal distribution
// (Connor 1987). At most 1.
double mcnemar_detectable_effect(int64_t items, int64_t flips);

// One sample against a number taken as exact (a published one).
struct OneSampleResult {
  double difference = 0;
  std::optional<Interval> interval;  // of the difference
  std::optional<double> p, mde80;
  std::string test;  // "one-sample binomial", "one-sample binomial of clusters", "one-sample t"
};
// kind kRightOrWrong with independent items: the exact binomial test. Scores in [0, 1] that do not vary (0 % or 100 %
// in clusters or a group): the same on the number of units, in clusters divided by 1.7 as for intervals. Else t on
// value and error; none where that error is 0.
OneSampleResult compare_with_number(const Estimate& estimate, size_t items, size_t units, ScoreKind kind,
                                    double number);

}  // namespace assay
