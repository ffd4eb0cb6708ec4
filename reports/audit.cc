#include "reports/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/hash.h"
#include "reports/counter_random.h"
#include "reports/distributions.h"
#include "reports/intervals.h"
#include "reports/stats.h"
#include "reports/text_table.h"

namespace assay {
namespace {

// Ability of one item in one form.
using Abilities = std::map<std::string, double>;  // item -> ability

double ability(double value, int options) {
  if (options < 2) return value;
  const double chance = 1.0 / options;
  return (value - chance) / (1 - chance);
}

const std::vector<AuditAnswer>& answers_of(const AuditPart& part, const std::string& form) {
  static const std::vector<AuditAnswer> none;
  auto found = part.forms.find(form);
  return found == part.forms.end() ? none : found->second;
}

// Mean over the orders; `first_only`: the file's order alone.
Abilities abilities(const AuditPart& part, const std::string& form, bool first_only = false) {
  std::map<std::string, std::pair<double, int>> sums;
  for (const AuditAnswer& answer : answers_of(part, form)) {
    if (first_only && answer.order != 0) continue;
    auto& [sum, count] = sums[answer.item];
    sum += ability(answer.value, form == "open" ? 0 : answer.options);
    ++count;
  }
  Abilities out;
  for (const auto& [item, sum] : sums) out[item] = sum.first / sum.second;
  return out;
}

// a + factor * b over the items that both have.
Abilities combined(const Abilities& a, double factor, const Abilities& b) {
  Abilities out;
  for (const auto& [item, value] : a) {
    if (auto other = b.find(item); other != b.end()) out[item] = value + factor * other->second;
  }
  return out;
}

Estimate mean_of(const Abilities& values) {
  std::vector<double> list;
  for (const auto& [unused, value] : values) list.push_back(value);
  return list.empty() ? Estimate{} : mean(list);
}

double error_of(const Estimate& estimate) {
  return estimate.stderr_.value_or(INFINITY);
}

// One-sided bound at `level` (0.975: the low end of a 95 % interval), of a mean over n items.
double lower_bound(const Estimate& estimate, double level, size_t n) {
  if (n < 2) return -INFINITY;
  return estimate.value - student_quantile(level, static_cast<double>(n - 1)) * error_of(estimate);
}

double lower_bound(const Abilities& effect, double level) {
  return lower_bound(mean_of(effect), level, effect.size());
}

// So few items may be continued word for word by chance (short ones, numbers in order).
constexpr double kVerbatimShare = 0.02;

// Nats a rare token by which an item may lead without being called learned: beside another order of its options, and
// since an earlier checkpoint beside other numbers.
constexpr double kRareOrder = 0.1, kRareNumbers = 0.5;

// Points of a hundred, with a sign.
// Error and degrees of freedom of a sum of independent means (Welch and Satterthwaite).
struct Welch {
  double variance = 0, squares = 0;

