#include "model_backend/engine/kv_cache.h"

#include <algorithm>

#include "core/error.h"

namespace assay {

KvCache::KvCache(Ops& ops, int layers, int64_t kv_width, int slots) : slots_(slots) {
  constexpr size_t kAlignment = 256;
  part_bytes_ = (static_cast<size_t>(slots) * kv_width * ops.act_bytes() + kAlignment - 1) / kAlignment * kAlignment;
  memory_ = ops.allocate(2 * layers * part_bytes_);
}

SlotPool::SlotPool(int slots) : total_(slots), free_(slots) {
  // Handed out from the back: low slots first, so that little memory is touched when little is needed.
  for (int i = 0; i < slots; ++i) free_[i] = slots - 1 - i;
}

int32_t SlotPool::take() {
  ASSAY_ASSERT(available() > 0, "a key/value slot is free");
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

int32_t SlotPool::take_promised() {
  ASSAY_ASSERT(promised_ > 0, "a key/value slot was promised");
  --promised_;
  return take();
}

void SlotPool::promise(int count) {
  ASSAY_ASSERT(available() >= count, "promised key/value slots are free");
  promised_ += count;
}

void SlotPool::forgo(int count) {
  promised_ -= count;
}

void SlotPool::give_back(std::span<const int32_t> slots) {
  free_.insert(free_.end(), slots.rbegin(), slots.rend());
}

TreeSlots::TreeSlots(const Plan& plan, SlotPool& pool)
    : plan_(plan), pool_(pool), slots_(plan.node_count()), needed_by_(plan.node_count()) {
  for (int node = 0; node < plan.node_count(); ++node) needed_by_[node] = plan.node(node).children + 1;
}

void TreeSlots::take(const PlanRows& rows) {
  for (int i = 0; i < rows.rows; ++i) slots_[rows.node].push_back(pool_.take());
}

std::vector<int32_t> TreeSlots::path(int node, int rows) const {
  std::vector<int32_t> all(plan_.node(node).start + rows);
  std::copy_n(slots_[node].begin(), rows, all.begin() + plan_.node(node).start);
  for (int above = plan_.node(node).parent; above >= 0; above = plan_.node(above).parent) {
    std::copy(slots_[above].begin(), slots_[above].end(), all.begin() + plan_.node(above).start);
  }
  return all;
}

void TreeSlots::release(int node) {
  while (node >= 0 && --needed_by_[node] == 0) {
    pool_.give_back(slots_[node]);
    std::vector<int32_t>().swap(slots_[node]);
    node = plan_.node(node).parent;
  }
}

}  // namespace assay
