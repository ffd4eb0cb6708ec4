// Causal attention over key/value slots.
//
// Work item: a tile of neighbouring rows of one segment, and one key/value head with its G = Q / K query heads, so up
// to kTileQueries query vectors. The tile walks the sequence in blocks of kKeyBlock positions from position 0 (or from
// the block where its window begins); a block's keys are gathered transposed, its values by row, as float:
//   scores [m, 64] = q [m, D] * keys [D, 64]        weights = exp(score - m_row), masked ones 0
//   sums   [m, D]  = sums * rescale + weights * values
// with the running maximum and sum of each row as in online softmax. Blocks, and the positions in a block, come in the
// same order for every row, and a block that a row can't see is left out for it, so a row's bits do not depend on its
// tile.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "model_backend/engine/cpu/targets.h"
#include "model_backend/engine/ops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model_backend/engine/cpu/tile_product-inl.h"

#ifndef ASSAY_ENGINE_CPU_ATTENTION_ONCE_
#define ASSAY_ENGINE_CPU_ATTENTION_ONCE_
namespace assay {

constexpr int kTileQueries = 96;

struct AttentionTile {
  const void* q;       // [T, Q * D] act
  const void* keys;    // [S, K * D] act
  const void* values;  // [S, K * D] act
  void* out;           // [T, Q * D] act
  bool bfloat16;
  AttentionShape shape;
  int kv_head;
  int first_row;       // of the tile, in the batch
  int rows;            // in the tile
  int first_position;  // of the tile
  const int32_t* slots;
};

// Carves a thread's scratch memory; D is padded to whole vectors of the tile product.
struct AttentionScratch {
  int padded;      // D rounded up to 16
  float* q;        // [queries, D']
  float* sums;     // [queries, D']
  float* scores;   // [queries, 64]
  float* keys;     // [D', 64]
  float* values;   // [64, D']
  float* maximum;  // [queries]
  float* total;    // [queries]

  static int pad(int head_dim) { return (head_dim + 15) / 16 * 16; }
  static size_t floats(int queries, int head_dim) {
    const size_t width = pad(head_dim);
    return queries * (2 * width + kKeyBlock + 2) + 2 * kKeyBlock * width;
  }
  AttentionScratch(float* memory, int queries, int head_dim) : padded(pad(head_dim)) {
    q = memory;
    sums = q + queries * padded;
    scores = sums + queries * padded;
    keys = scores + queries * kKeyBlock;
    values = keys + kKeyBlock * padded;
    maximum = values + kKeyBlock * padded;
    total = maximum + queries;
  }
};

}  // namespace assay
#endif

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

// queries [rows * G, D'], scaled by 1 / sqrt(D); query m is row m / G, head m % G of the group.
template <typename Act>
void load_queries(const AttentionTile& tile, int group, AttentionScratch& scratch) {
  const int dim = tile.shape.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for (int m = 0; m < tile.rows * group; ++m) {
    const int64_t row = tile.first_row + m / group;
    const int head = tile.kv_head * group + m % group;
    const Act* from = static_cast<const Act*>(tile.q) + (row * tile.shape.query_heads + head) * dim;
    float* to = scratch.q + m * scratch.padded;
    for (int d = 0; d < dim; ++d) to[d] = act_to_float(from[d]) * scale;
    std::fill(to + dim, to + scratch.padded, 0.0f);
  }
}

// Keys and values of positions [first, first + count), count <= kKeyBlock; the rest of the block is zero.
template <typename Act>
void gather_block(const AttentionTile& tile, int first, int count, AttentionScratch& scratch) {
  const int dim = tile.shape.head_dim;
  const int64_t width = int64_t{tile.shape.kv_heads} * dim;
  for (int j = 0; j < kKeyBlock; ++j) {
    float* value_row = scratch.values + j * scratch.padded;
    if (j >= count) {
      for (int d = 0; d < dim; ++d) scratch.keys[d * kKeyBlock + j] = 0;
      std::fill(value_row, value_row + scratch.padded, 0.0f);
      continue;
    }
    const int64_t offset = tile.slots[first + j] * width + tile.kv_head * dim;
    const Act* key = static_cast<const Act*>(tile.keys) + offset;
    const Act* value = static_cast<const Act*>(tile.values) + offset;
    for (int d = 0; d < dim; ++d) scratch.keys[d * kKeyBlock + j] = act_to_float(key[d]);
    for (int d = 0; d < dim; ++d) value_row[d] = act_to_float(value[d]);
    std::fill(value_row + dim, value_row + scratch.padded, 0.0f);
  }
}

// Turns one row's scores of a block into weights, moves its maximum and total on and rescales its sums.
// Positions [low, high) of the block are visible; 0 <= low < high <= kKeyBlock.
void weigh_block(float* scores, int low, int high, float& maximum, float& total, float* sums, int padded) {
  const Floats tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  std::fill(scores, scores + low, -std::numeric_limits<float>::infinity());
  std::fill(scores + high, scores + kKeyBlock, -std::numeric_limits<float>::infinity());
  auto most = hn::LoadU(tag, scores);
  for (int j = lanes; j < kKeyBlock; j += lanes) most = hn::Max(most, hn::LoadU(tag, scores + j));
  const float block_maximum = hn::GetLane(hn::MaxOfLanes(tag, most));
  if (block_maximum > maximum) {
    const float rescale = std::exp(maximum - block_maximum);
    maximum = block_maximum;
    total *= rescale;
    const auto factor = hn::Set(tag, rescale);
    for (int d = 0; d < padded; d += lanes) hn::StoreU(hn::Mul(hn::LoadU(tag, sums + d), factor), tag, sums + d);
  }
  const auto shift = hn::Set(tag, maximum);
  auto totals = hn::Zero(tag);
  for (int j = 0; j < kKeyBlock; j += lanes) {
    const auto score = hn::LoadU(tag, scores + j);
    // exp of minus infinity is not exactly zero in every polynomial: masked positions are zeroed by hand.
    const auto hidden = hn::Eq(score, hn::Set(tag, -std::numeric_limits<float>::infinity()));
    const auto weight = hn::IfThenZeroElse(hidden, hn::Exp(tag, hn::Sub(score, shift)));
    totals = hn::Add(totals, weight);
    hn::StoreU(weight, tag, scores + j);
  }
  total += hn::GetLane(hn::SumOfLanes(tag, totals));
}