  void add(double variance_of_mean, size_t n) {
    variance += variance_of_mean;
    squares += variance_of_mean * variance_of_mean / static_cast<double>(n - 1);  // n >= 2
  }
  double error() const { return std::sqrt(variance); }
  double degrees() const { return squares > 0 ? variance * variance / squares : INFINITY; }
};

// `degrees`: of freedom of the error; nothing: n - 1. Items that are all alike have an error of 0, which says nothing:
// the interval then holds what so many items leave open, and p is that of as many equal signs.
AuditTest make_test(const std::string& language, const std::string& name, const std::string& null,
                    const Estimate& effect, size_t n, std::optional<double> degrees = std::nullopt) {
  AuditTest test;
  test.language = language, test.name = name, test.null = null;
  test.effect = effect.value;
  test.n = static_cast<int64_t>(n);
  if (!effect.stderr_ || n < 2) return test;
  const double count = static_cast<double>(n), freedom = degrees.value_or(count - 1);
  double half = student_quantile(0.975, freedom) * *effect.stderr_;
  if (*effect.stderr_ > 0) {
    test.p = 2 * student_upper_tail(std::fabs(effect.value / *effect.stderr_), freedom);
  } else {
    half = 1 - std::pow(0.025, 1 / count);
    test.p = effect.value == 0 ? 1 : std::min(1.0, std::exp2(1 - count));
  }
  test.low = effect.value - half, test.high = effect.value + half;
  return test;
}

// A share of items, its null "at most `most`": Clopper and Pearson's interval, the exact one-sided p.
AuditTest make_share_test(const std::string& language, const std::string& name, const std::string& null,
                          const Abilities& items, double most) {
  AuditTest test;
  test.language = language, test.name = name, test.null = null;
  test.n = static_cast<int64_t>(items.size());
  int64_t with = 0;
  for (const auto& [unused, value] : items) with += value > 0;
  const double count = static_cast<double>(items.size());
  test.effect = static_cast<double>(with) / count;
  const Interval interval = exact_interval(static_cast<double>(with), count);
  test.low = interval.low, test.high = interval.high;
  test.p = 1 - binomial_cdf(with - 1, test.n, most);
  return test;
}

// Rows of neighbouring items, each in the file's order and in shuffled ones: bits of each, or how they changed.
struct OrderedRow {
  double own = 0;
  std::vector<double> shuffled;
};
using OrderedRows = std::map<std::string, OrderedRow>;

OrderedRows ordered_rows(const AuditPart& part) {
  OrderedRows rows;
  std::set<std::string> whole;
  for (const AuditAnswer& answer : answers_of(part, "sequence")) {
    OrderedRow& row = rows[answer.item];
    if (answer.order == 0) {
      row.own = answer.value;
      whole.insert(answer.item);
    } else {
      row.shuffled.push_back(answer.value);
    }
  }
  std::erase_if(rows, [&](const auto& entry) { return !whole.count(entry.first) || entry.second.shuffled.empty(); });
  return rows;
}

// What changed since `before`, of the rows that both have in as many orders.
OrderedRows changed_rows(const OrderedRows& now, const OrderedRows& before) {
  OrderedRows rows;
  for (const auto& [item, row] : now) {
    auto old = before.find(item);
    if (old == before.end() || old->second.shuffled.size() != row.shuffled.size()) continue;
    OrderedRow& change = rows[item];
    change.own = row.own - old->second.own;
    for (size_t i = 0; i < row.shuffled.size(); ++i)
      change.shuffled.push_back(row.shuffled[i] - old->second.shuffled[i]);
  }
  return rows;
}

// Bits by which the order of a row at `place` (0: the file's) is likelier than the mean of its others.
double lead_of(const OrderedRow& row, size_t place) {
  double sum = row.own;
  for (double bits : row.shuffled) sum += bits;
  const double bits = place == 0 ? row.own : row.shuffled[place - 1];
  return (sum - bits) / static_cast<double>(row.shuffled.size()) - bits;
}

Abilities leads_of(const OrderedRows& rows) {
  Abilities leads;
  for (const auto& [item, row] : rows) leads[item] = lead_of(row, 0);
  return leads;
}

// How often the summed lead lies at least as far out on its own side when in each row any of the orders is taken for
// the file's: exact where nobody has seen the file, but for the number of draws. They are at most kOrderDraws, ended
// early when 100 lay as far out (Besag and Clifford 1991).
constexpr int kOrderDraws = 9999, kEnoughDraws = 100;
constexpr uint64_t kOrderSeed = 20240106;
double one_sided_order_p(const OrderedRows& rows) {
  std::vector<std::vector<double>> leads;
  double observed = 0;
  for (const auto& [unused, row] : rows) {
    std::vector<double>& own = leads.emplace_back();
    for (size_t place = 0; place <= row.shuffled.size(); ++place) own.push_back(lead_of(row, place));
    observed += own.front();
  }
  const double side = observed < 0 ? -1 : 1, limit = side * observed - 1e-9 * std::max(1.0, std::fabs(observed));
  uint64_t counter = 0;
  int as_far = 0;
  for (int drawn = 1; drawn <= kOrderDraws; ++drawn) {
    double sum = 0;
    for (const std::vector<double>& own : leads) {
      sum += own[static_cast<size_t>(counter_uniform(kOrderSeed, counter++) * static_cast<double>(own.size()))];
    }
    as_far += side * sum >= limit;
    if (as_far == kEnoughDraws) return static_cast<double>(as_far) / drawn;
  }
  return static_cast<double>(as_far + 1) / (kOrderDraws + 1);
}

// Whether `gain` exceeds each of `others` by the margin, and twice each of them.
bool exceeds_all(const Abilities& gain, const std::vector<const Abilities*>& others, const AuditRules& rules,
                 double level) {
  if (lower_bound(gain, level) <= rules.margin) return false;
  for (const Abilities* other : others) {
    const Abilities once = combined(gain, -1, *other), twice = combined(gain, -2, *other);
    if (static_cast<int64_t>(once.size()) < rules.fewest) return false;
    if (lower_bound(once, level) <= rules.margin || lower_bound(twice, level) <= 0) return false;
  }
  return true;
}

// The tests of one language.
class PartAudit {
 public:
  PartAudit(const AuditPart& a, const AuditPart* b, const AuditRules& rules, double level, AuditResult& result)
      : a_(a), b_(b), rules_(rules), level_(level), result_(result) {}

