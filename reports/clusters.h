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

// A weighted mean, sum u_i v_i / sum u_i, whose error holds for few clusters and clusters of any sizes.
//   h_g = cluster g's part of the weights, r_g = sum_{i in g} u_i (v_i - mean) / sum u,   H_k = sum_g h_g^k
//   stderr^2 = H_2 / (H_2 - 2 H_3 + H_2^2) * sum_g r_g^2
// The factor makes stderr^2 unbiased where a cluster's items are all alike, and too large rather than too small where
// they are independent; for clusters of one weight it is G / (G - 1). `degrees`: Satterthwaite's (1946) for this sum of
// squares, the clusters' means being normal of one variance, as Bell and McCaffrey (2002) do; G - 1 for equal weights.
// Independent items of one weight: mean()'s error and n - 1. No error with fewer than two clusters. `weights`:
// positive; empty = all equal. Preconditions: at least one value, one entry an item in `weights` and `clusters`.
struct MeanOfClusters {
  Estimate estimate;
  double degrees = 0;
  double effective = 0;  // 1 / H_2: clusters of one weight that would say as much
};
MeanOfClusters mean_of_clusters(std::span<const double> values, std::span<const double> weights,
                                const Clusters& clusters);

// Sums of `values` within clusters: count entries.
std::vector<double> cluster_sums(std::span<const double> values, const Clusters& clusters);

}  // namespace assay
