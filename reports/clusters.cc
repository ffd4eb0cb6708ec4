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

MeanOfClusters mean_of_clusters(std::span<const double> values, std::span<const double> weights,
                                const Clusters& clusters) {
  ASSAY_ASSERT(!values.empty(), "a mean needs values");
  const std::vector<double> share(weights.begin(), weights.end());
  auto weight = [&](size_t i) { return share.empty() ? 1.0 : share[i]; };
  double all = 0, sum = 0;
  for (size_t i = 0; i < values.size(); ++i) all += weight(i), sum += weight(i) * values[i];
  MeanOfClusters out;
  out.estimate.value = sum / all;
  const size_t count = clusters.is_clustered() ? clusters.count : values.size();
  if (count < 2) return out;
  std::vector<double> parts(values.size()), residuals(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    parts[i] = weight(i) / all;
    residuals[i] = parts[i] * (values[i] - out.estimate.value);
  }
  double h2 = 0, h3 = 0, h4 = 0, h5 = 0, squares = 0;
  for (double h : cluster_sums(parts, clusters)) {
    const double square = h * h;
    h2 += square, h3 += square * h, h4 += square * square, h5 += square * square * h;
  }
  for (double r : cluster_sums(residuals, clusters)) squares += r * r;
  out.effective = 1 / h2;
  const double trace = h2 - 2 * h3 + h2 * h2;  // of B, where sum r^2 = m' B m for the clusters' means m
  if (trace <= 0) return out;
  // B_gh = h_g h_h (delta_gh - h_g - h_h + H_2); the trace of its square, summed first over all pairs as if delta were
  // 0, then what the diagonal has besides: h_g^4 ((1 - 2 h_g + H_2)^2 - (H_2 - 2 h_g)^2) = h_g^4 (1 + 2 H_2 - 4 h_g).
  const double pairs = h2 * h2 * h2 * h2 + 2 * h4 * h2 - 4 * h2 * h3 * h2 + 2 * h3 * h3;
  const double square = pairs + h4 * (1 + 2 * h2) - 4 * h5;
  out.estimate.stderr_ = std::sqrt(h2 / trace * squares);
  out.degrees = trace * trace / square;
  return out;
}

}  // namespace assay