  void run() {
    if (b_) letters_only_gain();
    bound_to_labels();
    other_tests();
  }
  bool decorated() const { return !reasons_.empty(); }
  bool decidable() const { return decidable_; }
  const std::vector<std::string>& reasons() const { return reasons_; }

 private:
  AuditTest& add(const std::string& name, const std::string& null, const Abilities& effect, const std::string& what) {
    AuditTest test = make_test(a_.language, name, null, mean_of(effect), effect.size());
    test.what = what;
    result_.tests.push_back(std::move(test));
    return result_.tests.back();
  }

  void decide_if(bool able) { decidable_ = decidable_ || able; }

  // Enough items, and an error small enough to have seen 15 points in four of five cases.
  bool could_see(const Abilities& effect) const {
    return static_cast<int64_t>(effect.size()) >= rules_.fewest && 2.8 * error_of(mean_of(effect)) <= 0.15;
  }

  void letters_only_gain() {
    auto gain = [&](const char* form) { return combined(abilities(a_, form), -1, abilities(*b_, form)); };
    const Abilities letters = gain("orders"), cloze = gain("cloze"), open = gain("open");
    if (letters.empty()) return;
    std::vector<const Abilities*> others;
    if (!cloze.empty()) others.push_back(&cloze);
    if (!open.empty()) others.push_back(&open);
    if (others.empty()) return;
    const bool found = exceeds_all(letters, others, rules_, level_);
    const Estimate own = mean_of(letters);
    add("gain as letters", "no gain", letters,
        fmt::format("{} points of ability as letters, mean over all orders", points(own.value)));
    auto compare = [&](const char* form, const Abilities& other) {
      if (other.empty()) return;
      const Abilities difference = combined(letters, -1, other);
      decide_if(could_see(difference));
      add(fmt::format("letters-only gain, beside {}", form), "letters gain what the other form gains", difference,
          fmt::format("{} as letters, {} as {}, on the same items",
                      points(mean_of(combined(difference, 1, other)).value),
                      points(mean_of(combined(letters, -1, difference)).value), form))
          .found = found;
    };
    compare("cloze", cloze), compare("open", open);
    const Abilities shared = shared_gain(others);
    add("gain shared by the other forms", "no gain", shared,
        fmt::format("{} without letters (mean of cloze and open)", points(mean_of(shared).value)));
    if (!found) return;
    reasons_.push_back(fmt::format("the same items gained {} points as letters and {} without them ({})",
                                   points(own.value), points(mean_of(shared).value), a_.language));
  }

  static Abilities shared_gain(const std::vector<const Abilities*>& others) {
    if (others.size() == 1) return *others.front();
    Abilities sum = combined(*others[0], 1, *others[1]);
    for (auto& [unused, value] : sum) value /= 2;
    return sum;
  }

  void bound_to_labels() {
    const Abilities plain = abilities(a_, "orders", true), digits = abilities(a_, "digits"),
                    letters = abilities(a_, "letters");
    if (plain.empty() || digits.empty() || letters.empty()) return;
    const bool found = exceeds_all(plain, {&digits, &letters}, rules_, level_);
    auto compare = [&](const char* labels, const Abilities& other) {
      const Abilities lost = combined(plain, -1, other);
      decide_if(could_see(lost));
      add(fmt::format("bound to the labels, beside {}", labels), "the score does not depend on the labels", lost,
          fmt::format("ability {:.2f} with A B C, {:.2f} with {}", mean_of(plain).value, mean_of(other).value, labels))
          .found = found;
    };
    compare("1 2 3", digits), compare("P Q R", letters);
    if (found) {
      reasons_.push_back(
          fmt::format("ability of {:.2f} with the labels A B C is {:.2f} with 1 2 3 and {:.2f} with P Q R ({})",
                      mean_of(plain).value, mean_of(digits).value, mean_of(letters).value, a_.language));
    }
  }

