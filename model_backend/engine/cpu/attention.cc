// Causal attention over key/value slots.
//
// Tiles, and their walk over blocks of keys: attention_tile.h. Here are the kernel for any instruction set, in float32,
// and the choice between it and the one for bfloat16. A block's keys are gathered transposed, its values by row:
//   scores [m, 64] = q [m, D] * keys [D, 64]        weights = exp(score - m_row), masked ones 0
//   sums   [m, D]  = sums * rescale + weights * values
// with the running maximum and sum of each row as in online softmax.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "model_backend/engine/cpu/attention_tile.h"
#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model_backend/engine/cpu/tile_product-inl.h"

#ifndef ASSAY_ENGINE_CPU_ATTENTION_ONCE_
#define ASSAY_ENGINE_CPU_ATTENTION_ONCE_
namespace assay {

// Carves a thread's scratch memory; D is padded to whole vectors of the tile product.
struct AttentionScratch {
  int padded;       // D rounded up to 16
  float* q;         // [queries, D']
  float* sums;      // [queries, D']
  float* scores;    // [queries, 64]
  float* keys;      // [D', 64]
  float* key_rows;  // [64, D']
  float* values;    // [64, D']
  float* maximum;   // [queries]
  float* total;     // [queries]

  static int pad(int head_dim) { return (head_dim + 15) / 16 * 16; }
  static size_t floats(int queries, int head_dim) {
    const size_t width = pad(head_dim);
    return queries * (2 * width + kKeyBlock + 2) + 3 * kKeyBlock * width;
  }
  AttentionScratch(float* memory, int queries, int head_dim) : padded(pad(head_dim)) {
    q = memory;
    sums = q + queries * padded;
    scores = sums + queries * padded;
    keys = scores + queries * kKeyBlock;
    key_rows = keys + kKeyBlock * padded;
    values = key_rows + kKeyBlock * padded;
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
    const int64_t row = tile.row[m / group].batch_row;
    const int head = tile.kv_head * group + m % group;
    const Act* from = static_cast<const Act*>(tile.q) + (row * tile.shape.query_heads + head) * dim;
    float* to = scratch.q + m * scratch.padded;
    for (int d = 0; d < dim; ++d) to[d] = act_to_float(from[d]) * scale;
    std::fill(to + dim, to + scratch.padded, 0.0f);
  }
}

// from [4, 4] with rows `stride` apart -> to [4, 4] with rows kKeyBlock apart.
void transpose_four(const float* from, int stride, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 16; ++i) to[i % 4 * kKeyBlock + i / 4] = from[i / 4 * stride + i % 4];
#else
  const hn::FixedTag<float, 4> tag;
  const hn::Repartition<uint64_t, decltype(tag)> pairs;
  const auto a = hn::LoadU(tag, from), b = hn::LoadU(tag, from + stride), c = hn::LoadU(tag, from + 2 * stride),
             d = hn::LoadU(tag, from + 3 * stride);
  const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(tag, a, b));   // a0 b0 a1 b1
  const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(tag, a, b));  // a2 b2 a3 b3
  const auto cd_low = hn::BitCast(pairs, hn::InterleaveLower(tag, c, d));
  const auto cd_high = hn::BitCast(pairs, hn::InterleaveUpper(tag, c, d));
  hn::StoreU(hn::BitCast(tag, hn::InterleaveLower(pairs, ab_low, cd_low)), tag, to);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveUpper(pairs, ab_low, cd_low)), tag, to + kKeyBlock);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveLower(pairs, ab_high, cd_high)), tag, to + 2 * kKeyBlock);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveUpper(pairs, ab_high, cd_high)), tag, to + 3 * kKeyBlock);
#endif
}

// Keys and values in the slots [0, count), count <= kKeyBlock; the rest of the block is zero.
template <typename Act>
void gather_block(const AttentionTile& tile, const int32_t* slots, int count, AttentionScratch& scratch) {
  const int dim = tile.shape.head_dim;
  const int64_t width = int64_t{tile.shape.kv_heads} * dim;
  for (int j = 0; j < kKeyBlock; ++j) {
    float* key_row = scratch.key_rows + j * scratch.padded;
    float* value_row = scratch.values + j * scratch.padded;
    if (j >= count) {
      std::fill(key_row, key_row + scratch.padded, 0.0f);
      std::fill(value_row, value_row + scratch.padded, 0.0f);
      continue;
    }
    const int64_t offset = slots[j] * width + tile.kv_head * dim;
    const Act* key = static_cast<const Act*>(tile.keys) + offset;
    const Act* value = static_cast<const Act*>(tile.values) + offset;
    for (int d = 0; d < dim; ++d) key_row[d] = act_to_float(key[d]);
    for (int d = 0; d < dim; ++d) value_row[d] = act_to_float(value[d]);
    std::fill(key_row + dim, key_row + scratch.padded, 0.0f);
    std::fill(value_row + dim, value_row + scratch.padded, 0.0f);
  }
  for (int j = 0; j < kKeyBlock; j += 4) {
    for (int d = 0; d < scratch.padded; d += 4) {
      transpose_four(scratch.key_rows + j * scratch.padded + d, scratch.padded, scratch.keys + d * kKeyBlock + j);
    }
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
    const int64_t row = tile.row[m / group].batch_row;
    const int head = tile.kv_head * group + m % group;
    Act* to = static_cast<Act*>(tile.out) + (row * tile.shape.query_heads + head) * dim;
    const float scale = 1.0f / scratch.total[m];
    for (int d = 0; d < dim; ++d) float_to_act(scratch.sums[m * scratch.padded + d] * scale, to + d);
  }
}

