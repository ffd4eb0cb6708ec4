#include "reports/aggregate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "reports/clusters.h"
#include "reports/counter_random.h"

namespace assay {
namespace {

// f(value) with the error carried through by f'(value) (delta method).
Estimate transform(const Estimate& estimate, double value, double slope) {
  Estimate out{value, std::nullopt};
  if (estimate.stderr_) out.stderr_ = std::abs(slope) * *estimate.stderr_;
  return out;
}

// How often each choice was gold, was chosen, and both.
class ChoiceCounts {
 public:
  explicit ChoiceCounts(const std::vector<double>& pairs) {
    int most = 0;
    for (double pair : pairs) most = std::max({most, gold_of_pair(pair), chosen_of_pair(pair)});
    gold_.resize(static_cast<size_t>(most) + 1);
    chosen_ = both_ = gold_;
  }

  void clear() {
    for (auto* counts : {&gold_, &chosen_, &both_}) std::fill(counts->begin(), counts->end(), 0.0);
    items_ = 0;
  }
  void add(double pair) {
    const size_t gold = static_cast<size_t>(gold_of_pair(pair)), chosen = static_cast<size_t>(chosen_of_pair(pair));
    ++items_, ++gold_[gold], ++chosen_[chosen];
    if (gold == chosen) ++both_[gold];
  }

  double f1() const {
    if (gold_.size() < 2 || gold_[1] + chosen_[1] == 0) return 0;
    return 2 * both_[1] / (gold_[1] + chosen_[1]);
  }

  double matthews() const {
    double right = 0, product = 0, gold_squares = 0, chosen_squares = 0;
    for (size_t k = 0; k < gold_.size(); ++k) {
      right += both_[k], product += gold_[k] * chosen_[k];
      gold_squares += gold_[k] * gold_[k], chosen_squares += chosen_[k] * chosen_[k];
    }
    const double all = items_ * items_, spread = (all - gold_squares) * (all - chosen_squares);
    return spread > 0 ? (right * items_ - product) / std::sqrt(spread) : 0;
  }

 private:
  std::vector<double> gold_, chosen_, both_;
  double items_ = 0;
};

Estimate of_choices(const std::string& aggregation, const std::vector<double>& pairs, const Clusters& clusters) {
  constexpr size_t kResamples = 1000;
  constexpr uint64_t kSeed = 0x6D6363;
  ChoiceCounts counts(pairs);
  const auto number = [&] { return aggregation == "f1" ? counts.f1() : counts.matthews(); };
  for (double pair : pairs) counts.add(pair);
  Estimate out{number(), std::nullopt};
  if (clusters.count < 2) return out;
  std::vector<std::vector<double>> units(clusters.count);
  for (size_t i = 0; i < pairs.size(); ++i)
    units[clusters.is_clustered() ? static_cast<size_t>(clusters.of_item[i]) : i].push_back(pairs[i]);
  std::vector<double> numbers;
  for (size_t resample = 0; resample < kResamples; ++resample) {
    counts.clear();
    for (size_t draw = 0; draw < units.size(); ++draw) {
      const double place = counter_uniform(kSeed, resample * units.size() + draw) * static_cast<double>(units.size());
      for (double pair : units[std::min(static_cast<size_t>(place), units.size() - 1)]) counts.add(pair);
    }
    numbers.push_back(number());
  }
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / kResamples;
  double squares = 0;
  for (double one : numbers) squares += (one - mean) * (one - mean);
  out.stderr_ = std::sqrt(squares / (kResamples - 1));
  return out;
}

Estimate combine(const std::string& aggregation, const std::vector<double>& values, const std::vector<double>& weights,
                 const Clusters& clusters) {
  if (aggregation == "mean") return clustered_mean(values, clusters);
  if (aggregation == "bits_per_byte") return clustered_ratio(values, weights, clusters);
  if (aggregation == "byte_perplexity" || aggregation == "word_perplexity" || aggregation == "perplexity") {
    Estimate nats = clustered_ratio(values, weights, clusters);
    double power = std::exp(nats.value);
    return transform(nats, power, power);
  }
  if (aggregation == "matthews_corrcoef" || aggregation == "f1") return of_choices(aggregation, weights, clusters);
  throw_input(aggregation, "unknown aggregation",
              "known: mean bits_per_byte byte_perplexity word_perplexity perplexity matthews_corrcoef f1");
}

}  // namespace

Aggregate aggregate_scores(const std::vector<Score>& scores, const std::string& aggregation, bool higher_is_better) {
  ASSAY_ASSERT(!scores.empty(), "an aggregate needs scores");
  Aggregate out;
  out.metric = scores.front().metric;
  out.filter = scores.front().filter;
  out.higher_is_better = higher_is_better;
  std::vector<double> values, weights;
  std::vector<std::string> clusters;
  for (const Score& score : scores) {
    if (score.outcome == Outcome::kMissing) {
      ++out.missing;
      continue;
    }
    if (score.outcome == Outcome::kUnparsed) ++out.unparsed;
    values.push_back(score.value);
    weights.push_back(score.weight);
    clusters.push_back(score.cluster);
  }
  out.items = static_cast<int64_t>(values.size());
  if (values.empty()) return out;
  out.has_value = true;
  const Clusters together = make_clusters(clusters);
  out.units = static_cast<int64_t>(together.count);
  out.estimate = combine(aggregation, values, weights, together);
  return out;
}

Aggregate aggregate_group(const std::vector<Aggregate>& members, bool by_size) {
  ASSAY_ASSERT(!members.empty(), "a group needs members");
  Aggregate out;
  out.metric = members.front().metric;
  out.filter = members.front().filter;
  out.higher_is_better = members.front().higher_is_better;
  std::vector<Estimate> estimates;
  std::vector<double> weights;
  for (const Aggregate& member : members) {
    out.items += member.items;
    out.units += member.units;
    out.unparsed += member.unparsed;
    out.missing += member.missing;
    if (!member.has_value) continue;
    estimates.push_back(member.estimate);
    weights.push_back(by_size ? static_cast<double>(member.items) : 1.0);
  }
  if (estimates.empty()) return out;
  out.has_value = true;
  out.estimate = stratified(estimates, weights);
  return out;
}

}  // namespace assay
