// Rotary positions (RoFormer, Su et al. 2021) in the half-split layout, together with the write into the cache.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/rope.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model_backend/engine/cpu/simd-inl.h"

#ifndef ASSAY_ENGINE_CPU_ROPE_ONCE_
#define ASSAY_ENGINE_CPU_ROPE_ONCE_
namespace assay {
// One row of a batch on its way into q, the keys and the values.
struct RopeRow {
  const float* qkv;  // [(Q + 2K) * D]
  int query_heads, kv_heads, head_dim;
  const float* cosine;  // [D / 2]
  const float* sine;    // [D / 2]
  bool bfloat16;
  void* q;      // [Q * D] act
  void* key;    // [K * D] act
  void* value;  // [K * D] act
};
}  // namespace assay
#endif

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

template <typename Act>
void rotate_head(const float* x, int half, const float* cosine, const float* sine, Act* out) {
  const Floats tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  int i = 0;
  for (; i + lanes <= half; i += lanes) {
    const auto low = hn::LoadU(tag, x + i), high = hn::LoadU(tag, x + half + i);
    const auto c = hn::LoadU(tag, cosine + i), s = hn::LoadU(tag, sine + i);
    store_act(hn::Sub(hn::Mul(low, c), hn::Mul(high, s)), out + i);
    store_act(hn::Add(hn::Mul(high, c), hn::Mul(low, s)), out + half + i);
  }
  for (; i < half; ++i) {
    float_to_act(x[i] * cosine[i] - x[half + i] * sine[i], out + i);
    float_to_act(x[half + i] * cosine[i] + x[i] * sine[i], out + half + i);
  }
}

// What is not finite becomes 0.
template <typename Act>
void store_values(const float* x, int count, Act* out) {
  const Floats tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  const auto zero = hn::Zero(tag);
  int i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::LoadU(tag, x + i);
    store_act(hn::IfThenElseZero(hn::Eq(hn::Mul(value, zero), zero), value), out + i);
  }
  for (; i < count; ++i) float_to_act(std::isfinite(x[i]) ? x[i] : 0.0f, out + i);
}

template <typename Act>
void rotate_row_of(const RopeRow& row) {
  const int dim = row.head_dim, half = dim / 2;
  const float* x = row.qkv;
  for (int h = 0; h < row.query_heads; ++h, x += dim) {
    rotate_head(x, half, row.cosine, row.sine, static_cast<Act*>(row.q) + h * dim);
  }
  for (int h = 0; h < row.kv_heads; ++h, x += dim) {
    rotate_head(x, half, row.cosine, row.sine, static_cast<Act*>(row.key) + h * dim);
  }
  store_values(x, row.kv_heads * dim, static_cast<Act*>(row.value));
}

void rotate_row(const RopeRow& row) {
  if (row.bfloat16) {
    rotate_row_of<uint16_t>(row);
  } else {
    rotate_row_of<float>(row);
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

HWY_EXPORT(rotate_row);

const float* CpuOps::turns_up_to(int position, const float* inverse_frequency, float scale, int half) {
  const std::span<const float> frequencies(inverse_frequency, half);
  if (!std::ranges::equal(turns_.inverse_frequency, frequencies) || turns_.scale != scale) {
    turns_ = {{frequencies.begin(), frequencies.end()}, scale, {}};
  }
  int64_t made = static_cast<int64_t>(turns_.values.size()) / (2 * half);
  if (position < made) return turns_.values.data();
  turns_.values.resize((int64_t{position} + 1) * 2 * half);
  for (; made <= position; ++made) {
    float* turn = turns_.values.data() + made * 2 * half;
    for (int i = 0; i < half; ++i) {
      // The angle is a float32 product, as where the models were trained.
      const float angle = static_cast<float>(made) * inverse_frequency[i];
      turn[i] = std::cos(angle) * scale;
      turn[half + i] = std::sin(angle) * scale;
    }
  }
  return turns_.values.data();
}

void CpuOps::rotate_and_store(const float* qkv, const AttentionShape& shape, std::span<const int32_t> positions,
                              std::span<const int32_t> slots, const float* inverse_frequency, float attention_scale,
                              void* q_out, void* keys, void* values) {
  const int64_t q_width = int64_t{shape.query_heads} * shape.head_dim;
  const int64_t kv_width = int64_t{shape.kv_heads} * shape.head_dim;
  const int half = shape.head_dim / 2;
  const auto at = [&](void* base, int64_t element) { return static_cast<uint8_t*>(base) + element * act_bytes(); };
  if (positions.empty()) return;
  const int last = *std::max_element(positions.begin(), positions.end());
  const float* turns = turns_up_to(last, inverse_frequency, attention_scale, half);
  parallel_for(*team_, static_cast<int64_t>(positions.size()), q_width + 2 * kv_width, [&](int64_t t) {
    const float* turn = turns + int64_t{positions[t]} * 2 * half;
    RopeRow row{qkv + t * (q_width + 2 * kv_width),
                shape.query_heads,
                shape.kv_heads,
                shape.head_dim,
                turn,
                turn + half,
                bfloat16(),
                at(q_out, t * q_width)};
    row.key = at(keys, slots[t] * kv_width);
    row.value = at(values, slots[t] * kv_width);
    HWY_DYNAMIC_DISPATCH(rotate_row)(row);
  });
}

}  // namespace assay
#endif  // HWY_ONCE