template <typename Act>
void attend_block(const AttentionTile& tile, const KeyBlock& block, AttentionScratch& scratch) {
  const int group = tile.shape.query_heads / tile.shape.kv_heads, padded = scratch.padded;
  const int m0 = block.begin * group, many = (block.end - block.begin) * group;
  gather_block<Act>(tile, block.slots, block.count, scratch);
  for (int j = 0; j < kKeyBlock; j += kTileColumns) {
    tile_product(scratch.q + m0 * padded, padded, scratch.keys + j, kKeyBlock, tile.shape.head_dim, false, many,
                 scratch.scores + m0 * kKeyBlock + j, kKeyBlock);
  }
  for (int m = m0; m < m0 + many; ++m) {
    const int row = m / group;
    weigh_block(scratch.scores + m * kKeyBlock, std::max(0, window_begin(tile, row) - block.first),
                block_end(tile, row, block.first), scratch.maximum[m], scratch.total[m], scratch.sums + m * padded,
                padded);
  }
  for (int d = 0; d < padded; d += kTileColumns) {
    tile_product(scratch.scores + m0 * kKeyBlock, kKeyBlock, scratch.values + d, padded, block.count, true, many,
                 scratch.sums + m0 * padded + d, padded);
  }
}

template <typename Act>
void attend_tile_of(const AttentionTile& tile, AttentionScratch& scratch) {
  const int group = tile.shape.query_heads / tile.shape.kv_heads;
  const int queries = tile.rows * group, padded = scratch.padded;
  load_queries<Act>(tile, group, scratch);
  std::fill(scratch.sums, scratch.sums + queries * padded, 0.0f);
  std::fill(scratch.maximum, scratch.maximum + queries, -std::numeric_limits<float>::infinity());
  std::fill(scratch.total, scratch.total + queries, 0.0f);

  walk_blocks(tile, [&](const KeyBlock& block) { attend_block<Act>(tile, block, scratch); });
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
#include "model_backend/engine/cpu/team.h"

namespace assay {

HWY_EXPORT(attend_tile);

void CpuOps::attention(const void* q, const void* keys, const void* values, const AttentionShape& shape,
                       std::span<const RowSegment> segments, void* out) {
  const int group = shape.query_heads / shape.kv_heads;
  std::vector<AttentionRow> rows;
  for (const RowSegment& segment : segments) {
    for (int i = 0; i < segment.rows; ++i) {
      rows.push_back({segment.first_row + i, segment.first_position + i, segment.slots});
    }
  }
  // Some work items a thread, so that none waits long at the end.
  constexpr int kItemsAThread = 3;
  const int parts = (kItemsAThread * team_->threads() + shape.kv_heads - 1) / shape.kv_heads;
  const int tile_rows =
      std::clamp((static_cast<int>(rows.size()) + parts - 1) / parts, 1, std::max(1, kTileQueries / group));
  std::vector<AttentionTile> tiles;
  for (int row = 0; row < static_cast<int>(rows.size()); row += tile_rows) {
    for (int head = 0; head < shape.kv_heads; ++head) {
      tiles.push_back({q, keys, values, out, bfloat16(), shape, head, rows.data() + row,
                       std::min(tile_rows, static_cast<int>(rows.size()) - row)});
    }
  }
  const int queries = tile_rows * group;
  const size_t floats = bfloat16_attention_ ? bfloat16_attention_scratch(queries, shape.head_dim)
                                            : AttentionScratch::floats(queries, shape.head_dim);
  for (auto& scratch : thread_scratch_) {
    if (scratch.size() < floats) scratch.resize(floats);
  }
  const auto count = static_cast<int64_t>(tiles.size());
  parallel_for_uneven(*team_, count, [&](int thread, int64_t i) {
    const AttentionTile& tile = tiles[count - 1 - i];  // the last rows see the most
    if (bfloat16_attention_) {
      attend_tile_bfloat16(tile, queries, thread_scratch_[thread].data());
      return;
    }
    AttentionScratch scratch(thread_scratch_[thread].data(), queries, shape.head_dim);
    HWY_DYNAMIC_DISPATCH(attend_tile)(tile, scratch);
  });
}

}  // namespace assay
#endif  // HWY_ONCE
