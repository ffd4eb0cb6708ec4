#include "reports/audit_effects.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "reports/clusters.h"
#include "reports/distributions.h"
#include "reports/intervals.h"
#include "reports/multiple_testing.h"

namespace assay {
namespace {

constexpr size_t kFewUnitsChanged = 10;
constexpr double kFewWithIt = 8;  // effective items, in clusters

Clusters clusters_of(const ItemValues& values, const ItemLabels& labels) {
  std::vector<std::string> all;
  for (const auto& [item, unused] : values) {
    auto found = labels.find(item);
    all.push_back(found == labels.end() ? "" : found->second);
  }
  return make_clusters(all);
}

// Half the width of what units that never changed leave open: 1 - 0.025^(1 / units) of them may still.
double left_open(const Effect& effect, double tail) {
  return effect.span * (1 - std::pow(tail, 1 / static_cast<double>(effect.units)));
}

}  // namespace

ItemValues combined(const ItemValues& a, double factor, const ItemValues& b) {
  ItemValues out;
  for (const auto& [item, value] : a) {
    if (auto other = b.find(item); other != b.end()) out[item] = value + factor * other->second;
  }
  return out;
}

Effect effect_of(const ItemValues& values, const ItemLabels& labels, double span, std::span<const double> weights) {
  Effect effect;
  effect.span = span, effect.items = values.size();
  if (values.empty()) return effect;
  const Clusters clusters = clusters_of(values, labels);
  std::vector<double> list, not_zero;
  for (const auto& [unused, value] : values) list.push_back(value), not_zero.push_back(value != 0);
  effect.units = clusters.is_clustered() ? clusters.count : list.size();
  for (double changed : cluster_sums(not_zero, clusters)) effect.changed += changed > 0;
  const MeanOfClusters mean = mean_of_clusters(list, weights, clusters);
  effect.value = mean.estimate.value, effect.error = mean.estimate.stderr_, effect.degrees = mean.degrees;
  if (effect.error && clusters.is_clustered())
    effect.error = *effect.error * std::sqrt(mean.effective / (mean.effective - 1));
  if (effect.error && effect.changed < kFewUnitsChanged)
    effect.error = std::hypot(*effect.error, span * std::sqrt(2.0) / (static_cast<double>(effect.units) + 2));
  return effect;
}

Effect sum_of(std::span<const Effect> effects, std::span<const double> weights) {
  double variance = 0, squares = 0;
  Effect out;
  bool known = true;
  for (size_t i = 0; i < effects.size(); ++i) {
    const Effect& effect = effects[i];
    out.value += weights[i] * effect.value;
    out.items += effect.items, out.units += effect.units, out.changed += effect.changed;
    out.span += std::fabs(weights[i]) * effect.span;
    known = known && effect.error;
    if (!known) continue;
    const double part = weights[i] * weights[i] * *effect.error * *effect.error;
    variance += part;
    if (part > 0) squares += part * part / effect.degrees;
  }
  if (!known) return out;
  out.error = std::sqrt(variance);
  out.degrees = squares > 0 ? variance * variance / squares : INFINITY;
  return out;
}

Effect difference_of(const Effect& a, const Effect& b) {
  const Effect both[] = {a, b};
  const double weights[] = {1, -1};
  return sum_of(both, weights);
}

double p_above(const Effect& effect, double bound) {
  if (!effect.error) return 1;
  if (*effect.error == 0) return effect.value > bound ? std::exp2(-static_cast<double>(effect.units)) : 1;
  return student_upper_tail((effect.value - bound) / *effect.error, effect.degrees);
}

AuditTest make_test(const std::string& language, const std::string& name, const std::string& null, const Effect& effect,
                    size_t looked_at) {
  AuditTest test;
  test.language = language, test.name = name, test.null = null;
  test.effect = effect.value;
  test.n = static_cast<int64_t>(effect.items);
  if (!effect.error) return test;
  const double times = static_cast<double>(looked_at), tail = 0.025 / times;
  double half = *effect.error > 0 ? student_quantile(1 - tail, effect.degrees) * *effect.error : 0;
  double p = 2 * student_upper_tail(std::fabs(effect.value) / *effect.error, effect.degrees);
  if (effect.changed == 0) p = 1;
  if (effect.changed > 0 && *effect.error == 0) p = std::exp2(1 - static_cast<double>(effect.units));
  test.p = std::min(1.0, times * p);
  const bool alike = effect.changed == 0 || *effect.error == 0;
  if (alike && effect.span == 0) return test;
  if (alike) half = std::max(half, left_open(effect, tail));
  test.low = effect.value - half, test.high = effect.value + half;
  return test;
}

AuditTest make_share_test(const std::string& language, const std::string& name, const std::string& null,
                          const ItemValues& items, const ItemLabels& clusters, double most) {
  ASSAY_ASSERT(!items.empty(), "a share needs items");
  AuditTest test;
  test.language = language, test.name = name, test.null = null;
  test.n = static_cast<int64_t>(items.size());
  ItemValues with;
  double count = 0;
  for (const auto& [item, value] : items) count += with[item] = value > 0;
  double of = static_cast<double>(items.size());
  const Effect share = effect_of(with, clusters, 0);
  test.effect = share.value;
  if (share.units < share.items) {
    if (share.units < 2) return test;
    const double variance = share.value * (1 - share.value);
    double effective = static_cast<double>(share.units);
    if (variance > 0) effective = *share.error > 0 ? std::min(of, variance / (*share.error * *share.error)) : of;
    const double quantiles = student_quantile(0.975, of - 1) / student_quantile(0.975, share.degrees);
    effective *= quantiles * quantiles;
    if (std::min(share.value, 1 - share.value) * effective < kFewWithIt) effective /= kClusterPenalty;
    count = share.value * effective, of = effective;
  }
  const Interval interval = exact_interval(count, of);
  test.low = interval.low, test.high = interval.high;
  test.p = count > 0 ? incomplete_beta(count, of - count + 1, most) : 1;
  return test;
}

std::vector<std::string> settle(const std::vector<AuditClaim>& claims, double alpha, AuditResult& result) {
  std::vector<std::string> reasons;
  const auto is_technique = [](const AuditClaim& claim) { return claim.technique; };
  const bool both = std::any_of(claims.begin(), claims.end(), is_technique) &&
                    !std::all_of(claims.begin(), claims.end(), is_technique);
  for (const bool technique : {true, false}) {
    std::vector<const AuditClaim*> kind;
    std::vector<double> p;
    for (const AuditClaim& claim : claims) {
      if (claim.technique == technique) kind.push_back(&claim), p.push_back(claim.p);
    }
    const std::vector<bool> holds = holm(p, both ? alpha / 2 : alpha);
    for (size_t i = 0; i < kind.size(); ++i) {
      if (!holds[i]) continue;
      for (size_t test : kind[i]->tests)
        (technique ? result.tests[test].found : result.tests[test].contamination) = true;
      if (technique) reasons.push_back(kind[i]->reason);
    }
  }
  return reasons;
}

}  // namespace assay
