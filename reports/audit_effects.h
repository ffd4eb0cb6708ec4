// What the audit can say of numbers that items have: their mean, how far it may be off, and how sure it is that it lies
// above a bound. Items that share a passage or a stem are one unit (reports/clusters.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reports/audit.h"

namespace assay {

using ItemValues = std::map<std::string, double>;
using ItemLabels = std::map<std::string, std::string>;  // item -> its cluster; an item that is not in it stands alone

// a + factor * b over the items that both have.
ItemValues combined(const ItemValues& a, double factor, const ItemValues& b);

struct Effect {
  double value = 0;
  std::optional<double> error;  // nothing with fewer than two units
  double degrees = 0;           // of freedom of the error
  size_t items = 0, units = 0;  // units: independent ones (clusters, or the items again)
  size_t changed = 0;           // units in which an item's value is not 0
  double span = 0;              // how far apart two values can lie; 0: as far as they like (bits, nats)
};

// Values that hardly ever differ from 0 show little of their spread: where that is so in fewer than ten units and the
// span is known, the error is that of two more units at the ends of it, as in reports/paired.h. `weights`: of the
// values in the map's order; empty = all equal. No values: an effect of no items. With clusters the error is that much
// larger as the jackknife's is (MacKinnon, Nielsen and Webb 2023, CV3): G / (G - 1) in the variance for G equal ones;
// few clusters of skewed values are covered too seldom without it.
Effect effect_of(const ItemValues& values, const ItemLabels& clusters, double span,
                 std::span<const double> weights = {});
// sum w_i e_i over effects of different units (Welch 1947, Satterthwaite's degrees of freedom), and a - b.
Effect sum_of(std::span<const Effect> effects, std::span<const double> weights);
Effect difference_of(const Effect& a, const Effect& b);

// One-sided p of "the effect is at most `bound`", by Student's distribution. Units that are all alike have an error of
// 0: then that of as many equal signs. 1 without an error.
double p_above(const Effect& effect, double bound);

// 95 % interval and the two-sided p of an effect of 0. Where nothing changed the interval holds what so many units
// leave open. `looked_at`: how many such effects this one is the largest of; interval and p then hold for all of them
// together (Bonferroni).
AuditTest make_test(const std::string& language, const std::string& name, const std::string& null, const Effect& effect,
                    size_t looked_at = 1);

// The share of items whose value is above 0, its null "at most `most`": Clopper and Pearson's interval and the exact
// one-sided p. Clusters: the same with the effective number of items share (1 - share) / error^2, times the squared
// ratio of Student's quantiles for items and for clusters (Korn and Graubard 1998), by 1.7 fewer where less than eight
// effective items have it. Precondition: not empty.
AuditTest make_share_test(const std::string& language, const std::string& name, const std::string& null,
                          const ItemValues& items, const ItemLabels& clusters, double most);

// What the audit's sentence would say if p is small enough beside all other claims.
struct AuditClaim {
  bool technique = false;     // else contamination
  double p = 1;               // of the claim's null
  std::vector<size_t> tests;  // of AuditResult::tests, that are marked then
  std::string reason;         // technique
};

// Marks the tests of the claims that hold and gives the reasons for technique. Each kind of claim has its part of
// `alpha`, half of it where there are both, so that the sentence holds a false claim with at most that probability.
std::vector<std::string> settle(const std::vector<AuditClaim>& claims, double alpha, AuditResult& result);

// Held-out exams of `subject`, before and after the cutoff and beside public benchmarks; adds tests and claims.
void audit_held_out(const AuditSubject& subject, const std::optional<AuditSubject>& against, const AuditRules& rules,
                    AuditResult& result, std::vector<AuditClaim>& claims);

}  // namespace assay
