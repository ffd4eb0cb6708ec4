// Attention on processors that multiply pairs of bfloat16 numbers (AVX512_BF16, vdpbf16ps: twice the speed of float32).
// Written in intrinsics, since Debian's Highway does not know the instruction. The walk: attention_tile.h.
//
// Per block of 64 positions, for six query vectors at a time, so that what they need stays in the L1 cache:
//   scores [6, 64] = q [6, D] * keys [D, 64]                  pairs along D
//   weights        = 2^(score * log2(e) / sqrt(D) - maximum), masked ones 0, rounded to bfloat16
//   sums [6, D]    = sums * rescale + weights [6, 64] * values [64, D]     pairs along the positions
// A pair is one 32-bit word. The block's keys are transposed by words, its values interleaved by two positions:
//   keys   [D / 2][64] words        values [32][D'] words, D' = D rounded up to 16
// Each score is one chain of instructions along D, each sum one along the positions; pairs of masked positions add
// exact zeros, so how many of them are passed over does not show in the bits.
#include "model_backend/engine/cpu/attention_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

// On every function here: the rest of the program must run without these instructions.
#define ASSAY_BFLOAT16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

namespace assay {
namespace {

constexpr int kTogether = 6;  // query vectors: 6 x 4 sums and 4 columns fill the registers
constexpr int kLanes = 16;
constexpr int kVectors = kKeyBlock / kLanes;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct Scratch {
  int width;          // D'
  uint32_t* keys;     // [D / 2, 64] pairs
  uint32_t* values;   // [32, D'] pairs
  float* scores;      // [6, 64]
  uint16_t* weights;  // [6, 64]
  float* sums;        // [queries, D']
  float* totals;      // [queries, 16]: summed up at the end
  float* maximum;     // [queries]

  static int pad(int head_dim) { return (head_dim + kLanes - 1) / kLanes * kLanes; }
  static size_t floats(int queries, int head_dim) {
    const size_t width = pad(head_dim);
    return kLanes + kKeyBlock * width + kTogether * kKeyBlock * 2 + queries * (width + kLanes + 1);
  }
  Scratch(float* memory, int queries, int head_dim) : width(pad(head_dim)) {
    auto* at = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory) + 63) & ~uintptr_t{63});
    const auto take = [&at](size_t count) { return std::exchange(at, at + count); };
    keys = reinterpret_cast<uint32_t*>(take(kKeyBlock * width / 2));
    values = reinterpret_cast<uint32_t*>(take(kKeyBlock * width / 2));
    scores = take(kTogether * kKeyBlock);
    weights = reinterpret_cast<uint16_t*>(take(kTogether * kKeyBlock));
    sums = take(size_t(queries) * width);
    totals = take(size_t(queries) * kLanes);
    maximum = take(queries);
  }
};

// c [rows, vectors * 16] (+)= a [rows, depth] * b [depth, vectors * 16], a and b in pairs; the rows of a lie anywhere.
template <int kRows, int kColumns>
ASSAY_BFLOAT16 void multiply_pairs(const uint8_t* const* a, const uint32_t* b, int b_stride, int depth, bool accumulate,
                                   float* c, int c_stride) {
  __m512 sums[kRows][kColumns];
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kColumns; ++v) {
      sums[m][v] = accumulate ? _mm512_loadu_ps(c + m * c_stride + v * kLanes) : _mm512_setzero_ps();
    }
  }
  for (int k = 0; k < depth; ++k) {
    __m512bh columns[kColumns];
    for (int v = 0; v < kColumns; ++v) {
      columns[v] = (__m512bh)_mm512_loadu_si512(b + k * b_stride + v * kLanes);
    }
    for (int m = 0; m < kRows; ++m) {
      int pair;
      std::memcpy(&pair, a[m] + k * sizeof pair, sizeof pair);
      const __m512bh factor = (__m512bh)_mm512_set1_epi32(pair);
      for (int v = 0; v < kColumns; ++v) sums[m][v] = _mm512_dpbf16_ps(sums[m][v], factor, columns[v]);
    }
  }
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kColumns; ++v) _mm512_storeu_ps(c + m * c_stride + v * kLanes, sums[m][v]);
  }
}

