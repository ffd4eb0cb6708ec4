#include "reports/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/text.h"
#include "reports/multiple_testing.h"

namespace assay {
namespace {

constexpr double kLevel = 0.05;

struct Pair {
  const ItemScore* a;
  const ItemScore* b;
};

// Items that both have, in A's order.
std::vector<Pair> common_items(const std::vector<ItemScore>& a, const std::vector<ItemScore>& b) {
  std::vector<Pair> pairs;
  pairs.reserve(a.size());
  const bool same = a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                                       [](const auto& x, const auto& y) { return x.item == y.item; });
  if (same) {
    for (size_t i = 0; i < a.size(); ++i) pairs.push_back({&a[i], &b[i]});
    return pairs;
  }
  std::unordered_map<std::string_view, const ItemScore*> by_item;
  for (const ItemScore& score : b) by_item.emplace(score.item, &score);
  for (const ItemScore& score : a) {
    auto found = by_item.find(score.item);
    if (found != by_item.end()) pairs.push_back({&score, found->second});
  }
  return pairs;
}

// Everything of a comparison's items laid out in a row.
struct Layout {
  PairedScores scores;
  std::vector<std::string> clusters, tasks;
  std::vector<Pair> items;
};

void add_member(Layout& layout, const std::vector<Pair>& pairs, const std::string& task, bool as_cluster, bool ratio,
                double scale) {
  for (const Pair& pair : pairs) {
    layout.scores.a.push_back(pair.a->value * scale);
    layout.scores.b.push_back(pair.b->value * scale);
    if (ratio) {
      layout.scores.weight_a.push_back(pair.a->weight * scale);
      layout.scores.weight_b.push_back(pair.b->weight * scale);
    }
    const std::string& own = pair.a->cluster;
    layout.clusters.push_back(as_cluster ? task : own.empty() ? "" : task + "/" + own);
    layout.tasks.push_back(task);
    layout.items.push_back(pair);
  }
}

// A mean over members: every member's items share one member's weight.
double member_scale(size_t items, size_t all_items, size_t members) {
  return static_cast<double>(all_items) / (static_cast<double>(members) * static_cast<double>(items));
}

bool is_perplexity(const std::string& metric) {
  return ends_with(metric, "perplexity");
}

}  // namespace

const char* to_string(CompareVerdict verdict) {
  switch (verdict) {
    case CompareVerdict::kBetter:
      return "better";
    case CompareVerdict::kWorse:
      return "worse";
    case CompareVerdict::kNoDifferenceShown:
      return "no_difference_shown";
    case CompareVerdict::kTooFewItems:
      return "too_few_items";
    case CompareVerdict::kNotTested:
      return "not_tested";
  }
  return "";
}

bool is_ratio(const std::string& metric) {
  return metric == "bits_per_byte" || is_perplexity(metric);
}

bool is_percent(const std::string& metric) {
  return !is_ratio(metric) && metric != "score" && metric != "bpb";
}

std::optional<Interval> interval_of(const std::string& metric, const Estimate& estimate, int64_t items, int64_t units) {
  const size_t all = static_cast<size_t>(items), independent = units > 0 ? static_cast<size_t>(units) : all;
  const bool is_rate = is_percent(metric) && estimate.value >= 0 && estimate.value <= 1;
  return is_rate ? unit_interval(estimate, all, independent)
                 : student_interval(estimate, independent, independent < all);
}