  void other_tests() {
    const Abilities plain = abilities(a_, "orders", true);
    if (const Abilities reworded = abilities(a_, "reworded"); !reworded.empty() && !plain.empty()) {
      add("other words around the options", "the score does not depend on the wording", combined(plain, -1, reworded),
          fmt::format("ability {:.2f} in the exam's words, {:.2f} in others", mean_of(plain).value,
                      mean_of(reworded).value));
    }
    if (const Abilities blind = abilities(a_, "blind"); !blind.empty()) {
      add("options without the question", "guessing", blind,
          fmt::format("ability {:.2f} with the question removed", mean_of(blind).value));
    }
    right_in_every_order();
    letter_bias();
    other_numbers();
    order_of_the_file();
    verbatim();
    rare_tokens("min_k", "another order", kRareOrder, true);
    rare_tokens("min_k_numbers", "other numbers", kRareNumbers, false);
    training_text();
  }

  // The value as it stands in the file, less the mean over its other orders; of items that have both.
  static Abilities lead_of_own_order(const AuditPart& part, const std::string& form) {
    std::map<std::string, double> own;
    std::map<std::string, std::pair<double, int>> changed;
    for (const AuditAnswer& answer : answers_of(part, form)) {
      if (answer.order == 0) {
        own[answer.item] = answer.value;
      } else {
        changed[answer.item].first += answer.value, ++changed[answer.item].second;
      }
    }
    Abilities lead;
    for (const auto& [item, value] : own) {
      if (auto other = changed.find(item); other != changed.end())
        lead[item] = value - other->second.first / other->second.second;
    }
    return lead;
  }

  // `alone`: without learning an item leads by nothing, so that its lead alone is a sign.
  void rare_tokens(const char* form, const std::string& beside, double threshold, bool alone) {
    const Abilities lead = lead_of_own_order(a_, form);
    if (lead.empty()) return;
    auto is_sign = [&](const Abilities& effect) {
      return static_cast<int64_t>(effect.size()) >= rules_.fewest && lower_bound(effect, 0.975) > threshold;
    };
    AuditTest& now =
        add("rare tokens, beside " + beside, "an item is as likely with " + beside, lead,
            fmt::format("{:+.3f} nats a rare token as the item stands in the file (Min-20 %)", mean_of(lead).value));
    now.unit = "nats";
    now.contamination = alone && is_sign(lead);
    if (!b_) return;
    const Abilities more = combined(lead, -1, lead_of_own_order(*b_, form));
    if (more.empty()) return;
    AuditTest& since =
        add("rare tokens, beside " + beside + ", since then", "the item gained no more than it did with " + beside,
            more, fmt::format("{:+.3f} nats a rare token more than before", mean_of(more).value));
    since.unit = "nats";
    since.contamination = is_sign(more);
  }

  // Flagged by more than the margin: other numbers may be a little harder than those that an author chose.
  void other_numbers() {
    auto lost = [](const AuditPart& part) {
      return combined(abilities(part, "unchanged"), -1, abilities(part, "numbers"));
    };
    const Abilities own = abilities(a_, "unchanged"), loss = lost(a_);
    if (loss.empty()) return;
    const Estimate kept = mean_of(combined(own, -1, loss));
    auto is_sign = [&](const Abilities& effect) {
      return static_cast<int64_t>(effect.size()) >= rules_.fewest && lower_bound(effect, 0.975) > rules_.margin;
    };
    add("other numbers in word problems", "a problem is solved with other numbers as with its own", loss,
        fmt::format("{:.1f} % right with their own numbers, {:.1f} % with others (effect: the difference)",
                    100 * (kept.value + mean_of(loss).value), 100 * kept.value))
        .contamination = is_sign(loss);
    if (!b_) return;
    const Abilities more = combined(loss, -1, lost(*b_));
    if (more.empty()) return;
    add("other numbers in word problems, since then", "the loss by other numbers is what it was", more,
        fmt::format("{} points more are lost than before", points(mean_of(more).value)))
        .contamination = is_sign(more);
  }

  bool enough_rows(const AuditTest& test) const { return test.n >= rules_.fewest_rows; }

