// Every statistic against a known answer: tests/golden/statistics (scipy, statsmodels).
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/json.h"
#include "reports/clusters.h"
#include "reports/distributions.h"
#include "reports/intervals.h"
#include "reports/multiple_testing.h"
#include "reports/paired.h"

namespace assay {
namespace {

const Json& golden() {
  static const Json values = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/statistics/statistics.json");
  return values;
}

Approx near(const Json& value) {
  return Approx(value.get<double>()).epsilon(1e-8);
}

Clusters golden_clusters() {
  Clusters clusters;
  clusters.of_item = golden()["clusters"].get<std::vector<int>>();
  clusters.count = 1 + static_cast<size_t>(*std::max_element(clusters.of_item.begin(), clusters.of_item.end()));
  return clusters;
}

std::vector<double> numbers(const char* key) {
  return golden()[key].get<std::vector<double>>();
}

}  // namespace

TEST_CASE("exact McNemar is statsmodels'") {
  for (const Json& row : golden()["mcnemar"]) {
    CHECK(exact_mcnemar(row[0].get<int>(), row[1].get<int>()) == near(row[2]));
  }
  CHECK(exact_mcnemar(0, 0) == 1);
}

TEST_CASE("the exact binomial test is scipy's") {
  for (const Json& row : golden()["binomial_test"]) {
    CHECK(binomial_test(row[0].get<int>(), row[1].get<int>(), row[2].get<double>()) == near(row[3]));
  }
}

TEST_CASE("normal and Student quantiles are scipy's") {
  for (const Json& row : golden()["student_quantile"]) {
    CHECK(student_quantile(row[0].get<double>(), row[1].get<double>()) == near(row[2]));
  }
  for (const Json& row : golden()["student_cdf"]) {
    CHECK(student_cdf(row[0].get<double>(), row[1].get<double>()) == near(row[2]));
  }
  for (const Json& row : golden()["normal_quantile"]) {
    CHECK(normal_quantile(row[0].get<double>()) == near(row[1]).margin(1e-12));
  }
  CHECK(student_quantile(0.975, std::numeric_limits<double>::infinity()) == Approx(1.959963984540054));
}

TEST_CASE("Wilson's and Clopper and Pearson's intervals are statsmodels'") {
  for (const Json& row : golden()["wilson"]) {
    Interval interval = wilson_interval(row[0].get<double>(), row[1].get<double>());
    CHECK(interval.low == near(row[2]).margin(1e-12));
    CHECK(interval.high == near(row[3]));
  }
  for (const Json& row : golden()["exact"]) {
    Interval interval = exact_interval(row[0].get<double>(), row[1].get<double>());
    CHECK(interval.low == near(row[2]).margin(1e-12));
    CHECK(interval.high == near(row[3]));
  }
}

TEST_CASE("Benjamini and Hochberg's q-values are statsmodels', and a row without a test does not count") {
  auto p = golden()["benjamini_hochberg"][0].get<std::vector<double>>();
  auto q = golden()["benjamini_hochberg"][1].get<std::vector<double>>();
  std::vector<std::optional<double>> with_gap(p.begin(), p.end());
  with_gap.insert(with_gap.begin() + 3, std::nullopt);
  auto found = benjamini_hochberg(with_gap);
  CHECK_FALSE(found[3].has_value());
  for (size_t i = 0; i < q.size(); ++i) CHECK(*found[i < 3 ? i : i + 1] == Approx(q[i]));
}

TEST_CASE("the error of a mean over clusters is that of statsmodels' cluster-robust regression") {
  Estimate estimate = clustered_mean(numbers("a"), golden_clusters());
  CHECK(estimate.value == near(golden()["clustered_mean"][0]));
  CHECK(*estimate.stderr_ == near(golden()["clustered_mean"][1]));
}

TEST_CASE(
    "a mean of clusters: the usual error for equal clusters, more and fewer degrees of freedom for unequal ones") {
  // Equal clusters and equal weights: G / (G - 1), G - 1 degrees of freedom.
  const std::vector<double> values = {1, 0, 1, 1, 0, 0, 1, 0};
  const Clusters pairs{{0, 0, 1, 1, 2, 2, 3, 3}, 4};
  const MeanOfClusters equal = mean_of_clusters(values, {}, pairs);
  CHECK(*equal.estimate.stderr_ == Approx(*clustered_mean(values, pairs).stderr_));
  CHECK(equal.degrees == Approx(3));
  const MeanOfClusters alone = mean_of_clusters(values, {}, independent_items(8));
  CHECK(*alone.estimate.stderr_ == Approx(*mean(values).stderr_));
  CHECK(alone.degrees == Approx(7));
  // One cluster of half of all items beside ten of a twentieth: by numpy, tr(B)^2 / tr(B^2) = 1.66716266486.
  std::vector<double> many(20);
  Clusters unequal{{}, 11};
  for (int i = 0; i < 20; ++i) {
    many[static_cast<size_t>(i)] = i % 3 == 0;
    unequal.of_item.push_back(i < 10 ? 0 : i - 9);
  }
  const MeanOfClusters mean = mean_of_clusters(many, {}, unequal);
  CHECK(mean.degrees == Approx(1.66716266486));
  CHECK(*mean.estimate.stderr_ > *clustered_mean(many, unequal).stderr_);
  // Weights: an item of weight two is two items of one cluster.
  const std::vector<double> short_list = {1, 0, 1}, weights = {2, 1, 1}, long_list = {1, 1, 0, 1};
  const MeanOfClusters weighted = mean_of_clusters(short_list, weights, independent_items(3)),
                       twice = mean_of_clusters(long_list, {}, {{0, 0, 1, 2}, 3});
  CHECK(weighted.estimate.value == Approx(0.75));
  CHECK(*weighted.estimate.stderr_ == Approx(*twice.estimate.stderr_));
  CHECK(weighted.degrees == Approx(twice.degrees));
  CHECK_FALSE(mean_of_clusters(values, {}, {{0, 0, 0, 0, 0, 0, 0, 0}, 1}).estimate.stderr_);
}

TEST_CASE("Holm's procedure stops at the first test that holds out") {
  const std::vector<double> p = {0.03, 0.01, 0.02, 0.5};
  CHECK(holm(p, 0.05) == std::vector<bool>{false, true, false, false});  // 0.0125, then 0.05 / 3 < 0.02
  CHECK(holm(std::vector<double>{0.02, 0.01, 0.016}, 0.05) == std::vector<bool>{true, true, true});
  CHECK(holm(std::vector<double>{}, 0.05).empty());
}

TEST_CASE("the paired difference of clustered scores has the same kind of error") {
  PairedScores scores{numbers("a"), numbers("b"), {}, {}, golden_clusters()};
  PairedResult result = compare_paired(scores, kind_of_mean(scores.a, scores.b));
  CHECK(result.test == "sign flips of clusters");
  CHECK(result.difference == near(golden()["clustered_difference"][0]));
  CHECK(*result.stderr_ == near(golden()["clustered_difference"][1]));
}

TEST_CASE("independent pairs of continuous scores have the paired t interval") {
  PairedScores scores{numbers("a"), numbers("b"), {}, {}, independent_items(60)};
  PairedResult result = compare_paired(scores, ScoreKind::kUnit);
  CHECK(result.test == "sign flips");
  CHECK(result.interval->low == near(golden()["paired_t_interval"][0]));
  CHECK(result.interval->high == near(golden()["paired_t_interval"][1]));
  CHECK(result.interval->conservative);
}

TEST_CASE("few pairs: every sign pattern is counted, as scipy's exact permutation test does") {
  CHECK(sign_flip_test(numbers("paired")) == near(golden()["sign_flips"]));
}

TEST_CASE("many pairs: random sign patterns agree with the t test where that holds, and repeat to the last bit") {
  std::vector<double> differences;
  for (int i = 0; i < 200; ++i) differences.push_back(std::sin(i * 1.7) + 0.15);
  Estimate estimate = mean(differences);
  double t = estimate.value / *estimate.stderr_;
  double p = sign_flip_test(differences);
  CHECK(p == Approx(2 * student_cdf(-t, 199)).margin(0.01));
  CHECK(p == sign_flip_test(differences));
  for (double& difference : differences) difference += 5;
  CHECK(sign_flip_test(differences) == Approx(1.0 / (kSignPatterns + 1)));
}

TEST_CASE("the minimal detectable effect is (z_0.975 + z_0.8) standard errors") {
  CHECK(minimal_detectable_effect(1e-3, 1000000) == Approx(golden()["mde80"].get<double>()).epsilon(1e-4));
  CHECK(minimal_detectable_effect(1, 5) > 3.7);
}

TEST_CASE("labels become clusters; those that nobody shares do not") {
  CHECK_FALSE(make_clusters(std::vector<std::string>{"a", "", "b"}).is_clustered());
  Clusters clusters = make_clusters(std::vector<std::string>{"a", "", "a", "", "b"});
  CHECK(clusters.count == 4);
  CHECK(clusters.of_item == std::vector<int>{0, 1, 0, 2, 3});
}

TEST_CASE("against a published number the test is one-sample: binomial for right or wrong, t else") {
  OneSampleResult result = compare_with_number({0.45, 0.05}, 100, 100, ScoreKind::kRightOrWrong, 0.557);
  CHECK(result.test == "one-sample binomial");
  CHECK(*result.p == near(golden()["binomial_test"][2][3]));
  CHECK(result.difference == Approx(-0.107));
  OneSampleResult other = compare_with_number({0.7, 0.01}, 50, 50, ScoreKind::kReal, 0.72);
  CHECK(other.test == "one-sample t");
  CHECK(*other.p == Approx(2 * student_cdf(-2, 49)));
}

TEST_CASE("0 % and 100 % in clusters or a group are tested against a published number") {
  // 40 clusters of 5, no answer right, against 20 %: 23 effective items, 0.8^23 below and as much above.
  const OneSampleResult none = compare_with_number({0, 0.0}, 200, 40, ScoreKind::kUnit, 0.2);
  REQUIRE(none.p);
  CHECK(none.test == "one-sample binomial of clusters");
  CHECK(*none.p < 0.05);
  CHECK(*none.p >= std::pow(0.8, 23));
  CHECK(none.interval->high < 0);
  CHECK(*none.mde80 > 0.1);
  // A group: its items.
  const OneSampleResult all = compare_with_number({1, 0.0}, 100, 100, ScoreKind::kUnit, 0.9);
  CHECK(*all.p == Approx(binomial_test(100, 100, 0.9)));
  CHECK(*all.mde80 > 0);
  // The same numbers as those of right-or-wrong scores.
  CHECK(*compare_with_number({1, 0.0}, 100, 100, ScoreKind::kRightOrWrong, 0.9).p == *all.p);
}

TEST_CASE("two runs without a flip leave open what their number of units leaves open") {
  PairedScores scores;
  for (int i = 0; i < 200; ++i) scores.a.push_back(i % 2), scores.b.push_back(i % 2);
  scores.clusters.count = 40;
  for (int i = 0; i < 200; ++i) scores.clusters.of_item.push_back(i / 5);
  const PairedResult clustered = compare_paired(scores, ScoreKind::kRightOrWrong);
  CHECK(clustered.interval->high == Approx(1 - std::pow(0.025, 1.0 / 40)));
  CHECK(clustered.interval->low == -clustered.interval->high);
  CHECK(clustered.interval->conservative);
  CHECK(*clustered.mde80 > 0.15);  // six of the 40 must change
  scores.clusters = independent_items(200);
  const PairedResult fractions = compare_paired(scores, ScoreKind::kUnit);
  CHECK(fractions.interval->high == Approx(1 - std::pow(0.025, 1.0 / 200)));
  CHECK(fractions.interval->conservative);
  CHECK(*fractions.mde80 >= 0.039);
  scores.clusters = {{}, 4};
  scores.a.resize(4), scores.b.resize(4);
  CHECK_FALSE(compare_paired(scores, ScoreKind::kUnit).mde80);  // four signs have no pattern below 5 %
}

TEST_CASE("the minimal detectable effect of McNemar's test is that of the test, near no flips too") {
  // Nothing flipped: a difference shows from six flips one way on. 1 - sum_{k<6} of binomial(100, d) is 0.8 at d =
  // 0.0776.
  CHECK(mcnemar_detectable_effect(100, 0) == Approx(0.0776).margin(0.0005));
  double at_most_five = 0, d = mcnemar_detectable_effect(100, 0);
  at_most_five = binomial_cdf(5, 100, d);
  CHECK(at_most_five == Approx(0.2).margin(0.005));
  CHECK(mcnemar_detectable_effect(1000, 0) == Approx(0.0079).margin(0.0001));
  CHECK(mcnemar_detectable_effect(5, 0) == 1);  // five flips one way have p = 0.0625
  // Both ways of working it out meet at their border, and more flips hide more.
  CHECK(mcnemar_detectable_effect(1000, 59) == Approx(mcnemar_detectable_effect(1000, 60)).epsilon(0.06));
  CHECK(mcnemar_detectable_effect(1000, 20) < mcnemar_detectable_effect(1000, 50));
  PairedScores scores;
  scores.a = scores.b = std::vector<double>(100, 1.0);
  scores.clusters = independent_items(100);
  CHECK(*compare_paired(scores, ScoreKind::kRightOrWrong).mde80 >= 0.0775);
}

}  // namespace assay
