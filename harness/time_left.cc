#include "harness/time_left.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

// Before anything has ended: texts at the limit, a half, a quarter ... of it, and what they weigh, alone and beside
// what is known otherwise.
constexpr int kGuesses = 5;
constexpr double kGuessWeight = 0.4, kGuessWeightBeside = 0.2;
// At the limit so many times as many, where fewer texts are known: one that is longer than all of them may never end.
constexpr double kGuessedAtLimit = 3;
constexpr size_t kEnoughKnown = 20;
// What all texts of an earlier run weigh together, at most.
constexpr double kEarlierWeight = 20;
constexpr int kLongestText = 1 << 16;  // where the model's context is not known
// A token of running text, about; and answers beside the examples' mean length.
constexpr double kBytesOfToken = 3.5;
constexpr double kSpread[] = {0.5, 0.75, 1, 1.25, 1.75};
// Until passes have differed: what a pass and a text's row cost, in rows of prompts, and how much that weighs.
constexpr double kRowsOfPass = 15, kPassWeight = 300, kRowsOfTextRow = 1.4, kTextRowWeight = 1e5;
constexpr double kKeyWeight = 3e10;  // of what the backend says of a key's cost
// What a report's weight becomes with each that follows: contexts grow, other processes come and go.
constexpr double kFading = 0.98;
// Of the end that the last report tells, beside those told before: single long texts make it jump.
constexpr double kTrust = 0.25;

using Work = std::array<double, 4>;

void add_product(std::array<Work, 4>& products, const Work& work, double weight) {
  for (size_t i = 0; i < work.size(); ++i) {
    for (size_t j = 0; j < work.size(); ++j) products[i][j] += weight * work[i] * work[j];
  }
}

// Passes after which it is as likely as not that every text has ended: a text is given by `lengths` and its length so
// far.
double passes_until_ended(const TextLengths& lengths, const std::vector<int>& so_far, double fresh) {
  double low = 0, high = 1;
  const auto all_ended = [&](double passes) {
    double logarithm = fresh * std::log1p(-std::min(1 - 1e-12, lengths.goes_on(0, passes)));
    for (const int tokens : so_far) logarithm += std::log1p(-std::min(1 - 1e-12, lengths.goes_on(tokens, passes)));
    return logarithm > std::log(0.5);
  };
  while (!all_ended(high)) low = high, high *= 2;
  for (int i = 0; i < 12 && high - low > 1; ++i) {
    const double middle = (low + high) / 2;
    (all_ended(middle) ? high : low) = middle;
  }
  return high;
}

// The costs, none below zero, that explain best what was noted: normal equations, without those that come out below.
Work least_squares(std::array<Work, 4> products, const Work& sides, double rows_of_key) {
  constexpr size_t kCosts = 4;
  add_product(products, {1, -kRowsOfPass, 0, 0}, kPassWeight);
  add_product(products, {0, -kRowsOfTextRow, 1, 0}, kTextRowWeight);
  add_product(products, {0, -rows_of_key, 0, 1}, kKeyWeight);
  std::array<bool, kCosts> used = {true, true, true, true};
  while (true) {
    std::array<std::array<double, kCosts + 1>, kCosts> rows{};
    for (size_t i = 0; i < kCosts; ++i) {
      for (size_t j = 0; j < kCosts; ++j) rows[i][j] = used[i] && used[j] ? products[i][j] : i == j;
      rows[i][kCosts] = used[i] ? sides[i] : 0;
    }
    for (size_t pivot = 0; pivot < kCosts; ++pivot) {  // positive definite: no order of pivots is needed
      for (size_t i = 0; i < kCosts; ++i) {
        if (i == pivot) continue;
        const double factor = rows[i][pivot] / rows[pivot][pivot];
        for (size_t j = pivot; j <= kCosts; ++j) rows[i][j] -= factor * rows[pivot][j];
      }
    }
    Work costs;
    for (size_t i = 0; i < kCosts; ++i) costs[i] = rows[i][kCosts] / rows[i][i];
    const size_t least = static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
    if (costs[least] >= 0) return costs;
    used[least] = false;
  }
}

}  // namespace

TextLengths::TextLengths(int most, std::span<const int> earlier)
    : most_(std::max(1, most)), ended_(static_cast<size_t>(most_) + 1) {
  const double weight = std::min(1.0, kEarlierWeight / std::max(1.0, static_cast<double>(earlier.size())));
  for (const int length : earlier) ended_[static_cast<size_t>(std::clamp(length, 1, most_))] += weight;
  const double guess = earlier.empty() ? kGuessWeight : kGuessWeightBeside;
  for (int i = 0; i < kGuesses; ++i)
    ended_[static_cast<size_t>(std::max(1, most_ >> i))] +=
        guess * (i == 0 && earlier.size() < kEnoughKnown ? kGuessedAtLimit : 1);
  fit({});
}

std::vector<int> TextLengths::like_examples(double bytes) {
  std::vector<int> lengths;
  for (const double times : kSpread) lengths.push_back(1 + static_cast<int>(times * bytes / kBytesOfToken));
  return lengths;
}

void TextLengths::add(int length) {
  ended_[static_cast<size_t>(std::clamp(length, 1, most_))] += 1;
}

void TextLengths::fit(std::span<const int> under_way) {
  const size_t size = ended_.size();
  std::vector<double> at_risk(size + 1);  // texts that were seen at this length
  for (const int so_far : under_way) at_risk[static_cast<size_t>(std::clamp(so_far, 0, most_))] += 1;
  for (size_t length = size; length-- > 0;) at_risk[length] += ended_[length] + at_risk[length + 1];
  survival_.assign(size, 0);
  after_.assign(size + 1, 0);
  keys_.assign(size + 1, 0);
  survival_[0] = 1;
  for (size_t length = 1; length + 1 < size; ++length)
    survival_[length] = survival_[length - 1] * (at_risk[length] > 0 ? 1 - ended_[length] / at_risk[length] : 1);
  for (size_t length = size; length-- > 0;) {
    after_[length] = survival_[length] + after_[length + 1];
    keys_[length] = static_cast<double>(length) * survival_[length] + keys_[length + 1];
  }
}