  // Whether the file's order is likelier, at the level of a deciding test.
  bool tell_order(const std::string& name, const std::string& null, const OrderedRows& rows, const char* since) {
    const Abilities leads = leads_of(rows);
    AuditTest& test =
        add(name, null, leads,
            fmt::format("{:+.2f} bits a row of neighbours in the file's order{}", mean_of(leads).value, since));
    test.unit = "bits";
    const double p = one_sided_order_p(rows);
    test.p = std::min(1.0, 2 * p);
    return enough_rows(test) && test.effect > 0 && p <= 1 - level_;
  }

  void order_of_the_file() {
    const OrderedRows rows = ordered_rows(a_);
    if (rows.empty()) return;
    const OrderedRows more = b_ ? changed_rows(rows, ordered_rows(*b_)) : OrderedRows();
    const bool likelier =
        tell_order("order of the test set", "no order of the items is likelier than another", rows, "");
    if (more.empty()) {
      result_.tests.back().contamination = likelier;
      return;
    }
    const bool grown = tell_order("order of the test set, since then",
                                  "the file's order gained no more than the others", more, " more than before");
    result_.tests.back().contamination = likelier && grown;
  }

  void verbatim() {
    Abilities whole;
    for (const AuditAnswer& answer : answers_of(a_, "verbatim")) whole[answer.item] = answer.value;
    if (whole.empty()) return;
    AuditTest test =
        make_share_test(a_.language, "second half word for word",
                        "at most 2 % of unseen items are continued word for word (one-sided)", whole, kVerbatimShare);
    test.what = fmt::format("{:.1f} % of the items (effect: their share)", 100 * test.effect);
    test.contamination = enough_rows(test) && *test.low > kVerbatimShare;
    result_.tests.push_back(std::move(test));
  }

  void training_text() {
    Abilities found;
    Abilities seen, unseen;
    const Abilities plain = abilities(a_, "orders", true);
    for (const auto& [item, is_there] : a_.in_training_text) {
      found[item] = is_there;
      if (auto ability = plain.find(item); ability != plain.end()) (is_there ? seen : unseen).insert(*ability);
    }
    if (found.empty()) return;
    AuditTest test =
        make_share_test(a_.language, "words in the training text",
                        "at most 2 % of the items stand in the training text (one-sided)", found, kVerbatimShare);
    test.what =
        fmt::format("{:.1f} % of the items have 13 words in a row there (effect: their share)", 100 * test.effect);
    test.contamination = enough_rows(test) && *test.low > kVerbatimShare;
    result_.tests.push_back(std::move(test));
    if (seen.size() < 2 || unseen.size() < 2) return;
    const Estimate on_seen = mean_of(seen), on_unseen = mean_of(unseen);
    Welch welch;
    welch.add(error_of(on_seen) * error_of(on_seen), seen.size());
    welch.add(error_of(on_unseen) * error_of(on_unseen), unseen.size());
    result_.tests.push_back(make_test(
        a_.language, "ability on items of the training text", "these items are answered as well as the others",
        {on_seen.value - on_unseen.value, welch.error()}, seen.size() + unseen.size(), welch.degrees()));
    result_.tests.back().what = fmt::format("ability {:.2f} on {} items that stand there, {:.2f} on {} that do not",
                                            on_seen.value, seen.size(), on_unseen.value, unseen.size());
  }

  void right_in_every_order() {
    std::map<std::string, std::vector<double>> by_item;
    for (const AuditAnswer& answer : answers_of(a_, "orders")) by_item[answer.item].push_back(answer.value);
    Abilities lost;
    double every = 0, any_order = 0;
    for (const auto& [item, values] : by_item) {
      if (values.size() < 2) continue;
      const double all = *std::min_element(values.begin(), values.end());
      double sum = 0;
      for (double value : values) sum += value;
      lost[item] = sum / static_cast<double>(values.size()) - all;
      every += all, any_order += sum / static_cast<double>(values.size());
    }
    if (lost.empty()) return;
    const double n = static_cast<double>(lost.size());
    add("right in every order", "an item is right in every order or in none", lost,
        fmt::format("{:.1f} % right on average, {:.1f} % in every order (effect: the difference of the shares)",
                    100 * any_order / n, 100 * every / n));
  }

