#include "reports/audit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/hash.h"
#include "reports/audit_effects.h"
#include "reports/counter_random.h"
#include "reports/distributions.h"

namespace assay {
namespace {

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

// Mean over the orders; `first_only`: the file's order alone. An item with one option is right whatever is known.
ItemValues abilities(const AuditPart& part, const std::string& form, bool first_only = false) {
  std::map<std::string, std::pair<double, int>> sums;
  for (const AuditAnswer& answer : answers_of(part, form)) {
    if ((first_only && answer.order != 0) || answer.options == 1) continue;
    auto& [sum, count] = sums[answer.item];
    sum += ability(answer.value, form == "open" ? 0 : answer.options);
    ++count;
  }
  ItemValues out;
  for (const auto& [item, sum] : sums) out[item] = sum.first / sum.second;
  return out;
}

// So few items may be continued word for word by chance (short ones, numbers in order).
constexpr double kVerbatimShare = 0.02;

// Nats a rare token by which an item may lead without being called learned: beside another order of its options, and
// since an earlier checkpoint beside other numbers.
constexpr double kRareOrder = 0.1, kRareNumbers = 0.5;

// "Nothing shows ..." is said where a difference of so much ability would have been found in four of five cases.
constexpr double kSeen = 0.25, kOftenSeen = 0.8;

constexpr int kMostDigits = 10;  // options that digits can label

// Clusters below which nothing is decided, however many items they hold.
constexpr size_t kFewestUnits = 10;

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

ItemValues leads_of(const OrderedRows& rows) {
  ItemValues leads;
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

// The tests of one language.
class PartAudit {
 public:
  PartAudit(const AuditPart& a, const AuditPart* b, const AuditRules& rules, double level, AuditResult& result,
            std::vector<AuditClaim>& claims)
      : a_(a), b_(b), rules_(rules), level_(level), result_(result), claims_(claims) {
    int fewest_options = 0;
    for (const AuditAnswer& answer : answers_of(a_, "orders")) {
      options_[answer.item] = answer.options;
      if (answer.options > 1 && (fewest_options == 0 || answer.options < fewest_options)) {
        fewest_options = answer.options;
      }
    }
    if (fewest_options > 1) span_ = 1 / (1 - 1.0 / fewest_options);
  }

  void run() {
    if (b_) letters_only_gain();
    bound_to_labels();
    other_tests();
  }
  bool decidable() const { return decidable_; }

 private:
  // `balanced`: see balance().
  Effect effect(const ItemValues& values, double span, bool balanced = false) const {
    return effect_of(values, a_.clusters, span, balanced ? balance(values) : std::vector<double>());
  }
  double mean(const ItemValues& values, bool balanced = false) const { return effect(values, 0, balanced).value; }

  size_t add(const std::string& name, const std::string& null, const Effect& effect, const std::string& what) {
    result_.tests.push_back(make_test(a_.language, name, null, effect));
    result_.tests.back().what = what;
    return result_.tests.size() - 1;
  }

  // Options of an item and place of the right one in the file's order; nothing where that is not known.
  std::optional<std::pair<int, int>> place_of(const std::string& item) const {
    const auto options = options_.find(item), gold = a_.gold_position.find(item);
    if (options == options_.end() || gold == a_.gold_position.end()) return std::nullopt;
    return std::pair(options->second, gold->second);
  }

  // Without the items of a number of options of which the right one never stands at some place: there a habit of naming
  // one place can't be told from knowing.
  ItemValues right_everywhere(ItemValues values) const {
    const auto places = places_of(values);
    std::erase_if(values, [&](const auto& entry) {
      const auto place = place_of(entry.first);
      return place && static_cast<int>(places.at(place->first).size()) < place->first;
    });
    return values;
  }

  // Weights by which the right option stands at each place equally often among items of as many options, as far as it
  // stands there at all: whoever always names one place is then no better than a guesser.
  std::vector<double> balance(const ItemValues& values) const {
    const auto places = places_of(values);
    std::vector<double> weights;
    for (const auto& [item, unused] : values) {
      const auto place = place_of(item);
      if (!place) {
        weights.push_back(1);
        continue;
      }
      const auto& items_at = places.at(place->first);
      double all = 0;
      for (const auto& [unused_place, items] : items_at) all += items;
      weights.push_back(all / (static_cast<double>(items_at.size()) * items_at.at(place->second)));
    }
    return weights;
  }

  // Options -> place of the right one in the file's order -> items.
  std::map<int, std::map<int, double>> places_of(const ItemValues& values) const {
    std::map<int, std::map<int, double>> places;
    for (const auto& [item, unused] : values) {
      if (const auto place = place_of(item)) ++places[place->first][place->second];
    }
    return places;
  }

  bool is_enough(const Effect& effect) const {
    const bool clustered = effect.units < effect.items;
    return static_cast<int64_t>(effect.items) >= rules_.fewest && (!clustered || effect.units >= kFewestUnits);
  }
  bool enough_rows(const AuditTest& test) const { return test.n >= rules_.fewest_rows; }

  // Enough items, and an error small enough to find a difference of kSeen above the margin.
  void decide_if_seen(const Effect& effect) {
    const double quantiles = normal_quantile(level_) + normal_quantile(kOftenSeen);
    const bool seen = is_enough(effect) && effect.error && quantiles * *effect.error <= kSeen - rules_.margin;
    decidable_ = decidable_ || seen;
  }

  // p of "`gain` does not exceed each of `others` by the margin and twice each of them" (intersection-union test).
  double p_exceeds(const ItemValues& gain, const std::vector<const ItemValues*>& others, bool balanced) const {
    double p = p_above(effect(gain, 2 * span_, balanced), rules_.margin);
    for (const ItemValues* other : others) {
      p = std::max(p, p_above(effect(combined(gain, -1, *other), 2 * span_, balanced), rules_.margin));
      p = std::max(p, p_above(effect(combined(gain, -2, *other), 3 * span_, balanced), 0));
    }
    return p;
  }

  void sign_if_above(const Effect& effect, double bound, size_t test) {
    if (is_enough(effect)) claims_.push_back({false, p_above(effect, bound), {test}, ""});
  }

  void letters_only_gain() {
    auto gain = [&](const char* form) { return combined(abilities(a_, form), -1, abilities(*b_, form)); };
    const ItemValues letters = gain("orders"), cloze = gain("cloze"), open = gain("open");
    if (letters.empty() || (cloze.empty() && open.empty())) return;
    std::vector<const ItemValues*> others, enough;  // forms that hardly any item has say nothing against the rest
    for (const ItemValues* other : {&cloze, &open}) {
      if (other->empty()) continue;
      others.push_back(other);
      if (is_enough(effect(combined(letters, -1, *other), 0))) enough.push_back(other);
    }
    AuditClaim claim;
    claim.technique = true;
    const double own = mean(letters);
    add("gain as letters", "no gain", effect(letters, span_),
        fmt::format("{} points of ability as letters, mean over all orders", points(own)));
    auto compare = [&](const char* form, const ItemValues& other) {
      if (other.empty()) return;
      const ItemValues difference = combined(letters, -1, other);
      const Effect beside = effect(difference, 2 * span_);
      decide_if_seen(beside);
      claim.tests.push_back(
          add(fmt::format("letters-only gain, beside {}", form), "letters gain what the other form gains", beside,
              fmt::format("{} as letters, {} as {}, on the same items", points(mean(combined(difference, 1, other))),
                          points(mean(combined(letters, -1, difference))), form)));
    };
    compare("cloze", cloze), compare("open", open);
    const ItemValues shared = shared_gain(others);
    add("gain shared by the other forms", "no gain", effect(shared, span_),
        fmt::format("{} without letters (mean of cloze and open)", points(mean(shared))));
    if (enough.empty()) return;
    claim.p = p_exceeds(letters, enough, false);
    claim.reason = fmt::format("the same items gained {} points as letters and {} without them ({})", points(own),
                               points(mean(shared)), a_.language);
    claims_.push_back(std::move(claim));
  }

  static ItemValues shared_gain(const std::vector<const ItemValues*>& others) {
    if (others.size() == 1) return *others.front();
    ItemValues sum = combined(*others[0], 1, *others[1]);
    for (auto& [unused, value] : sum) value /= 2;
    return sum;
  }

  void bound_to_labels() {
    const ItemValues plain = abilities(a_, "orders", true), digits = abilities(a_, "digits"),
                     letters = abilities(a_, "letters");
    if (plain.empty() || digits.empty() || letters.empty()) return;
    AuditClaim claim;
    claim.technique = true;
    bool enough = true;
    auto compare = [&](const char* labels, const ItemValues& other) {
      const ItemValues lost = combined(plain, -1, other);
      const Effect decides = effect(right_everywhere(lost), span_, true);
      enough = enough && is_enough(decides);
      decide_if_seen(decides);
      claim.tests.push_back(
          add(fmt::format("bound to the labels, beside {}", labels), "the score does not depend on the labels",
              effect(lost, span_, true),
              fmt::format("ability {:.2f} with A B C, {:.2f} with {}", mean(plain, true), mean(other, true), labels)));
    };
    compare("1 2 3", digits), compare("P Q R", letters);
    if (!enough) return;
    const ItemValues in_file = right_everywhere(plain), all_orders = right_everywhere(abilities(a_, "orders"));
    claim.p = std::max(p_exceeds(in_file, {&digits, &letters}, true), p_exceeds(all_orders, {&digits, &letters}, true));
    claim.reason =
        fmt::format("ability of {:.2f} with the labels A B C is {:.2f} with 1 2 3 and {:.2f} with P Q R ({})",
                    mean(plain, true), mean(digits, true), mean(letters, true), a_.language);
    claims_.push_back(std::move(claim));
  }

  void other_tests() {
    const ItemValues plain = abilities(a_, "orders", true);
    const ItemValues reworded = abilities(a_, "reworded"), blind = abilities(a_, "blind");
    if (!reworded.empty() && !plain.empty()) {
      add("other words around the options", "the score does not depend on the wording",
          effect(combined(plain, -1, reworded), span_, true),
          fmt::format("ability {:.2f} in the exam's words, {:.2f} in others", mean(plain, true), mean(reworded, true)));
    }
    if (!blind.empty()) {
      const Effect without = effect(blind, span_, true);
      add("options without the question", "guessing", without,
          fmt::format("ability {:.2f} with the question removed", without.value));
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
  static ItemValues lead_of_own_order(const AuditPart& part, const std::string& form) {
    std::map<std::string, double> own;
    std::map<std::string, std::pair<double, int>> changed;
    for (const AuditAnswer& answer : answers_of(part, form)) {
      if (answer.order == 0) {
        own[answer.item] = answer.value;
      } else {
        changed[answer.item].first += answer.value, ++changed[answer.item].second;
      }
    }
    ItemValues lead;
    for (const auto& [item, value] : own) {
      if (auto other = changed.find(item); other != changed.end())
        lead[item] = value - other->second.first / other->second.second;
    }
    return lead;
  }

  // `alone`: without learning an item leads by nothing, so that its lead alone is a sign.
  void rare_tokens(const char* form, const std::string& beside, double threshold, bool alone) {
    const ItemValues lead = lead_of_own_order(a_, form);
    if (lead.empty()) return;
    const Effect now = effect(lead, 0);
    const size_t test =
        add("rare tokens, beside " + beside, "an item is as likely with " + beside, now,
            fmt::format("{:+.3f} nats a rare token as the item stands in the file (Min-20 %)", now.value));
    result_.tests[test].unit = "nats";
    if (alone) sign_if_above(now, threshold, test);
    if (!b_) return;
    const ItemValues more = combined(lead, -1, lead_of_own_order(*b_, form));
    if (more.empty()) return;
    const Effect grown = effect(more, 0);
    const size_t since =
        add("rare tokens, beside " + beside + ", since then", "the item gained no more than it did with " + beside,
            grown, fmt::format("{:+.3f} nats a rare token more than before", grown.value));
    result_.tests[since].unit = "nats";
    sign_if_above(grown, threshold, since);
  }

  // A sign by more than the margin: other numbers may be a little harder than those that an author chose.
  void other_numbers() {
    auto lost = [](const AuditPart& part) {
      return combined(abilities(part, "unchanged"), -1, abilities(part, "numbers"));
    };
    const ItemValues own = abilities(a_, "unchanged"), loss = lost(a_);
    if (loss.empty()) return;
    const Effect now = effect(loss, 1);
    const double kept = mean(combined(own, -1, loss));
    const size_t test =
        add("other numbers in word problems", "a problem is solved with other numbers as with its own", now,
            fmt::format("{:.1f} % right with their own numbers, {:.1f} % with others (effect: the difference)",
                        100 * (kept + now.value), 100 * kept));
    sign_if_above(now, rules_.margin, test);
    if (!b_) return;
    const ItemValues more = combined(loss, -1, lost(*b_));
    if (more.empty()) return;
    const Effect grown = effect(more, 2);
    const size_t since = add("other numbers in word problems, since then", "the loss by other numbers is what it was",
                             grown, fmt::format("{} points more are lost than before", points(grown.value)));
    sign_if_above(grown, rules_.margin, since);
  }

  // Gives the one-sided p of "the file's order is not likelier".
  double tell_order(const std::string& name, const std::string& null, const OrderedRows& rows, const char* since) {
    const Effect lead = effect(leads_of(rows), 0);
    const size_t test =
        add(name, null, lead, fmt::format("{:+.2f} bits a row of neighbours in the file's order{}", lead.value, since));
    result_.tests[test].unit = "bits";
    const double p = one_sided_order_p(rows);
    result_.tests[test].p = std::min(1.0, 2 * p);
    return lead.value > 0 ? p : 1;
  }

  void order_of_the_file() {
    const OrderedRows rows = ordered_rows(a_);
    if (rows.empty()) return;
    const OrderedRows more = b_ ? changed_rows(rows, ordered_rows(*b_)) : OrderedRows();
    double p = tell_order("order of the test set", "no order of the items is likelier than another", rows, "");
    if (!more.empty()) {
      p = std::max(p, tell_order("order of the test set, since then", "the file's order gained no more than the others",
                                 more, " more than before"));
    }
    const size_t last = result_.tests.size() - 1;
    if (enough_rows(result_.tests[last])) claims_.push_back({false, p, {last}, ""});
  }

  void add_share(AuditTest test) {
    if (enough_rows(test)) claims_.push_back({false, test.p.value_or(1), {result_.tests.size()}, ""});
    result_.tests.push_back(std::move(test));
  }

  void verbatim() {
    ItemValues whole;
    for (const AuditAnswer& answer : answers_of(a_, "verbatim")) whole[answer.item] = answer.value;
    if (whole.empty()) return;
    AuditTest test = make_share_test(a_.language, "second half word for word",
                                     "at most 2 % of unseen items are continued word for word (one-sided)", whole,
                                     a_.clusters, kVerbatimShare);
    test.what = fmt::format("{:.1f} % of the items (effect: their share)", 100 * test.effect);
    add_share(std::move(test));
  }

  void training_text() {
    ItemValues found, seen, unseen;
    const ItemValues plain = abilities(a_, "orders", true);
    for (const auto& [item, is_there] : a_.in_training_text) {
      found[item] = is_there;
      if (auto ability = plain.find(item); ability != plain.end()) (is_there ? seen : unseen).insert(*ability);
    }
    if (found.empty()) return;
    AuditTest test = make_share_test(a_.language, "words in the training text",
                                     "at most 2 % of the items stand in the training text (one-sided)", found,
                                     a_.clusters, kVerbatimShare);
    test.what =
        fmt::format("{:.1f} % of the items have 13 words in a row there (effect: their share)", 100 * test.effect);
    add_share(std::move(test));
    const Effect on_seen = effect(seen, span_), on_unseen = effect(unseen, span_);
    if (!on_seen.error || !on_unseen.error) return;
    add("ability on items of the training text", "these items are answered as well as the others",
        difference_of(on_seen, on_unseen),
        fmt::format("ability {:.2f} on {} items that stand there, {:.2f} on {} that do not", on_seen.value, seen.size(),
                    on_unseen.value, unseen.size()));
  }

  void right_in_every_order() {
    std::map<std::string, std::vector<double>> by_item;
    for (const AuditAnswer& answer : answers_of(a_, "orders")) by_item[answer.item].push_back(answer.value);
    ItemValues lost;
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
    add("right in every order", "an item is right in every order or in none", effect(lost, 1),
        fmt::format("{:.1f} % right on average, {:.1f} % in every order (effect: the difference of the shares)",
                    100 * any_order / n, 100 * every / n));
  }

  // The cyclic orders put the right option behind every label equally often, so an unbiased answerer names each label
  // equally often, of items that have it. Effect: the share of the label named most, less 1 / options.
  void letter_bias() {
    std::map<std::string, std::map<std::string, double>> named;  // label -> item -> times
    std::map<std::string, int> orders;
    int most_options = 0;
    for (const AuditAnswer& answer : answers_of(a_, "orders")) {
      ++orders[answer.item];
      if (is_label(answer.chosen)) named[answer.chosen][answer.item] += 1;
    }
    std::erase_if(orders, [&](const auto& entry) { return entry.second < 2 || entry.second != options_[entry.first]; });
    for (const auto& [item, count] : orders) most_options = std::max(most_options, count);
    std::optional<AuditTest> most;
    for (const auto& [label, times] : named) {
      ItemValues excess;
      for (const auto& [item, count] : orders) {
        if (label[0] - 'A' >= count) continue;
        auto found = times.find(item);
        excess[item] = ((found == times.end() ? 0 : found->second) - 1) / count;
      }
      if (excess.empty()) continue;
      AuditTest test = make_test(a_.language, "letter bias", "every label is named equally often", effect(excess, 1),
                                 static_cast<size_t>(most_options));
      test.what = fmt::format("{} is named most often: {} points of share above its turn", label, points(test.effect));
      if (!most || test.effect > most->effect) most = std::move(test);
    }
    if (most) result_.tests.push_back(std::move(*most));
  }

  static bool is_label(const std::string& chosen) { return chosen.size() == 1 && chosen[0] >= 'A' && chosen[0] <= 'Z'; }

  const AuditPart& a_;
  const AuditPart* b_;
  const AuditRules& rules_;
  const double level_;  // one-sided, at which what decides is found if no other claim holds
  AuditResult& result_;
  std::vector<AuditClaim>& claims_;
  std::map<std::string, int> options_;
  double span_ = 1;  // how far apart two abilities can lie
  bool decidable_ = false;
};

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
  const std::set<std::string> cloze = items_in(part, "cloze"), digits = items_in(part, "digits");
  int64_t bound = 0, needed = 0, unlabelled = 0;
  for (const auto& [item, count] : orders) {
    const bool is_bound = count == 1 && options[item] > 1;
    bound += is_bound;
    needed += !is_bound && !cloze.empty() && !cloze.count(item);
    unlabelled += options[item] > kMostDigits && !digits.count(item);
  }
  const int64_t all = static_cast<int64_t>(orders.size());
  auto add = [&](const char* reason, const char* from, int64_t items, int64_t of) {
    if (items > 0) result.left_out.push_back({part.language, reason, from, items, of});
  };
  add("options that speak of each other (\"all of the above\")", "other orders, cloze, open, turned options", bound,
      all);
  add("a question that means nothing without its options", "cloze, open", needed, all);
  add("more options than there are other labels", "1 2 3, P Q R", unlabelled, all);
  if (part.problems > 0) {
    const int64_t changed = static_cast<int64_t>(items_in(part, "unchanged").size());
    add("numbers that can't be changed safely", "other numbers", part.problems - changed, part.problems);
  }
}

bool has_numbers_only(const AuditSubject& subject) {
  for (const AuditPart& part : subject.parts) {
    for (const auto& [unused, answers] : part.forms) {
      for (const AuditAnswer& answer : answers) {
        if (!std::isfinite(answer.value)) return false;
      }
    }
  }
  return true;
}

// Without the answers whose value is infinite or not a number: they have no mean. How many stands in `result`.
AuditSubject without_non_finite(const AuditSubject& subject, AuditResult& result) {
  AuditSubject out = subject;
  for (AuditPart& part : out.parts) {
    for (auto& [form, answers] : part.forms) {
      const auto is_broken = [](const AuditAnswer& answer) { return !std::isfinite(answer.value); };
      const int64_t of = static_cast<int64_t>(answers.size());
      const int64_t broken = static_cast<int64_t>(std::erase_if(answers, is_broken));
      if (broken > 0) result.left_out.push_back({part.language, "a value that is no finite number", form, broken, of});
    }
  }
  return out;
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
  if (!has_numbers_only(subject) || (against && !has_numbers_only(*against))) {
    AuditResult unused;  // what B lacks is not listed
    const AuditSubject finite = without_non_finite(subject, result);
    std::optional<AuditSubject> finite_against;
    if (against) finite_against = without_non_finite(*against, unused);
    AuditResult rest = audit(finite, finite_against, rules);
    rest.left_out.insert(rest.left_out.end(), result.left_out.begin(), result.left_out.end());
    return rest;
  }
  result.checkpoint = subject.label;
  if (against) result.against = against->label;
  // Two findings a language share one half of alpha.
  const double families = 4.0 * static_cast<double>(std::max<size_t>(1, subject.parts.size()));
  const double level = 1 - rules.alpha / families;
  std::vector<AuditClaim> claims;
  bool decidable = false;
  for (const AuditPart& part : subject.parts) {
    PartAudit one(part, part_in(against, part.language), rules, level, result, claims);
    one.run();
    decidable = decidable || one.decidable();
    count_left_out(part, result);
  }
  audit_held_out(subject, against, rules, result, claims);
  const std::vector<std::string> reasons = settle(claims, rules.alpha, result);
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
  for (AuditPart& part : out.parts) {
    auto left_out = [&](const std::string& item) {
      const auto cluster = part.clusters.find(item);
      const std::string& unit = cluster == part.clusters.end() ? item : cluster->second;
      return static_cast<double>(stable_hash(seed, unit) >> 11) * 0x1p-53 >= share;
    };
    for (auto& [unused, answers] : part.forms) {
      std::erase_if(answers, [&](const AuditAnswer& answer) { return left_out(answer.item); });
    }
    std::erase_if(part.in_training_text, [&](const auto& entry) { return left_out(entry.first); });
  }
  return out;
}

}  // namespace assay
