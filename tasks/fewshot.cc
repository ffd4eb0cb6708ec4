#include "tasks/fewshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"

namespace assay {
namespace {

bool is_same(const Document& a, const Document& b) {
  return a.id == b.id || a.fields == b.fields;
}

// The item's value in the column that items of one passage share.
std::string cluster_of(const Task& task, const Document& document) {
  auto value = document.fields.find(task.cluster);
  if (value == document.fields.end())
    throw_input(task.file, fmt::format("task {}, item {}: the document has no column '{}', which `cluster` names",
                                       task.key(), document.id, task.cluster));
  return value->dump();
}

}  // namespace

int shots_of(const Task& task, const std::optional<int>& asked) {
  return task.fewshot.always_zero ? 0 : asked.value_or(task.fewshot.count);
}

FewshotSampler::FewshotSampler(const Task& task, const std::vector<Document>& pool, int count, uint64_t seed)
    : task_(task), pool_(pool), count_(static_cast<size_t>(std::max(count, 0))), seed_(seed), random_(seed) {
  if (count < 0) throw_input(task.file, fmt::format("task {}: {} few-shot examples were asked for", task.key(), count));
  const bool fixed = !task.fewshot.indices.empty();
  if (!fixed && count_ > 0 && task.fewshot.sampler == FewshotSpec::Sampler::kSameCluster) {
    for (size_t row = 0; row < pool.size(); ++row) clusters_[cluster_of(task, pool[row])].push_back(row);
    return;
  }
  const size_t available = fixed ? task.fewshot.indices.size() : pool.size();
  if (count_ > available) fail_too_few(available);
  for (int row : task.fewshot.indices)
    if (count_ > 0 && (row < 0 || static_cast<size_t>(row) >= pool.size()))
      throw_input(task.file, fmt::format("task {}: fewshot_indices names row {}, split '{}' has {} rows", task.key(),
                                         row, task.fewshot.split, pool.size()));
}

std::vector<size_t> FewshotSampler::next(const Document& item) {
  if (count_ == 0) return {};
  if (!task_.fewshot.indices.empty()) return fixed_rows(item);
  switch (task_.fewshot.sampler) {
    case FewshotSpec::Sampler::kFirstN:
      return first_rows(item);
    case FewshotSpec::Sampler::kStableHash:
      return hashed_rows(item);
    case FewshotSpec::Sampler::kLmEvalRandom:
      return drawn_rows(item);
    case FewshotSpec::Sampler::kSameCluster:
      return rows_of_cluster(item);
  }
  ASSAY_ASSERT(false, "every sampler has its rule");
}

std::vector<size_t> FewshotSampler::fixed_rows(const Document& item) const {
  std::vector<size_t> rows;
  for (int index : task_.fewshot.indices) {
    const size_t row = static_cast<size_t>(index);
    if (rows.size() < count_ && !is_same(pool_[row], item)) rows.push_back(row);
  }
  if (rows.size() < count_) fail_too_few(rows.size());
  return rows;
}

std::vector<size_t> FewshotSampler::first_rows(const Document& item) const {
  std::vector<size_t> rows;
  for (size_t row = 0; row < pool_.size() && rows.size() < count_; ++row)
    if (!task_.fewshot.guards_item || !is_same(pool_[row], item)) rows.push_back(row);
  if (rows.size() < count_) fail_too_few(rows.size());
  return rows;
}

std::vector<size_t> FewshotSampler::hashed_rows(const Document& item) const {
  std::vector<std::pair<uint64_t, size_t>> order;
  order.reserve(pool_.size());
  for (size_t row = 0; row < pool_.size(); ++row)
    order.emplace_back(stable_hash(seed_, item.id + '\n' + pool_[row].id), row);
  // One more than asked, for the item itself; copies of it beyond that are rare enough for a full sort.
  const size_t head = std::min(order.size(), count_ + 1);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(head), order.end());
  std::vector<size_t> rows;
  for (size_t i = 0; i < order.size() && rows.size() < count_; ++i) {
    if (i == head) std::sort(order.begin() + static_cast<std::ptrdiff_t>(head), order.end());
    if (!is_same(pool_[order[i].second], item)) rows.push_back(order[i].second);
  }
  if (rows.size() < count_) fail_too_few(rows.size());
  return rows;
}

std::vector<size_t> FewshotSampler::drawn_rows(const Document& item) {
  const bool other_split = task_.convention != "lm-eval" && task_.fewshot.split != task_.test_split;
  if (other_split || !task_.fewshot.guards_item) return random_.sample(pool_.size(), count_);
  if (count_ + 1 > pool_.size()) fail_too_few(pool_.size() - 1);
  std::vector<size_t> rows = random_.sample(pool_.size(), count_ + 1);
  std::erase_if(rows, [&](size_t row) { return is_same(pool_[row], item); });
  if (rows.size() >= count_) {
    rows.resize(count_);
    return rows;
  }
  std::vector<size_t> others;  // several copies of the item were drawn: once more, without any
  for (size_t row = 0; row < pool_.size(); ++row)
    if (!is_same(pool_[row], item)) others.push_back(row);
  if (others.size() < count_) fail_too_few(others.size());
  rows = random_.sample(others.size(), count_);
  for (size_t& row : rows) row = others[row];
  return rows;
}

std::vector<size_t> FewshotSampler::rows_of_cluster(const Document& item) const {
  std::vector<size_t> rows;
  const auto cluster = clusters_.find(cluster_of(task_, item));
  if (cluster == clusters_.end()) return rows;
  for (size_t row : cluster->second)
    if (rows.size() < count_ && !is_same(pool_[row], item)) rows.push_back(row);
  return rows;
}

void FewshotSampler::fail_too_few(size_t available) const {
  throw_input(
      task_.file,
      fmt::format("task {}: {} few-shot examples were asked for, {} can be had", task_.key(), count_, available),
      "ask for fewer with --num-fewshot");
}

}  // namespace assay
