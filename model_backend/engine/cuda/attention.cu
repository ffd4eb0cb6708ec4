// Causal attention over a slotted cache, one block for each (row, query head).
//
// A block walks the keys of its row from position 0 (or from the block of keys in which its window begins) to its own,
// kKeyBlock at a time, at absolute positions. Inside a block of keys the sum of weights is a butterfly over the key's
// place in the block, and the mix of values runs from the first key to the last; blocks are joined by the online
// softmax in order. So a row's bits depend on its position, its query and its keys and values alone.
#include <cmath>
#include <vector>

#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/reduce.cuh"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int kThreads = 128;  // one thread a value of a usual head; 4 warps share the 64 keys of a block
constexpr int kWarps = kThreads / kWarp;
static_assert(kKeyBlock == 2 * kWarp, "a lane holds two keys of a block");

struct AttentionRow {
  int32_t row;
  int32_t position;
  int64_t first_slot;  // where this sequence's slots begin in the table of slots
};

template <typename Act>
__device__ float dot_of_warp(const float* query, const Act* key, int head_dim) {
  float dot = 0;
  for (int i = threadIdx.x % kWarp; i < head_dim; i += kWarp) dot += query[i] * to_float(key[i]);
  return warp_reduce<Sum>(dot);
}

// Shared: query [D], mixed [D].
template <typename Act>
__global__ void attention_kernel(const Act* q, const Act* keys, const Act* values, AttentionShape shape,
                                 const AttentionRow* rows, const int32_t* slot_table, float scale, Act* out) {
  extern __shared__ float shared[];
  __shared__ float scores[kKeyBlock];
  __shared__ float weights[kKeyBlock];
  const int head_dim = shape.head_dim;
  float* query = shared;
  float* mixed = shared + head_dim;

  const AttentionRow at = rows[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y);
  const int kv_head = head / (shape.query_heads / shape.kv_heads);
  const int64_t slot_stride = static_cast<int64_t>(shape.kv_heads) * head_dim;
  const int64_t head_offset = static_cast<int64_t>(kv_head) * head_dim;
  const int64_t row_offset = (static_cast<int64_t>(at.row) * shape.query_heads + head) * head_dim;
  const int32_t* slots = slot_table + at.first_slot;
  const int first = shape.window > 0 ? max(0, at.position - shape.window + 1) : 0;
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;

  for (int i = threadIdx.x; i < head_dim; i += kThreads) {
    query[i] = to_float(q[row_offset + i]);
    mixed[i] = 0;
  }
  __syncthreads();

  // Every thread keeps the same running values.
  float running_max = Max::neutral();
  float running_sum = 0;
  for (int block = first / kKeyBlock * kKeyBlock; block <= at.position; block += kKeyBlock) {
    for (int key = warp; key < kKeyBlock; key += kWarps) {
      const int position = block + key;
      float score = Max::neutral();
      if (position >= first && position <= at.position) {
        score = scale * dot_of_warp(query, keys + slots[position] * slot_stride + head_offset, head_dim);
      }
      if (lane == 0) scores[key] = score;
    }
    __syncthreads();

    const float low = scores[lane], high = scores[lane + kWarp];
    const float new_max = fmaxf(running_max, warp_reduce<Max>(fmaxf(low, high)));
    const float rescale = expf(running_max - new_max);
    const float low_weight = expf(low - new_max), high_weight = expf(high - new_max);
    running_sum = running_sum * rescale + warp_reduce<Sum>(low_weight + high_weight);
    running_max = new_max;
    if (warp == 0) {
      weights[lane] = low_weight;
      weights[lane + kWarp] = high_weight;
    }
    __syncthreads();

    // Slots outside the row's keys are not read: they may hold anything, NaN included.
    const int begin = max(first - block, 0);
    const int end = min(at.position - block + 1, kKeyBlock);
    for (int i = threadIdx.x; i < head_dim; i += kThreads) {
      float sum = mixed[i] * rescale;
      for (int key = begin; key < end; ++key) {
        sum += weights[key] * to_float(values[slots[block + key] * slot_stride + head_offset + i]);
      }
      mixed[i] = sum;
    }
  }
  for (int i = threadIdx.x; i < head_dim; i += kThreads) {
    out[row_offset + i] = from_float<Act>(mixed[i] / running_sum);
  }
}

}  // namespace

void CudaOps::attention(const void* q, const void* keys, const void* values, const AttentionShape& shape,
                        std::span<const RowSegment> segments, void* out) {
  Stage stage(*this, "attention");
  ASSAY_ASSERT(shape.kv_heads > 0 && shape.query_heads % shape.kv_heads == 0, "key heads divide query heads");
  std::vector<AttentionRow> rows;
  std::vector<int32_t> slots;
  for (const RowSegment& segment : segments) {
    const int64_t first_slot = static_cast<int64_t>(slots.size());
    slots.insert(slots.end(), segment.slots, segment.slots + segment.first_position + segment.rows);
    for (int i = 0; i < segment.rows; ++i) {
      rows.push_back({segment.first_row + i, segment.first_position + i, first_slot});
    }
  }
  if (rows.empty()) return;
  const AttentionRow* device_rows = rows_.put(std::span<const AttentionRow>(rows), stream());
  const int32_t* device_slots = slots_.put(std::span<const int32_t>(slots), stream());
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  const dim3 blocks(static_cast<unsigned>(rows.size()), static_cast<unsigned>(shape.query_heads));
  const size_t shared_bytes = 2 * sizeof(float) * static_cast<size_t>(shape.head_dim);
  with_act(precision_, [&](auto act) {
    using Act = decltype(act);
    attention_kernel<Act><<<blocks, kThreads, shared_bytes, stream()>>>(
        static_cast<const Act*>(q), static_cast<const Act*>(keys), static_cast<const Act*>(values), shape, device_rows,
        device_slots, scale, static_cast<Act*>(out));
  });
  ASSAY_CUDA_CHECK_LAUNCH("attention_kernel");
}

}  // namespace assay