using Multiply = void (*)(const uint8_t* const*, const uint32_t*, int, int, bool, float*, int);
template <int kRows>
constexpr Multiply kMultiplyRows[] = {multiply_pairs<kRows, 1>, multiply_pairs<kRows, 2>, multiply_pairs<kRows, 3>,
                                      multiply_pairs<kRows, 4>};
constexpr const Multiply* kMultiply[] = {kMultiplyRows<1>, kMultiplyRows<2>, kMultiplyRows<3>,
                                         kMultiplyRows<4>, kMultiplyRows<5>, kMultiplyRows<6>};

// 2^x for x <= 0 within 2e-7 of the result (a polynomial of degree 5 on [-1/2, 1/2], fitted to the relative error);
// exact at 0, and 0 from -150 on.
ASSAY_BFLOAT16 inline __m512 power_of_two(__m512 x) {
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 part = _mm512_sub_ps(x, whole);
  __m512 p = _mm512_set1_ps(0.001327647129073739f);
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.009675540961325169f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.05550713092088699f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.24022120237350464f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.6931469440460205f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, whole);
}

// from: 16 rows of words, those of `mask` -> to [16, 16] with rows kKeyBlock apart; the rest is 0.
ASSAY_BFLOAT16 void transpose_words(const uint8_t* const* from, size_t offset, __mmask16 mask, uint32_t* to) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; ++i)
    a[i] = from[i] ? _mm512_maskz_loadu_epi32(mask, from[i] + offset) : _mm512_setzero_si512();
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  // a[4 r + c], lane l: column 4 l + c of rows 4 r .. 4 r + 3.
  for (int c = 0; c < 4; ++c) {
    const __m512i low01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x44),
                  low23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xee),
                  high23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xee);
    _mm512_storeu_si512(to + c * kKeyBlock, _mm512_shuffle_i32x4(low01, low23, 0x88));
    _mm512_storeu_si512(to + (4 + c) * kKeyBlock, _mm512_shuffle_i32x4(low01, low23, 0xdd));
    _mm512_storeu_si512(to + (8 + c) * kKeyBlock, _mm512_shuffle_i32x4(high01, high23, 0x88));
    _mm512_storeu_si512(to + (12 + c) * kKeyBlock, _mm512_shuffle_i32x4(high01, high23, 0xdd));
  }
}

ASSAY_BFLOAT16 inline __mmask16 first_lanes(int count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1 << count) - 1);
}

// The tile's head in a slot of the keys or values.
const uint8_t* row_of_head(const AttentionTile& tile, const void* rows, int32_t slot) {
  const int64_t head = int64_t{slot} * tile.shape.kv_heads + tile.kv_head;
  return static_cast<const uint8_t*>(rows) + 2 * head * tile.shape.head_dim;
}

// The head's rows at slots [0, count) of keys or values on their way into the cache: they lie anywhere, which the
// processor does not foresee.
void prefetch_rows(const AttentionTile& tile, const void* rows, const int32_t* slots, int count) {
  constexpr int kLine = 64;
  for (int j = 0; j < count; ++j) {
    const uint8_t* row = row_of_head(tile, rows, slots[j]);
    for (int i = 0; i < 2 * tile.shape.head_dim; i += kLine) __builtin_prefetch(row + i);
  }
}

ASSAY_BFLOAT16 void gather_keys(const AttentionTile& tile, const KeyBlock& block, Scratch& scratch) {
  const int pairs = tile.shape.head_dim / 2;
  for (int j = 0; j < block.count; j += kLanes) {
    const uint8_t* rows[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      rows[i] = j + i < block.count ? row_of_head(tile, tile.keys, block.slots[j + i]) : nullptr;
    }
    int d = 0;
    for (; d + kLanes <= pairs; d += kLanes) transpose_words(rows, 4 * d, 0xffff, scratch.keys + d * kKeyBlock + j);
    if (d == pairs) continue;
    alignas(64) uint32_t last[kLanes * kKeyBlock];
    transpose_words(rows, 4 * d, first_lanes(pairs - d), last);
    for (int i = 0; d + i < pairs; ++i) {
      std::memcpy(scratch.keys + (d + i) * kKeyBlock + j, last + i * kKeyBlock, kLanes * sizeof(uint32_t));
    }
  }
}

