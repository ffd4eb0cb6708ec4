// Coverage by simulation: 2,000 experiments a row, fixed seed. A 95 % interval has to hold the truth in 93 to 97 % of
// them.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "reports/clusters.h"
#include "reports/counter_random.h"
#include "reports/curve.h"
#include "reports/distributions.h"
#include "reports/intervals.h"
#include "reports/paired.h"

namespace assay {
namespace {

constexpr int kExperiments = 2000;

class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  double uniform() { return counter_uniform(seed_, next_++); }
  bool chance(double rate) { return uniform() < rate; }
  double normal() { return std::sqrt(-2 * std::log1p(-uniform())) * std::cos(6.283185307179586 * uniform()); }
  // Marsaglia and Tsang's gamma, two of which make a beta.
  double gamma(double shape) {
    if (shape < 1) return gamma(shape + 1) * std::pow(1 - uniform(), 1 / shape);
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    while (true) {
      double x = normal(), v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(1 - uniform()) < 0.5 * x * x + d * (1 - v + std::log(v))) return d * v;
    }
  }
  double beta(double a, double b) {
    double x = gamma(a), y = gamma(b);
    return x / (x + y);
  }

 private:
  uint64_t seed_, next_ = 0;
};

// Share of experiments whose interval holds the truth.
double coverage(const std::function<std::optional<Interval>(Random&)>& experiment, double truth, uint64_t seed) {
  Random random(seed);
  int covered = 0;
  for (int i = 0; i < kExperiments; ++i) {
    auto interval = experiment(random);
    covered += interval && interval->contains(truth);
  }
  return static_cast<double>(covered) / kExperiments;
}

void check_close(double covered) {
  CHECK(covered >= 0.93);
  CHECK(covered <= 0.97);
}

constexpr double kRates[] = {0.05, 0.1, 0.3, 0.5, 0.8, 0.95};

std::optional<Interval> mean_interval(const std::vector<double>& values, const Clusters& clusters) {
  const size_t units = clusters.is_clustered() ? clusters.count : values.size();
  return unit_interval(clustered_mean(values, clusters), values.size(), units);
}

Clusters equal_clusters(size_t count, size_t size) {
  Clusters clusters;
  clusters.count = count;
  for (size_t i = 0; i < count * size; ++i) clusters.of_item.push_back(static_cast<int>(i / size));
  return clusters;
}

}  // namespace

TEST_CASE("right or wrong: intervals cover 93 to 97 %") {
  for (double rate : kRates) {
    for (size_t n : {100, 500}) {
      CAPTURE(rate, n);
      check_close(coverage(
          [&](Random& random) {
            std::vector<double> values(n);
            for (double& value : values) value = random.chance(rate);
            return mean_interval(values, independent_items(n));
          },
          rate, 11));
    }
  }
}

TEST_CASE("right or wrong: coverage worked out exactly, over all outcomes, is 93 to 97 %") {
  for (double n : {100.0, 250.0, 1000.0}) {
    for (double rate : kRates) {
      CAPTURE(n, rate);
      double covered = 0;
      for (int64_t k = 0; k <= static_cast<int64_t>(n); ++k) {
        const double value = static_cast<double>(k) / n;
        const size_t items = static_cast<size_t>(n);
        auto interval = unit_interval({value, std::sqrt(value * (1 - value) / (n - 1))}, items, items);
        if (interval->contains(rate)) {
          covered +=
              binomial_cdf(k, static_cast<int64_t>(n), rate) - binomial_cdf(k - 1, static_cast<int64_t>(n), rate);
        }
      }
      check_close(covered);
    }
  }
}

TEST_CASE("scores between 0 and 1: intervals cover 93 to 97 %") {
  for (double rate : kRates) {
    for (size_t n : {100, 400}) {
      CAPTURE(rate, n);
      // Part exact, part partly right, as F1 is.
      check_close(coverage(
          [&](Random& random) {
            std::vector<double> values(n);
            for (double& value : values) {
              value = random.chance(0.5) ? random.chance(rate) : random.beta(4 * rate, 4 * (1 - rate));
            }
            return mean_interval(values, independent_items(n));
          },
          rate, 2));
    }
  }
}

TEST_CASE("sums over sums (bits per byte): intervals cover 93 to 97 %") {
  for (size_t n : {100, 400}) {
    CAPTURE(n);
    check_close(coverage(
        [&](Random& random) {
          std::vector<double> bits(n), bytes(n);
          for (size_t i = 0; i < n; ++i) {
            bytes[i] = 100 + 900 * random.uniform();
            bits[i] = bytes[i] * (0.7 + 0.15 * random.normal());
          }
          return student_interval(clustered_ratio(bits, bytes, independent_items(n)), n, false);
        },
        0.7, 3));
  }
}

TEST_CASE("log-likelihoods: intervals cover 93 to 97 %") {
  check_close(coverage(
      [&](Random& random) {
        std::vector<double> values(100);
        for (double& value : values) value = -random.gamma(3);
        return student_interval(mean(values), 100, false);
      },
      -3, 4));
}

