#include "reports/aggregate.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace assay {
namespace {

Score scored(double value, double weight = 1) {
  Score score;
  score.metric = "acc", score.filter = "none", score.value = value, score.weight = weight;
  return score;
}

Score with(Outcome outcome) {
  Score score = scored(0);
  score.outcome = outcome;
  return score;
}

}  // namespace

TEST_CASE("a mean has the standard error sd / sqrt(n)") {
  Aggregate out = aggregate_scores({scored(1), scored(1), scored(0), scored(1)}, "mean", true);
  CHECK(out.estimate.value == Approx(0.75));
  CHECK(*out.estimate.stderr_ == Approx(std::sqrt(0.75 * 0.25 / 3)));
  CHECK(out.items == 4);
}

TEST_CASE("a number says how many of its items are independent, a group's all its members'") {
  std::vector<Score> scores = {scored(1), scored(0), scored(1), scored(0)};
  scores[0].cluster = scores[1].cluster = "passage";
  const Aggregate clustered = aggregate_scores(scores, "mean", true);
  CHECK(clustered.units == 3);
  const Aggregate plain = aggregate_scores({scored(1), scored(0)}, "mean", true);
  CHECK(plain.units == 2);
  CHECK(aggregate_group({clustered, plain}, true).units == 5);
}

// Values and errors of scikit-learn 1.x; its error is the spread of 2000 resamples.
TEST_CASE("Matthews' coefficient and F1 are made of gold and chosen choices") {
  const auto of = [](const std::vector<int>& gold, const std::vector<int>& chosen, const char* aggregation, int times) {
    std::vector<Score> scores;
    for (int i = 0; i < times; ++i)
      for (size_t k = 0; k < gold.size(); ++k)
        scores.push_back(scored(gold[k] == chosen[k] ? 1 : 0, choice_pair(gold[k], chosen[k])));
    return aggregate_scores(scores, aggregation, true).estimate;
  };
  CHECK(of({1, 0, 1, 1, 0, 2}, {1, 0, 0, 1, 1, 2}, "matthews_corrcoef", 1).value == Approx(0.454545).epsilon(1e-5));
  const std::vector<int> gold = {1, 0, 1, 1, 0, 0}, chosen = {1, 0, 0, 1, 1, 0};
  CHECK(of(gold, chosen, "matthews_corrcoef", 20).value == Approx(1.0 / 3));
  CHECK(of(gold, chosen, "f1", 20).value == Approx(2.0 / 3));
  CHECK(*of(gold, chosen, "matthews_corrcoef", 20).stderr_ == Approx(0.0876).epsilon(0.1));
  CHECK(*of(gold, chosen, "f1", 20).stderr_ == Approx(0.0499).epsilon(0.1));
  CHECK(of({0, 0}, {0, 0}, "matthews_corrcoef", 1).value == 0);
  CHECK(of({0, 0}, {0, 0}, "f1", 1).value == 0);
}

TEST_CASE("one item gives a value without an error") {
  CHECK_FALSE(aggregate_scores({scored(1)}, "mean", true).estimate.stderr_.has_value());
}

TEST_CASE("a missing answer is missing, not wrong; an unparsed one is wrong and counted apart") {
  Aggregate out =
      aggregate_scores({scored(1), with(Outcome::kMissing), with(Outcome::kUnparsed), scored(1)}, "mean", true);
  CHECK(out.estimate.value == Approx(2.0 / 3));
  CHECK(out.items == 3);
  CHECK(out.missing == 1);
  CHECK(out.unparsed == 1);
}

TEST_CASE("nothing answered gives no value") {
  Aggregate out = aggregate_scores({with(Outcome::kMissing)}, "mean", true);
  CHECK_FALSE(out.has_value);
  CHECK(out.missing == 1);
}

TEST_CASE("bits per byte are a ratio of sums, not a mean of ratios") {
  Aggregate out = aggregate_scores({scored(10, 10), scored(300, 100)}, "bits_per_byte", false);
  CHECK(out.estimate.value == Approx(310.0 / 110));
  double r = 310.0 / 110;
  double squares = std::pow(10 - r * 10, 2) + std::pow(300 - r * 100, 2);
  CHECK(*out.estimate.stderr_ == Approx(std::sqrt(2.0 * squares) / 110));
}

TEST_CASE("perplexities are powers of the same ratio") {
  Aggregate out = aggregate_scores({scored(10, 10), scored(30, 10)}, "byte_perplexity", false);
  CHECK(out.estimate.value == Approx(std::exp(2.0)));
}

TEST_CASE("groups weigh items or members, with the error of a stratified mean") {
  std::vector<Score> many(100, scored(0)), few(10, scored(0));
  for (int i = 0; i < 50; ++i) many[static_cast<size_t>(i)] = scored(1);
  for (int i = 0; i < 10; ++i) few[static_cast<size_t>(i)] = scored(i % 5 ? 1 : 0);
  std::vector<Aggregate> members = {aggregate_scores(many, "mean", true), aggregate_scores(few, "mean", true)};
  double se_many = *members[0].estimate.stderr_, se_few = *members[1].estimate.stderr_;
  Aggregate micro = aggregate_group(members, true);
  CHECK(micro.estimate.value == Approx(58.0 / 110));
  CHECK(*micro.estimate.stderr_ == Approx(std::hypot(100 * se_many, 10 * se_few) / 110));
  CHECK(micro.items == 110);
  Aggregate macro = aggregate_group(members, false);
  CHECK(macro.estimate.value == Approx((0.5 + 0.8) / 2));
  CHECK(*macro.estimate.stderr_ == Approx(std::hypot(se_many, se_few) / 2));
}

}  // namespace assay