double TextLengths::mean() const {
  return after_[0];
}

double TextLengths::still_to_come(const std::vector<double>& sums, int so_far) const {
  const size_t at = static_cast<size_t>(std::clamp(so_far, 0, most_));
  return survival_[at] > 0 ? sums[at] / survival_[at] : 0;
}

double TextLengths::rest(int so_far) const {
  return still_to_come(after_, so_far);
}

double TextLengths::rest_keys(int so_far) const {
  return still_to_come(keys_, so_far);
}

double TextLengths::goes_on(int so_far, double more) const {
  const size_t at = static_cast<size_t>(std::clamp(so_far, 0, most_));
  const double end = static_cast<double>(so_far) + more;
  if (end >= most_ || survival_[at] <= 0) return 0;
  return survival_[static_cast<size_t>(end)] / survival_[at];
}

TimeLeft::TimeLeft(std::span<const Request> requests, int context_length, const Earlier& earlier)
    : requests_(requests) {
  const int longest = context_length > 0 ? context_length : kLongestText;
  std::map<std::string, int> most;
  for (const Request& request : requests) {
    if (generates(request))
      most[request.task] = std::min(longest, std::max(most[request.task], request.generate.max_tokens));
  }
  for (const auto& [task, tokens] : most) texts_.emplace(task, Texts{0, TextLengths(tokens, earlier(task)), {}});
  for (const Request& request : requests) {
    if (generates(request)) texts_.at(request.task).open += request.generate.samples;
  }
}

void TimeLeft::add(const Request& request, const Response& answer) {
  if (generates(request) && answer.texts.empty()) texts_.at(request.task).open -= request.generate.samples;
}

void TimeLeft::fit_costs(const RunStats& stats) {
  const double passes = static_cast<double>(stats.passes - last_.passes);
  if (passes <= 0) return;
  const double rows = static_cast<double>(stats.computed_tokens - last_.computed_tokens);
  const double of_texts = static_cast<double>(stats.generated_tokens - last_.generated_tokens);
  const double before = last_.passes > 0 ? last_.seconds : stats.plan_seconds;
  rows_a_pass_ = rows_a_pass_ > 0 ? (rows_a_pass_ + rows / passes) / 2 : rows / passes;
  double keys_now = 0;
  for (const RunStats::TextLength& text : stats.under_way) keys_now += text.tokens;
  const Work work = {passes, rows - of_texts, of_texts, passes * (keys_now_ + keys_now) / 2};
  keys_now_ = keys_now;
  for (size_t i = 0; i < work.size(); ++i) {
    for (double& product : products_[i]) product *= kFading;
    times_seconds_[i] = kFading * times_seconds_[i] + work[i] * (stats.seconds - before);
  }
  add_product(products_, work, 1);
  costs_ = least_squares(products_, times_seconds_, stats.rows_of_key);
  last_ = stats;
}

std::optional<double> TimeLeft::seconds(const RunStats& stats) {
  fit_costs(stats);
  for (auto& [task, texts] : texts_) texts.under_way.clear();
  for (const RunStats::TextLength& text : stats.ended) {
    Texts& texts = texts_.at(requests_[text.request].task);
    --texts.open;
    texts.lengths.add(text.tokens);
  }
  if (last_.passes == 0) return std::nullopt;
  for (const RunStats::TextLength& text : stats.under_way)
    texts_.at(requests_[text.request].task).under_way.push_back(text.tokens);

  // A text's row is in the tree from the beginning of its pass.
  const double in_pass = static_cast<double>(stats.under_way.size());
  const double prompt_rows = std::max(0.0, static_cast<double>(stats.tree_tokens - stats.computed_tokens) - in_pass);
  double rows_waiting = 0, rows_under_way = 0, keys = 0;
  double last_ended = 0, last_fresh_ended = 0;  // passes until then
  for (auto& [task, texts] : texts_) {
    const double waiting = static_cast<double>(texts.open) - static_cast<double>(texts.under_way.size());
    texts.lengths.fit(texts.under_way);
    rows_waiting += std::max(0.0, waiting) * texts.lengths.mean();
    keys += std::max(0.0, waiting) * texts.lengths.rest_keys(0);
    for (const int so_far : texts.under_way)
      rows_under_way += texts.lengths.rest(so_far), keys += texts.lengths.rest_keys(so_far);
    if (!texts.under_way.empty())
      last_ended = std::max(last_ended, passes_until_ended(texts.lengths, texts.under_way, 0));
    if (waiting > 0) {
      const double at_the_end = std::min(waiting, std::max(1.0, rows_a_pass_));
      last_fresh_ended = std::max(last_fresh_ended, passes_until_ended(texts.lengths, {}, at_the_end));
    }
  }
  const double until_begun = (prompt_rows + rows_waiting) / std::max(1.0, rows_a_pass_);
  const double passes = std::max(last_ended, until_begun + last_fresh_ended);
  const double rows = rows_waiting + rows_under_way;
  const double left = costs_[0] * passes + costs_[1] * prompt_rows + costs_[2] * rows + costs_[3] * keys;
  const double end = stats.seconds + left;
  end_ = end_ > 0 && left > 0 ? end_ + kTrust * (end - end_) : end;
  return std::max(0.0, end_ - stats.seconds);
}

}  // namespace assay