TEST_CASE("clusters: intervals cover 93 to 97 % with 20 clusters and more") {
  struct Row {
    size_t clusters, size;
    double correlation;
  };
  for (Row row : {Row{20, 20, 0.1}, Row{40, 10, 0.1}, Row{60, 5, 0.3}}) {
    for (double rate : kRates) {
      CAPTURE(row.clusters, row.size, rate);
      const Clusters clusters = equal_clusters(row.clusters, row.size);
      const double strength = 1 / row.correlation - 1;
      check_close(coverage(
          [&](Random& random) {
            std::vector<double> values;
            for (size_t g = 0; g < row.clusters; ++g) {
              double own = random.beta(rate * strength, (1 - rate) * strength);
              for (size_t i = 0; i < row.size; ++i) values.push_back(random.chance(own));
            }
            return mean_interval(values, clusters);
          },
          rate, 5));
    }
  }
}

TEST_CASE("points of curves: intervals cover 93 to 97 %, with and without clusters") {
  auto covered = [](double rate, const Clusters& clusters, size_t n, double correlation) {
    return coverage(
        [&](Random& random) {
          std::vector<ReportRow> rows(2);
          for (size_t step = 0; step < 2; ++step) {
            std::vector<double> values;
            double own = rate;
            for (size_t i = 0; i < n; ++i) {
              const bool starts = clusters.is_clustered() && (i == 0 || clusters.of_item[i] != clusters.of_item[i - 1]);
              const double strength = 1 / correlation - 1;
              if (starts) own = random.beta(rate * strength, (1 - rate) * strength);
              values.push_back(random.chance(own));
            }
            const Estimate estimate = clustered_mean(values, clusters);
            ReportRow& row = rows[step];
            row.run = static_cast<int64_t>(step), row.checkpoint = "step-" + std::to_string(step);
            row.step = static_cast<int64_t>(step), row.metric = row.headline = "acc";
            row.value = estimate.value, row.stderr_ = estimate.stderr_;
            row.n = static_cast<int64_t>(n);
            row.units = static_cast<int64_t>(clusters.is_clustered() ? clusters.count : n);
          }
          const CurvePoint point = make_curves(rows).curves.at(0).points.at(1);
          return point.low ? std::optional(Interval{*point.low, *point.high, point.conservative}) : std::nullopt;
        },
        rate, 11);
  };
  for (double rate : kRates) {
    CAPTURE(rate);
    check_close(covered(rate, independent_items(100), 100, 1));
    check_close(covered(rate, equal_clusters(40, 10), 400, 0.1));
  }
}

TEST_CASE("paired differences: intervals cover 93 to 97 %") {
  for (double rate : kRates) {
    CAPTURE(rate);
    // Two models that share most of what they know; the second is right where the first is, but for flips.
    const double lose = 0.2 * rate, win = 0.2 * (1 - rate), difference = lose * 1 - win * 1;
    auto draw = [&](Random& random, size_t n) {
      PairedScores scores;
      for (size_t i = 0; i < n; ++i) {
        bool a = random.chance(rate);
        bool b = a ? !random.chance(lose / rate) : random.chance(win / (1 - rate));
        scores.a.push_back(a);
        scores.b.push_back(b);
      }
      return scores;
    };
    check_close(coverage(
        [&](Random& random) {
          PairedScores scores = draw(random, 300);
          scores.clusters = independent_items(300);
          return compare_paired(scores, ScoreKind::kRightOrWrong).interval;
        },
        difference, 6));
  }
}

TEST_CASE("paired differences of clusters: intervals cover 93 to 97 %") {
  const Clusters clusters = equal_clusters(25, 8);
  check_close(coverage(
      [&](Random& random) {
        PairedScores scores;
        scores.clusters = clusters;
        for (size_t g = 0; g < 25; ++g) {
          double own = random.beta(3, 3), shift = 0.2 * (random.uniform() - 0.5);
          for (size_t i = 0; i < 8; ++i) {
            scores.a.push_back(random.chance(own));
            scores.b.push_back(random.chance(std::min(1.0, std::max(0.0, own + shift))));
          }
        }
        return compare_paired(scores, ScoreKind::kRightOrWrong).interval;
      },
      0.0, 7));
}

TEST_CASE("outside that range an interval is a conservative one, and says so") {
  struct Row {
    double rate;
    size_t n;
  };
  for (Row row : {Row{0.01, 100}, Row{0.3, 20}, Row{0.98, 60}}) {
    CAPTURE(row.rate, row.n);
    int flagged = 0;
    double covered = coverage(
        [&](Random& random) {
          std::vector<double> values(row.n);
          for (double& value : values) value = random.chance(row.rate);
          auto interval = mean_interval(values, independent_items(row.n));
          flagged += interval && interval->conservative;
          return interval;
        },
        row.rate, 8);
    CHECK(covered >= 0.95);
    CHECK(flagged > kExperiments * 9 / 10);
  }
}

TEST_CASE("exact McNemar and sign flips reject a true null in at most 5 % of experiments") {
  int mcnemar = 0, flips = 0;
  Random random(9);
  for (int i = 0; i < kExperiments; ++i) {
    PairedScores scores;
    std::vector<double> differences;
    for (int k = 0; k < 100; ++k) {
      scores.a.push_back(random.chance(0.4));
      scores.b.push_back(random.chance(0.4));
      differences.push_back(random.gamma(1) - random.gamma(1));
    }
    scores.clusters = independent_items(100);
    mcnemar += compare_paired(scores, ScoreKind::kRightOrWrong).p <= 0.05;
    flips += sign_flip_test(differences, 1000 + static_cast<uint64_t>(i)) <= 0.05;
  }
  CHECK(mcnemar <= kExperiments * 0.06);
  CHECK(flips <= kExperiments * 0.06);
  CHECK(flips >= kExperiments * 0.04);
}

}  // namespace assay
