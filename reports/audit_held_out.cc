#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "reports/audit_effects.h"

namespace assay {
namespace {

// ItemGrades of one exam, or what they gained.
struct ItemGrades {
  ItemValues values;
  ItemLabels clusters;

  void add(const AuditGrade& grade, double value) {
    if (!std::isfinite(value)) return;
    values[grade.item] = value;
    if (!grade.cluster.empty()) clusters[grade.item] = grade.cluster;
  }
  // ItemGrades lie in [0, 1].
  Effect mean(double span) const { return effect_of(values, clusters, span); }
  int64_t count() const { return static_cast<int64_t>(values.size()); }
};

// What each item that both have gained.
ItemGrades gain_of(const AuditGrades& after, const AuditGrades& before) {
  std::map<std::string, double> old;
  for (const AuditGrade& grade : before) old[grade.item] = grade.value;
  ItemGrades gain;
  for (const AuditGrade& grade : after) {
    if (auto found = old.find(grade.item); found != old.end()) gain.add(grade, grade.value - found->second);
  }
  return gain;
}

// "More than the margin", on enough items in all and on the smaller side.
void add_test(AuditTest test, const Effect& effect, int64_t smaller_side, const AuditRules& rules, AuditResult& result,
              std::vector<AuditClaim>& claims) {
  if (test.n >= rules.fewest && smaller_side >= rules.fewest_rows)
    claims.push_back({false, p_above(effect, rules.margin), {result.tests.size()}, ""});
  result.tests.push_back(std::move(test));
}

void public_beside_held_out(const HeldOutExam& a, const HeldOutExam& b, const AuditRules& rules, AuditResult& result,
                            std::vector<AuditClaim>& claims) {
  const ItemGrades exam = gain_of(a.grades, b.grades);
  const Effect exam_gain = exam.mean(1);
  if (!exam_gain.error) return;
  for (const auto& [task, grades] : a.beside) {
    auto before = b.beside.find(task);
    if (before == b.beside.end()) continue;
    const ItemGrades gain = gain_of(grades, before->second);
    const Effect own_gain = gain.mean(1);
    if (!own_gain.error) continue;
    const Effect effect = difference_of(own_gain, exam_gain);
    AuditTest test = make_test("", fmt::format("gain of {} beside {}", task, a.task), "both gain alike", effect);
    test.what = fmt::format("{} points on {} items of the public benchmark, {} on {} held out", points(own_gain.value),
                            gain.count(), points(exam_gain.value), exam.count());
    add_test(std::move(test), effect, std::min(gain.count(), exam.count()), rules, result, claims);
  }
}

// Clusters are taken to lie in one stratum on one side of the cutoff, as items do.
void before_and_after(const HeldOutExam& exam, const AuditRules& rules, AuditResult& result,
                      std::vector<AuditClaim>& claims) {
  std::map<std::string, std::array<ItemGrades, 2>> strata;  // before, from the cutoff on
  for (const AuditGrade& grade : exam.grades) {
    if (!grade.date.empty()) strata[grade.stratum][grade.date >= rules.cutoff].add(grade, grade.value);
  }
  std::vector<Effect> differences;
  std::vector<double> weights;
  double all = 0;
  std::array<double, 2> solved{};
  std::array<int64_t, 2> items{};
  for (const auto& [unused, halves] : strata) {
    const std::array<Effect, 2> means = {halves[0].mean(1), halves[1].mean(1)};
    if (!means[0].error || !means[1].error) continue;
    std::array<double, 2> n{};
    for (size_t side : {0, 1}) {
      n[side] = static_cast<double>(halves[side].count());
      solved[side] += n[side] * means[side].value, items[side] += halves[side].count();
    }
    differences.push_back(difference_of(means[0], means[1]));
    weights.push_back(n[0] * n[1] / (n[0] + n[1]));
    all += weights.back();
  }
  if (differences.empty()) return;
  for (double& weight : weights) weight /= all;
  const Effect effect = sum_of(differences, weights);
  AuditTest test = make_test("", fmt::format("{} before {}", exam.task, rules.cutoff),
                             "problems from before are solved as often as later ones of the same difficulty", effect);
  test.what = fmt::format("{:.1f} % of {} earlier ones solved, {:.1f} % of {} later ones",
                          100 * solved[0] / static_cast<double>(items[0]), items[0],
                          100 * solved[1] / static_cast<double>(items[1]), items[1]);
  add_test(std::move(test), effect, std::min(items[0], items[1]), rules, result, claims);
}

}  // namespace

void audit_held_out(const AuditSubject& subject, const std::optional<AuditSubject>& against, const AuditRules& rules,
                    AuditResult& result, std::vector<AuditClaim>& claims) {
  for (const HeldOutExam& exam : subject.held_out) {
    if (!rules.cutoff.empty()) before_and_after(exam, rules, result, claims);
    if (!against) continue;
    for (const HeldOutExam& other : against->held_out) {
      if (other.task == exam.task) public_beside_held_out(exam, other, rules, result, claims);
    }
  }
}

}  // namespace assay