std::optional<CompareTest> compare_scores(const ComparedScores& a, const ComparedScores& b, const std::string& metric,
                                          std::vector<std::string>& marks) {
  std::unordered_map<std::string, const ComparedScores::Member*> members_of_b;
  for (const auto& member : b.members) members_of_b[member.task] = &member;
  std::vector<std::pair<const std::string*, std::vector<Pair>>> shared;
  size_t all_a = 0, all_b = 0, common = 0;
  for (const auto& member : b.members) all_b += member.items.size();
  for (const auto& member : a.members) {
    all_a += member.items.size();
    auto found = members_of_b.find(member.task);
    if (found == members_of_b.end()) continue;
    std::vector<Pair> pairs = common_items(member.items, found->second->items);
    common += pairs.size();
    if (!pairs.empty()) shared.push_back({&member.task, std::move(pairs)});
  }
  if (common == 0) return std::nullopt;
  if (common != all_a || common != all_b) {
    marks.push_back(fmt::format("compared on {} common items (A has {}, B {})", common, all_a, all_b));
  }
  const bool ratio = is_ratio(metric), by_subject = shared.size() >= kMembersAsClusters;
  Layout layout;
  for (const auto& [task, pairs] : shared) {
    add_member(layout, pairs, *task, by_subject, ratio,
               a.by_members ? member_scale(pairs.size(), common, shared.size()) : 1.0);
  }
  layout.scores.clusters = make_clusters(layout.clusters);
  // Of the items' own values: weighed by their members they are no more than right or wrong.
  std::vector<double> own_a, own_b;
  for (const auto& [item_a, item_b] : layout.items) own_a.push_back(item_a->value), own_b.push_back(item_b->value);
  ScoreKind kind = ratio ? ScoreKind::kRatio : kind_of_mean(own_a, own_b);
  const bool weighed = own_a != layout.scores.a || own_b != layout.scores.b;
  if (weighed && kind == ScoreKind::kRightOrWrong) kind = ScoreKind::kUnit;
  PairedResult paired = compare_paired(layout.scores, kind);
  CompareTest test;
  test.a = paired.a, test.b = paired.b, test.difference = paired.difference;
  test.interval = paired.interval;
  test.p = paired.p, test.mde80 = paired.mde80;
  test.test = by_subject ? "sign flips of subjects" : paired.test;
  test.a_better = paired.only_a, test.b_better = paired.only_b;
  test.items = common;
  test.clustered = layout.scores.clusters.is_clustered();
  test.units = layout.scores.clusters.count;
  for (size_t i = 0; i < layout.items.size(); ++i) {
    const auto& [own, other] = layout.items[i];
    if (own->value == other->value) continue;
    test.flips.push_back({layout.tasks[i], own->item, own->value, other->value});
  }
  if (test.interval && test.interval->conservative) {
    marks.push_back("few items, clusters or flips: the interval is a conservative one");
  }
  if (is_perplexity(metric)) marks.push_back("perplexities are compared as nats: their logarithms");
  return test;
}

CompareTest compare_with_published(const ComparedScores& a, const Estimate& estimate, const std::string& metric,
                                   double number) {
  Layout layout;
  for (const auto& member : a.members) {
    std::vector<Pair> pairs;
    for (const ItemScore& item : member.items) pairs.push_back({&item, &item});
    add_member(layout, pairs, member.task, false, is_ratio(metric), 1);
  }
  const Clusters clusters = make_clusters(layout.clusters);
  const bool plain = a.members.size() == 1;
  ScoreKind kind = is_ratio(metric) ? ScoreKind::kRatio : kind_of_mean(layout.scores.a, layout.scores.a);
  Estimate own = estimate;
  if (plain && !layout.scores.a.empty() && kind != ScoreKind::kRatio) own = clustered_mean(layout.scores.a, clusters);
  // A group's error is that of its fixed members together: the binomial test does not know it.
  if (!plain && kind == ScoreKind::kRightOrWrong) kind = ScoreKind::kUnit;
  CompareTest test;
  test.items = layout.items.size();
  test.units = plain ? clusters.count : test.items;
  test.clustered = plain && clusters.is_clustered();
  OneSampleResult result = compare_with_number(own, test.items, test.units, kind, number);
  test.a = own.value, test.b = number, test.difference = result.difference;
  test.interval = result.interval;
  test.p = result.p, test.mde80 = result.mde80;
  test.test = result.test;
  return test;
}

void judge(Comparison& comparison) {
  std::vector<CompareTest*> tests;
  std::vector<bool> higher_is_better;
  std::vector<std::optional<double>> p;
  for (CompareRow& row : comparison.rows) {
    for (auto& test : row.tests) {
      if (!test) continue;
      tests.push_back(&*test);
      higher_is_better.push_back(row.higher_is_better);
      p.push_back(test->p);
    }
  }
  const std::vector<std::optional<double>> q = benjamini_hochberg(p);
  for (size_t i = 0; i < tests.size(); ++i) {
    CompareTest& test = *tests[i];
    // The paired test counts larger values.
    if (!higher_is_better[i]) std::swap(test.a_better, test.b_better);
    test.q = q[i];
    if (test.q && *test.q <= kLevel && test.difference != 0) {
      test.verdict = (test.difference > 0) == higher_is_better[i] ? CompareVerdict::kBetter : CompareVerdict::kWorse;
    } else if (test.items == 0) {
      test.verdict = CompareVerdict::kNotTested;
    } else if (test.items < kFewestItems || (test.clustered && test.units < kFewestClusters)) {
      test.verdict = CompareVerdict::kTooFewItems;
    } else {
      test.verdict = CompareVerdict::kNoDifferenceShown;
    }
  }
}

}  // namespace assay
