#include "reports/aggregate.h"

#include <cmath>

#include "core/error.h"
#include "reports/clusters.h"

namespace assay {
namespace {

// f(value) with the error carried through by f'(value) (delta method).
Estimate transform(const Estimate& estimate, double value, double slope) {
  Estimate out{value, std::nullopt};
  if (estimate.stderr_) out.stderr_ = std::abs(slope) * *estimate.stderr_;
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
  throw_input(aggregation, "unknown aggregation",
              "known: mean bits_per_byte byte_perplexity word_perplexity perplexity");
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