ASSAY_BFLOAT16 void gather_values(const AttentionTile& tile, const KeyBlock& block, Scratch& scratch) {
  const int dim = tile.shape.head_dim;
  alignas(64) uint16_t low[32], high[32];
  for (int i = 0; i < 16; ++i) {
    low[2 * i] = i, low[2 * i + 1] = 32 + i;
    high[2 * i] = 16 + i, high[2 * i + 1] = 48 + i;
  }
  const __m512i low_order = _mm512_load_si512(low), high_order = _mm512_load_si512(high);
  for (int j = 0; j < block.count; j += 2) {
    const uint8_t* first = row_of_head(tile, tile.values, block.slots[j]);
    const uint8_t* second = j + 1 < block.count ? row_of_head(tile, tile.values, block.slots[j + 1]) : nullptr;
    uint32_t* to = scratch.values + j / 2 * scratch.width;
    for (int d = 0; d < dim; d += 32) {
      const __mmask32 mask = dim - d >= 32 ? 0xffffffffu : (1u << (dim - d)) - 1;
      const __m512i a = _mm512_maskz_loadu_epi16(mask, first + 2 * d);
      const __m512i b = second ? _mm512_maskz_loadu_epi16(mask, second + 2 * d) : _mm512_setzero_si512();
      _mm512_storeu_si512(to + d, _mm512_permutex2var_epi16(a, low_order, b));
      if (d + kLanes < scratch.width) _mm512_storeu_si512(to + d + kLanes, _mm512_permutex2var_epi16(a, high_order, b));
    }
  }
}

// One query's scores of a block become weights; its maximum and totals move on, its sums are rescaled.
// Positions [low, high) of the block are visible; scores of the others may hold anything.
ASSAY_BFLOAT16 inline void weigh(const float* scores, float scale, int low, int high, int query, uint16_t* weights,
                                 Scratch& scratch) {
  const uint64_t up_to_high = high == kKeyBlock ? ~uint64_t{0} : (uint64_t{1} << high) - 1;
  const uint64_t visible = up_to_high & ~((uint64_t{1} << low) - 1);
  const __m512 scales = _mm512_set1_ps(scale), hidden = _mm512_set1_ps(kMinusInfinity);
  __m512 scaled[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const auto mask = static_cast<__mmask16>(visible >> (kLanes * v));
    scaled[v] = _mm512_mask_mul_ps(hidden, mask, _mm512_loadu_ps(scores + kLanes * v), scales);
  }
  const __m512 most = _mm512_max_ps(_mm512_max_ps(scaled[0], scaled[1]), _mm512_max_ps(scaled[2], scaled[3]));
  const float block_maximum = _mm512_reduce_max_ps(most);
  float& maximum = scratch.maximum[query];
  float* totals = scratch.totals + query * kLanes;
  if (block_maximum > maximum) {
    if (maximum != kMinusInfinity) {
      const __m512 rescale = power_of_two(_mm512_set1_ps(maximum - block_maximum));
      _mm512_storeu_ps(totals, _mm512_mul_ps(_mm512_loadu_ps(totals), rescale));
      float* sums = scratch.sums + query * scratch.width;
      for (int d = 0; d < scratch.width; d += kLanes) {
        _mm512_storeu_ps(sums + d, _mm512_mul_ps(_mm512_loadu_ps(sums + d), rescale));
      }
    }
    maximum = block_maximum;
  }
  const __m512 shift = _mm512_set1_ps(maximum);
  __m512 weight[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const auto mask = static_cast<__mmask16>(visible >> (kLanes * v));
    weight[v] = _mm512_maskz_mov_ps(mask, power_of_two(_mm512_sub_ps(scaled[v], shift)));
  }
  const __m512 sum = _mm512_add_ps(_mm512_add_ps(weight[0], weight[1]), _mm512_add_ps(weight[2], weight[3]));
  _mm512_storeu_ps(totals, _mm512_add_ps(_mm512_loadu_ps(totals), sum));
  _mm512_storeu_si512(weights, (__m512i)_mm512_cvtne2ps_pbh(weight[1], weight[0]));
  _mm512_storeu_si512(weights + 2 * kLanes, (__m512i)_mm512_cvtne2ps_pbh(weight[3], weight[2]));
}

