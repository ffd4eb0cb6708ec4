// Keys and values of the tokens that are still needed, and who needs them.
//
// Memory is cut into slots, one token each, the same slot in every layer. TreeSlots hands them to the rows of a plan's
// nodes; a node gives its slots back when its rows are computed, its subtree has given back and no generated text
// continues from it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model_backend/engine/ops.h"
#include "model_backend/engine/plan.h"

namespace assay {

// The memory itself: for each layer keys and values [slots, K * D] act.
class KvCache {
 public:
  // Throws Error(kWorld) when the device has not that much.
  KvCache(Ops& ops, int layers, int64_t kv_width, int slots);
  void* keys(int layer) { return at(2 * layer); }
  void* values(int layer) { return at(2 * layer + 1); }
  int slots() const { return slots_; }
  static int64_t bytes_per_slot(const Ops& ops, int layers, int64_t kv_width) {
    return 2 * layers * kv_width * static_cast<int64_t>(ops.act_bytes());
  }

 private:
  void* at(int part) { return static_cast<uint8_t*>(memory_->data()) + part * part_bytes_; }

  int slots_;
  size_t part_bytes_;
  // One allocation, so that it lies in large pages however few slots there are: a row of keys comes from anywhere.
  std::unique_ptr<DeviceBuffer> memory_;
};

// Free slots, and slots that are promised but not yet taken.
class SlotPool {
 public:
  explicit SlotPool(int slots);
  // Slots that are neither taken nor promised.
  int available() const { return static_cast<int>(free_.size()) - promised_; }
  int in_use() const { return total_ - static_cast<int>(free_.size()); }
  int total() const { return total_; }
  // Precondition: available() > 0 (take), a promise is left (take_promised).
  int32_t take();
  int32_t take_promised();
  // Sets `count` slots aside for later. Precondition: available() >= count.
  void promise(int count);
  void forgo(int count);  // gives back a promise that is not needed
  void give_back(std::span<const int32_t> slots);

 private:
  int total_;
  int promised_ = 0;
  std::vector<int32_t> free_;
};

// Slots of a plan's nodes while they live.
class TreeSlots {
 public:
  // Both must outlive this.
  TreeSlots(const Plan& plan, SlotPool& pool);
  // Takes a slot for each of these rows, which continue what the node already has.
  // Precondition: pool.available() >= rows.rows.
  void take(const PlanRows& rows);
  // Slots of all positions from 0 to row `rows` - 1 of `node`, in order. All must be taken.
  std::vector<int32_t> path(int node, int rows) const;
  // One more thing needs `node` and its path: a generated text that continues from it.
  void hold(int node) { ++needed_by_[node]; }
  // One thing less: such a text ended, or (once a node) its own rows are computed.
  void release(int node);

 private:
  const Plan& plan_;
  SlotPool& pool_;
  std::vector<std::vector<int32_t>> slots_;  // [node]
  std::vector<int> needed_by_;               // [node]: children + own rows + texts
};

}  // namespace assay