  // The cyclic orders put the right option behind every label equally often, so an unbiased answerer names each label
  // equally often. Effect: share of the label named most, less 1 / options.
  void letter_bias() {
    std::map<std::string, std::map<std::string, double>> named;  // label -> item -> times
    std::map<std::string, int> orders, options;
    for (const AuditAnswer& answer : answers_of(a_, "orders")) {
      ++orders[answer.item];
      options[answer.item] = answer.options;
      named[answer.chosen][answer.item] += 1;
    }
    std::erase_if(orders, [&](const auto& entry) { return entry.second != options[entry.first]; });
    if (orders.empty()) return;
    std::optional<AuditTest> most;
    for (const auto& [label, times] : named) {
      Abilities excess;
      for (const auto& [item, count] : orders) {
        auto found = times.find(item);
        excess[item] = ((found == times.end() ? 0 : found->second) - 1) / count;
      }
      AuditTest test =
          make_test(a_.language, "letter bias", "every label is named equally often", mean_of(excess), excess.size());
      test.what = fmt::format("{} is named most often: {} points of share above its turn", label, points(test.effect));
      if (test.p) test.p = std::min(1.0, *test.p * static_cast<double>(named.size()));
      if (!most || test.effect > most->effect) most = std::move(test);
    }
    result_.tests.push_back(std::move(*most));
  }