ASSAY_BFLOAT16 void attend_block(const AttentionTile& tile, const KeyBlock& block, Scratch& scratch) {
  const int dim = tile.shape.head_dim, group = tile.shape.query_heads / tile.shape.kv_heads;
  const float scale = 1.44269504f / std::sqrt(static_cast<float>(dim));
  const int next = std::min(tile.row[block.longest].position + 1 - block.first - kKeyBlock, kKeyBlock);
  prefetch_rows(tile, tile.keys, block.slots + kKeyBlock, next);
  gather_keys(tile, block, scratch);
  prefetch_rows(tile, tile.values, block.slots + kKeyBlock, next);
  gather_values(tile, block, scratch);
  const int end = block.end * group;
  for (int query = block.begin * group, count; query < end; query += count) {
    count = std::min(kTogether, end - query);
    const uint8_t *queries[kTogether], *weights[kTogether];
    int seen = 0;
    for (int m = 0; m < count; ++m) {
      const int row = (query + m) / group, head = tile.kv_head * group + (query + m) % group;
      queries[m] = static_cast<const uint8_t*>(tile.q) +
                   2 * (int64_t{tile.row[row].batch_row} * tile.shape.query_heads + head) * dim;
      weights[m] = reinterpret_cast<const uint8_t*>(scratch.weights + m * kKeyBlock);
      seen = std::max(seen, block_end(tile, row, block.first));
    }
    const int vectors = (seen + kLanes - 1) / kLanes;
    kMultiply[count - 1][vectors - 1](queries, scratch.keys, kKeyBlock, dim / 2, false, scratch.scores, kKeyBlock);
    for (int m = 0; m < count; ++m) {
      const int row = (query + m) / group;
      weigh(scratch.scores + m * kKeyBlock, scale, std::max(0, window_begin(tile, row) - block.first),
            block_end(tile, row, block.first), query + m, scratch.weights + m * kKeyBlock, scratch);
    }
    for (int d = 0; d < scratch.width; d += kKeyBlock) {
      const int columns = std::min(kVectors, (scratch.width - d) / kLanes);
      kMultiply[count - 1][columns - 1](weights, scratch.values + d, scratch.width, (seen + 1) / 2, true,
                                        scratch.sums + query * scratch.width + d, scratch.width);
    }
  }
}

ASSAY_BFLOAT16 void store_sums(const AttentionTile& tile, const Scratch& scratch) {
  const int dim = tile.shape.head_dim, group = tile.shape.query_heads / tile.shape.kv_heads;
  for (int m = 0; m < tile.rows * group; ++m) {
    const int64_t row = tile.row[m / group].batch_row;
    const int head = tile.kv_head * group + m % group;
    uint16_t* to = static_cast<uint16_t*>(tile.out) + (row * tile.shape.query_heads + head) * dim;
    const __m512 scale = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(_mm512_loadu_ps(scratch.totals + m * kLanes)));
    for (int d = 0; d < dim; d += kLanes) {
      const __m512 sums = _mm512_loadu_ps(scratch.sums + m * scratch.width + d);
      _mm256_mask_storeu_epi16(to + d, first_lanes(dim - d), (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(sums, scale)));
    }
  }
}

}  // namespace

bool has_bfloat16_attention() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bf16");
}

size_t bfloat16_attention_scratch(int queries, int head_dim) {
  return Scratch::floats(queries, head_dim);
}

void attend_tile_bfloat16(const AttentionTile& tile, int queries, float* memory) {
  Scratch scratch(memory, queries, tile.shape.head_dim);
  const int many = tile.rows * (tile.shape.query_heads / tile.shape.kv_heads);
  std::fill_n(scratch.sums, many * scratch.width, 0.0f);
  std::fill_n(scratch.totals, many * kLanes, 0.0f);
  std::fill_n(scratch.maximum, many, kMinusInfinity);
  walk_blocks(tile, [&](const KeyBlock& block) { attend_block(tile, block, scratch); });
  store_sums(tile, scratch);
}

}  // namespace assay

#else  // not x86-64

namespace assay {
bool has_bfloat16_attention() {
  return false;
}
size_t bfloat16_attention_scratch(int, int) {
  return 0;
}
void attend_tile_bfloat16(const AttentionTile&, int, float*) {}
}  // namespace assay
#endif
