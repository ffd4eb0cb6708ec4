#include "reports/clusters.h"

#include <cmath>
#include <unordered_map>

#include "core/error.h"

namespace assay {

Clusters make_clusters(std::span<const std::string> labels) {
  Clusters clusters;
  std::unordered_map<std::string, int> number;
  for (const std::string& label : labels) {
    int next = static_cast<int>(clusters.count);
    if (!label.empty()) {
      auto [place, added] = number.try_emplace(label, next);
      clusters.of_item.push_back(place->second);
      clusters.count += added;
    } else {
      clusters.of_item.push_back(next);
      ++clusters.count;
    }
  }
  if (clusters.count == labels.size()) clusters.of_item.clear();
  return clusters;
}

Clusters independent_items(size_t items) {
  return {{}, items};
}

std::vector<double> cluster_sums(std::span<const double> values, const Clusters& clusters) {
  if (!clusters.is_clustered()) return {values.begin(), values.end()};
  ASSAY_ASSERT(clusters.of_item.size() == values.size(), "every item has a cluster");
  std::vector<double> sums(clusters.count, 0.0);
  for (size_t i = 0; i < values.size(); ++i) sums[static_cast<size_t>(clusters.of_item[i])] += values[i];
  return sums;
}

Estimate clustered_ratio(std::span<const double> numerator, std::span<const double> denominator,
                         const Clusters& clusters) {
  Estimate estimate = ratio(numerator, denominator);
  if (!clusters.is_clustered()) return estimate;
  estimate.stderr_.reset();
  if (clusters.count < 2) return estimate;
  double below = 0;
  std::vector<double> residuals(numerator.size());
  for (size_t i = 0; i < numerator.size(); ++i) {
    residuals[i] = numerator[i] - estimate.value * denominator[i];
    below += denominator[i];
  }
  double squares = 0;
  for (double sum : cluster_sums(residuals, clusters)) squares += sum * sum;
  const double count = static_cast<double>(clusters.count);
  estimate.stderr_ = std::sqrt(count / (count - 1) * squares) / below;
  return estimate;
}

Estimate clustered_mean(std::span<const double> values, const Clusters& clusters) {
  if (!clusters.is_clustered()) return mean(values);
  return clustered_ratio(values, std::vector<double>(values.size(), 1.0), clusters);
}

}  // namespace assay