  const AuditPart& a_;
  const AuditPart* b_;
  const AuditRules& rules_;
  const double level_;  // one-sided, of what decides
  AuditResult& result_;
  std::vector<std::string> reasons_;
  bool decidable_ = false;
};

// ---- held-out exams

struct Moments {
  double sum = 0, squares = 0;
  int64_t n = 0;
  void add(double value) {
    sum += value, squares += value * value;
    ++n;
  }
  double mean() const { return sum / static_cast<double>(n); }
  // Of the mean. Precondition: n >= 2.
  double variance() const {
    const double count = static_cast<double>(n);
    return std::max(0.0, squares - sum * sum / count) / (count - 1) / count;
  }
};

// What each item that both have gained.
Moments gain_of(const AuditGrades& after, const AuditGrades& before) {
  std::map<std::string, double> old;
  for (const AuditGrade& grade : before) old[grade.item] = grade.value;
  Moments gain;
  for (const AuditGrade& grade : after) {
    if (auto found = old.find(grade.item); found != old.end()) gain.add(grade.value - found->second);
  }
  return gain;
}

// More than the margin, on enough items in all and on the smaller side.
bool is_sign(const AuditTest& test, int64_t smaller_side, const AuditRules& rules) {
  return test.n >= rules.fewest && smaller_side >= rules.fewest_rows && test.low && *test.low > rules.margin;
}

void public_beside_held_out(const HeldOutExam& a, const HeldOutExam& b, const AuditRules& rules, AuditResult& result) {
  const Moments exam = gain_of(a.grades, b.grades);
  if (exam.n < 2) return;
  for (const auto& [task, grades] : a.beside) {
    auto before = b.beside.find(task);
    if (before == b.beside.end()) continue;
    const Moments gain = gain_of(grades, before->second);
    if (gain.n < 2) continue;
    Welch welch;
    welch.add(gain.variance(), static_cast<size_t>(gain.n)), welch.add(exam.variance(), static_cast<size_t>(exam.n));
    AuditTest test =
        make_test("", fmt::format("gain of {} beside {}", task, a.task), "both gain alike",
                  {gain.mean() - exam.mean(), welch.error()}, static_cast<size_t>(gain.n + exam.n), welch.degrees());
    test.contamination = is_sign(test, std::min(gain.n, exam.n), rules);
    test.what = fmt::format("{} points on {} items of the public benchmark, {} on {} held out", points(gain.mean()),
                            gain.n, points(exam.mean()), exam.n);
    result.tests.push_back(std::move(test));
  }
}

void before_and_after(const HeldOutExam& exam, const AuditRules& rules, AuditResult& result) {
  const std::string& cutoff = rules.cutoff;
  std::map<std::string, std::array<Moments, 2>> strata;  // before, from the cutoff on
  for (const AuditGrade& grade : exam.grades) {
    if (!grade.date.empty()) strata[grade.stratum][grade.date >= cutoff].add(grade.value);
  }
  double effect = 0, weights = 0;
  Welch welch;
  Moments before, after;
  for (const auto& [unused, halves] : strata) {
    const auto& [early, late] = halves;
    if (early.n < 2 || late.n < 2) continue;
    const double weight = static_cast<double>(early.n * late.n) / static_cast<double>(early.n + late.n);
    effect += weight * (early.mean() - late.mean()), weights += weight;
    welch.add(weight * weight * early.variance(), static_cast<size_t>(early.n));
    welch.add(weight * weight * late.variance(), static_cast<size_t>(late.n));
    before.sum += early.sum, before.n += early.n, after.sum += late.sum, after.n += late.n;
  }
  if (weights == 0) return;
  AuditTest test =
      make_test("", fmt::format("{} before {}", exam.task, cutoff),
                "problems from before are solved as often as later ones of the same difficulty",
                {effect / weights, welch.error() / weights}, static_cast<size_t>(before.n + after.n), welch.degrees());
  test.contamination = is_sign(test, std::min(before.n, after.n), rules);
  test.what = fmt::format("{:.1f} % of {} earlier ones solved, {:.1f} % of {} later ones", 100 * before.mean(),
                          before.n, 100 * after.mean(), after.n);
  result.tests.push_back(std::move(test));
}

void held_out_tests(const AuditSubject& subject, const std::optional<AuditSubject>& against, const AuditRules& rules,
                    AuditResult& result) {
  for (const HeldOutExam& exam : subject.held_out) {
    if (!rules.cutoff.empty()) before_and_after(exam, rules, result);
    if (!against) continue;
    for (const HeldOutExam& other : against->held_out) {
      if (other.task == exam.task) public_beside_held_out(exam, other, rules, result);
    }
  }
}

const AuditPart* part_in(const std::optional<AuditSubject>& subject, const std::string& language) {
  if (!subject) return nullptr;
  for (const AuditPart& part : subject->parts) {
    if (part.language == language) return &part;
  }
  return nullptr;
}

std::set<std::string> items_in(const AuditPart& part, const std::string& form) {
  std::set<std::string> items;
  for (const AuditAnswer& answer : answers_of(part, form)) items.insert(answer.item);
  return items;
}

// By reason, as the answers show it: an item with options that is asked in one order has options that speak of each
// other; another one that is not asked as cloze has a question that means nothing without them.
void count_left_out(const AuditPart& part, AuditResult& result) {
  std::map<std::string, int> orders, options;
  for (const AuditAnswer& answer : answers_of(part, "orders")) {
    ++orders[answer.item], options[answer.item] = answer.options;
  }
  const std::set<std::string> cloze = items_in(part, "cloze");
  int64_t bound = 0, needed = 0;
  for (const auto& [item, count] : orders) {
    const bool is_bound = count == 1 && options[item] > 1;
    bound += is_bound;
    needed += !is_bound && !cloze.empty() && !cloze.count(item);
  }
  const int64_t all = static_cast<int64_t>(orders.size());
  auto add = [&](const char* reason, const char* from, int64_t items, int64_t of) {
    if (items > 0) result.left_out.push_back({part.language, reason, from, items, of});
  };
  add("options that speak of each other (\"all of the above\")", "other orders, cloze, open, turned options", bound,
      all);
  add("a question that means nothing without its options", "cloze, open", needed, all);
  if (part.problems > 0) {
    const int64_t changed = static_cast<int64_t>(items_in(part, "unchanged").size());
    add("numbers that can't be changed safely", "other numbers", part.problems - changed, part.problems);
  }
}

std::string sentence_of(const AuditResult& result, const std::vector<std::string>& reasons) {
  const std::string beside = result.against.empty() ? "" : " since " + result.against;
  switch (result.verdict) {
    case AuditVerdict::kDecorated:
      return fmt::format("{}: the multiple-choice score{} is exam technique at least in part: {}.", result.checkpoint,
                         beside, fmt::join(reasons, "; "));
    case AuditVerdict::kNotShown:
      return fmt::format("{}: nothing shows that the multiple-choice score{} is exam technique.", result.checkpoint,
                         beside);
    case AuditVerdict::kTooFew:
      return fmt::format("{}: too few items to tell technique from ability.", result.checkpoint);
  }
  return "";
}

}  // namespace

std::string points(double effect) {
  return fmt::format("{:+.1f}", 100 * effect);
}

const char* to_string(AuditVerdict verdict) {
  switch (verdict) {
    case AuditVerdict::kDecorated:
      return "decorated";
    case AuditVerdict::kNotShown:
      return "not_shown";
    case AuditVerdict::kTooFew:
      return "too_few";
  }
  return "";
}

AuditResult audit(const AuditSubject& subject, const std::optional<AuditSubject>& against, const AuditRules& rules) {
  AuditResult result;
  result.checkpoint = subject.label;
  if (against) result.against = against->label;
  const double families = 2.0 * static_cast<double>(std::max<size_t>(1, subject.parts.size()));
  const double level = 1 - rules.alpha / families;
  std::vector<std::string> reasons;
  bool decidable = false;
  for (const AuditPart& part : subject.parts) {
    PartAudit one(part, part_in(against, part.language), rules, level, result);
    one.run();
    reasons.insert(reasons.end(), one.reasons().begin(), one.reasons().end());
    decidable = decidable || one.decidable();
    count_left_out(part, result);
  }
  held_out_tests(subject, against, rules, result);
  result.verdict = !reasons.empty() ? AuditVerdict::kDecorated
                   : decidable      ? AuditVerdict::kNotShown
                                    : AuditVerdict::kTooFew;
  result.sentence = sentence_of(result, reasons);
  for (const AuditTest& test : result.tests) {
    if (test.contamination)
      result.sentence += fmt::format(" Sign of contamination{}: {}, {}.",
                                     test.language.empty() ? "" : " (" + test.language + ")", test.name, test.what);
  }
  return result;
}

AuditSubject sampled(const AuditSubject& subject, double share, uint64_t seed) {
  AuditSubject out = subject;
  auto left_out = [&](const std::string& item) {
    return static_cast<double>(stable_hash(seed, item) >> 11) * 0x1p-53 >= share;
  };
  for (AuditPart& part : out.parts) {
    for (auto& [unused, answers] : part.forms) {
      std::erase_if(answers, [&](const AuditAnswer& answer) { return left_out(answer.item); });
    }
    std::erase_if(part.in_training_text, [&](const auto& entry) { return left_out(entry.first); });
  }
  return out;
}

Json to_json(const AuditResult& result) {
  Json tests = Json::array();
  for (const AuditTest& test : result.tests) {
    Json interval = test.low ? Json::array({*test.low, *test.high}) : Json(nullptr);
    tests.push_back({{"name", test.name},
                     {"null", test.null},
                     {"effect", test.effect},
                     {"ci95", std::move(interval)},
                     {"p", or_null(test.p)},
                     {"n", test.n},
                     {"language", test.language},
                     {"unit", test.unit},
                     {"found", test.found},
                     {"contamination", test.contamination},
                     {"what", test.what}});
  }
  Json left_out = Json::array();
  for (const AuditLeftOut& left : result.left_out) {
    left_out.push_back({{"language", left.language},
                        {"reason", left.reason},
                        {"from", left.from},
                        {"items", left.items},
                        {"of", left.of}});
  }
  return {{"checkpoint", result.checkpoint},
          {"against", result.against.empty() ? Json(nullptr) : Json(result.against)},
          {"verdict", to_string(result.verdict)},
          {"sentence", result.sentence},
          {"left_out", std::move(left_out)},
          {"tests", std::move(tests)}};
}

std::string render_audit(const AuditResult& result) {
  TextTable table;
  table.columns = {{"test"},        {""},      {"effect", true}, {"95 % interval", true}, {"p", true},
                   {"items", true}, {"found"}, {"what"}};
  for (const AuditTest& test : result.tests) {
    const auto shown = [&](double value) {
      return test.unit == "points" ? points(value) : fmt::format("{:+.2f}", value);
    };
    table.rows.push_back({test.name, test.language, shown(test.effect),
                          test.low ? fmt::format("{} .. {}", shown(*test.low), shown(*test.high)) : "-",
                          !test.p          ? "-"
                          : *test.p < 1e-4 ? "< 0.0001"
                                           : fmt::format("{:.4f}", *test.p),
                          std::to_string(test.n),
                          test.found           ? "technique"
                          : test.contamination ? "contamination"
                                               : "",
                          test.what});
  }
  std::string left_out;
  for (const AuditLeftOut& left : result.left_out) {
    left_out += fmt::format("left out ({}): {} of {} items with {}: not in {}\n", left.language, left.items, left.of,
                            left.reason, left.from);
  }
  return fmt::format("{}\n\n{}\neffects in points of {}\n{}verdict: {}\n", result.sentence, table.plain(),
                     result.from_published ? "a hundred, as published" : "ability: 0 = guessing, 100 = always right",
                     left_out, to_string(result.verdict));
}

}  // namespace assay
