#include "reports/published.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"

namespace assay {
namespace {

struct Facts {
  std::vector<PublishedNumber> numbers;
  std::map<std::string, std::string> sources;
};

// Scales that are not percent.
bool has_own_scale(const std::string& benchmark, const std::string& metric) {
  static const std::set<std::string> metrics = {
      "bpb",         "BPB",    "loss",       "loss_nats_per_token", "repetition_ratio",
      "mean_length", "solved", "Percentile", "points_of_100"};
  return metrics.count(metric) > 0 || benchmark == "AlignBench" || benchmark == "MT-Bench";
}

Facts read_facts() {
  const std::string where = "built-in:/baselines/published.json";
  const Json json = parse_json(internal::kPublished, where);
  Facts facts;
  for (const auto& [key, citation] : json.at("sources").items()) facts.sources[key] = citation.get<std::string>();
  for (const Json& row : json.at("rows")) {
    PublishedNumber number;
    number.model = row[0].get<std::string>();
    number.benchmark = row[1].get<std::string>();
    number.metric = row[2].get<std::string>();
    if (!row[3].is_null()) number.shots = row[3].get<int>();
    number.value = row[4].get<double>() / (has_own_scale(number.benchmark, number.metric) ? 1 : 100);
    number.method = row[5].get<std::string>();
    number.source = row[6].get<std::string>();
    number.setting = row[7].get<std::string>();
    facts.numbers.push_back(std::move(number));
  }
  return facts;
}

const Facts& facts() {
  static const Facts all = read_facts();
  return all;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Keeps those that fulfil `wanted`, unless none does.
template <typename Wanted>
void prefer(std::vector<const PublishedNumber*>& numbers, Wanted&& wanted) {
  if (std::any_of(numbers.begin(), numbers.end(), [&](const PublishedNumber* number) { return wanted(*number); })) {
    std::erase_if(numbers, [&](const PublishedNumber* number) { return !wanted(*number); });
  }
}

std::string described(const PublishedNumber& number) {
  std::string text = fmt::format("@{} has {} {}", number.source, number.metric,
                                 has_own_scale(number.benchmark, number.metric) ? number.value : number.value * 100);
  if (number.shots) text += fmt::format(" ({}-shot)", *number.shots);
  if (!number.setting.empty()) text += fmt::format(" ({})", number.setting);
  return text;
}

[[noreturn]] void fail_ambiguous(const std::vector<const PublishedNumber*>& numbers) {
  std::set<std::string> lines;
  for (const PublishedNumber* number : numbers) lines.insert(described(*number));
  const PublishedNumber& first = *numbers.front();
  throw_input("published:" + first.model,
              fmt::format("has several numbers for {}: {}", first.benchmark, fmt::join(lines, ", ")),
              fmt::format("say which source is meant, e.g. \"published:{}@{}\"", first.model, first.source));
}

}  // namespace

const std::vector<PublishedNumber>& published_numbers() {
  return facts().numbers;
}

const std::map<std::string, std::string>& published_sources() {
  return facts().sources;
}

std::vector<std::string> published_models() {
  std::vector<std::string> models;
  std::set<std::string> seen;
  for (const PublishedNumber& number : facts().numbers) {
    if (seen.insert(number.model).second) models.push_back(number.model);
  }
  return models;
}

std::vector<const PublishedNumber*> published_of(const std::string& model, const std::string& source) {
  std::vector<const PublishedNumber*> numbers;
  std::set<std::string> sources;
  bool known = false;
  for (const PublishedNumber& number : facts().numbers) {
    if (number.model != model) continue;
    known = true;
    sources.insert(number.source);
    if (source.empty() || number.source == source || ends_with(number.source, ":" + source)) {
      numbers.push_back(&number);
    }
  }
  if (!known) {
    const std::vector<std::string> near = near_names(model, published_models());
    throw_input("published:" + model, "no published numbers of such a model",
                near.empty() ? "" : fmt::format("near names: {}", fmt::join(near, ", ")));
  }
  if (numbers.empty()) {
    throw_input("published:" + model + "@" + source, "this model has no numbers from such a source",
                fmt::format("its sources: {}", fmt::join(sources, ", ")));
  }
  return numbers;
}

const PublishedNumber* find_published(const std::vector<const PublishedNumber*>& numbers,
                                      const std::vector<PublishedKey>& keys) {
  auto any_key = [&](auto&& matches) { return std::any_of(keys.begin(), keys.end(), matches); };
  std::vector<const PublishedNumber*> found;
  for (const PublishedNumber* number : numbers) {
    if (any_key([&](const PublishedKey& key) { return key.benchmark == number->benchmark; })) found.push_back(number);
  }
  if (found.empty()) return nullptr;
  prefer(found, [&](const PublishedNumber& number) {
    return any_key(
        [&](const PublishedKey& key) { return to_lower_ascii(key.metric) == to_lower_ascii(number.metric); });
  });
  prefer(found, [&](const PublishedNumber& number) {
    return any_key([&](const PublishedKey& key) { return key.shots == number.shots; });
  });
  prefer(found, [](const PublishedNumber& number) { return number.setting.empty(); });
  for (const PublishedNumber* number : found) {
    if (number->value != found.front()->value) fail_ambiguous(found);
  }
  // One number under several sources: the one that the task names.
  prefer(found, [&](const PublishedNumber& number) {
    return any_key([&](const PublishedKey& key) { return key.source == number.source; });
  });
  return found.front();
}

std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known) {
  constexpr size_t kMost = 5;
  const std::string wanted = to_lower_ascii(name);
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : known) {
    const std::string lower = to_lower_ascii(candidate);
    const bool inside = !wanted.empty() && lower.find(wanted) != std::string::npos;
    const size_t distance = inside ? 0 : edit_distance(wanted, lower);
    if (distance <= std::max<size_t>(2, wanted.size() / 3)) near.push_back({distance, candidate});
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(kMost, near.size()); ++i) names.push_back(near[i].second);
  return names;
}

}  // namespace assay