template <typename Act>
void store_sums(const AttentionTile& tile, int group, const AttentionScratch& scratch) {
  const int dim = tile.shape.head_dim;
  for (int m = 0; m < tile.rows * group; ++m) {
    const int64_t row = tile.first_row + m / group;
    const int head = tile.kv_head * group + m % group;
    Act* to = static_cast<Act*>(tile.out) + (row * tile.shape.query_heads + head) * dim;
    const float scale = 1.0f / scratch.total[m];
    for (int d = 0; d < dim; ++d) float_to_act(scratch.sums[m * scratch.padded + d] * scale, to + d);
  }
}

template <typename Act>
void attend_tile_of(const AttentionTile& tile, AttentionScratch& scratch) {
  const int group = tile.shape.query_heads / tile.shape.kv_heads;
  const int queries = tile.rows * group, padded = scratch.padded;
  const int last_position = tile.first_position + tile.rows - 1;
  const auto window_begin = [&](int position) {
    return tile.shape.window > 0 ? std::max(0, position - tile.shape.window + 1) : 0;
  };
  load_queries<Act>(tile, group, scratch);
  std::fill(scratch.sums, scratch.sums + queries * padded, 0.0f);
  std::fill(scratch.maximum, scratch.maximum + queries, -std::numeric_limits<float>::infinity());
  std::fill(scratch.total, scratch.total + queries, 0.0f);

  for (int first = window_begin(tile.first_position) / kKeyBlock * kKeyBlock; first <= last_position;
       first += kKeyBlock) {
    const int count = std::min(kKeyBlock, last_position + 1 - first);
    gather_block<Act>(tile, first, count, scratch);
    // Rows that see something of this block: the first ones may end before it, the last ones' windows begin after it.
    int begin = std::max(0, first - tile.first_position), end = tile.rows;
    while (end > begin && window_begin(tile.first_position + end - 1) >= first + kKeyBlock) --end;
    if (begin >= end) continue;
    const int m0 = begin * group, many = (end - begin) * group;
    for (int j = 0; j < kKeyBlock; j += kTileColumns) {
      tile_product(scratch.q + m0 * padded, padded, scratch.keys + j, kKeyBlock, tile.shape.head_dim, false, many,
                   scratch.scores + m0 * kKeyBlock + j, kKeyBlock);
    }
    for (int m = m0; m < m0 + many; ++m) {
      const int position = tile.first_position + m / group;
      weigh_block(scratch.scores + m * kKeyBlock, std::max(0, window_begin(position) - first),
                  std::min(kKeyBlock, position + 1 - first), scratch.maximum[m], scratch.total[m],
                  scratch.sums + m * padded, padded);
    }
    for (int d = 0; d < padded; d += kTileColumns) {
      tile_product(scratch.scores + m0 * kKeyBlock, kKeyBlock, scratch.values + d, padded, count, true, many,
                   scratch.sums + m0 * padded + d, padded);
    }
  }
  store_sums<Act>(tile, group, scratch);
}

void attend_tile(const AttentionTile& tile, AttentionScratch& scratch) {
  if (tile.bfloat16) {
    attend_tile_of<uint16_t>(tile, scratch);
  } else {
    attend_tile_of<float>(tile, scratch);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "model_backend/engine/cpu/cpu_ops.h"
#include "model_backend/engine/cpu/parallel.h"

namespace assay {

HWY_EXPORT(attend_tile);

void CpuOps::attention(const void* q, const void* keys, const void* values, const AttentionShape& shape,
                       std::span<const RowSegment> segments, void* out) {
  const int group = shape.query_heads / shape.kv_heads;
  const int tile_rows = std::max(1, kTileQueries / group);
  std::vector<AttentionTile> tiles;
  for (const RowSegment& segment : segments) {
    for (int row = 0; row < segment.rows; row += tile_rows) {
      for (int head = 0; head < shape.kv_heads; ++head) {
        tiles.push_back({q, keys, values, out, bfloat16(), shape, head, segment.first_row + row,
                         std::min(tile_rows, segment.rows - row), segment.first_position + row, segment.slots});
      }
    }
  }
  const int queries = tile_rows * group;
  const size_t floats = AttentionScratch::floats(queries, shape.head_dim);
  for (auto& scratch : thread_scratch_) {
    if (scratch.size() < floats) scratch.resize(floats);
  }
  parallel_for_uneven(threads_, static_cast<int64_t>(tiles.size()), [&](int thread, int64_t i) {
    AttentionScratch scratch(thread_scratch_[thread].data(), queries, shape.head_dim);
    HWY_DYNAMIC_DISPATCH(attend_tile)(tiles[i], scratch);
  });
}

}  // namespace assay
#endif  // HWY_ONCE
