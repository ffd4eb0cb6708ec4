// Items that are not independent: questions on one passage, variants of one stem, questions of one subject.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "reports/stats.h"

namespace assay {

// The cluster of each item, as numbers 0 .. count - 1. With no labels at all every item is its own cluster.
struct Clusters {
  std::vector<int> of_item;  // empty: every item is its own
  size_t count = 0;

  bool is_clustered() const { return !of_item.empty(); }
};

// One label an item; an item whose label is empty is its own cluster. Items that nobody shares a cluster with give
// Clusters without labels.
Clusters make_clusters(std::span<const std::string> labels);
// `items` independent ones.
Clusters independent_items(size_t items);

// sum(numerator) / sum(denominator) with the cluster-robust error: the residuals are summed within clusters first,
//   sqrt(G / (G - 1) * sum_g (sum_{i in g} y_i - r x_i)^2) / sum x,   G clusters
// (Liang and Zeger 1986 with the correction G / (G - 1)). With independent items it is reports/stats.h's ratio(). No
// error with fewer than two clusters. Preconditions as there, and one entry an item in `clusters`.
Estimate clustered_ratio(std::span<const double> numerator, std::span<const double> denominator,
                         const Clusters& clusters);
// The mean: the same with x = 1.
Estimate clustered_mean(std::span<const double> values, const Clusters& clusters);

// Sums of `values` within clusters: count entries.
std::vector<double> cluster_sums(std::span<const double> values, const Clusters& clusters);

}  // namespace assay
