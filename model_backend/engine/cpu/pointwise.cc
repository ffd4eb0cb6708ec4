// Embedding, SwiGLU, residual addition and row gathering: each output element has its own inputs only.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/pointwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model_backend/engine/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

// gate / (1 + exp(-gate)) * up. The last, short vector of a row is computed at full width, so that an element's bits do
// not depend on where in the row it stands.
template <typename Act>
void silu_multiply_row_of(const float* gate, const float* up, int64_t count, Act* out) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  const auto one = hn::Set(tag, 1.0f);
  const auto infinite_from = hn::Set(tag, 104.0f);  // on: Highway's Exp wraps round far above
  const auto silu = [&](FloatVector g, FloatVector u) {
    return hn::Mul(hn::Div(g, hn::Add(one, hn::Exp(tag, hn::Min(hn::Neg(g), infinite_from)))), u);
  };
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store_act(silu(hn::LoadU(tag, gate + i), hn::LoadU(tag, up + i)), out + i);
  if (i == count) return;
  float last_gate[hn::MaxLanes(tag)] = {}, last_up[hn::MaxLanes(tag)] = {};
  Act last[hn::MaxLanes(tag)];
  std::memcpy(last_gate, gate + i, (count - i) * sizeof(float));
  std::memcpy(last_up, up + i, (count - i) * sizeof(float));
  store_act(silu(hn::LoadU(tag, last_gate), hn::LoadU(tag, last_up)), last);
  std::memcpy(out + i, last, (count - i) * sizeof(Act));
}

void silu_multiply_row(const float* gate_up, int64_t inner, bool bfloat16, void* out) {
  if (bfloat16) {
    silu_multiply_row_of(gate_up, gate_up + inner, inner, static_cast<uint16_t*>(out));
  } else {
    silu_multiply_row_of(gate_up, gate_up + inner, inner, static_cast<float*>(out));
  }
}

void add_range(float* x, const float* y, int64_t count) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Add(hn::LoadU(tag, x + i), hn::LoadU(tag, y + i)), tag, x + i);
  for (; i < count; ++i) x[i] += y[i];
}

// 0 * x is not 0 where x is not finite.
bool all_finite(const float* x, int64_t count) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  const auto zero = hn::Zero(tag);
  auto sums = zero;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sums = hn::MulAdd(hn::LoadU(tag, x + i), zero, sums);
  float sum = hn::GetLane(hn::SumOfLanes(tag, sums));
  for (; i < count; ++i) sum += x[i] * 0.0f;
  return sum == 0.0f;
}

void embed_row(const void* table, int64_t hidden, int32_t id, bool bfloat16, float* out) {
  if (!bfloat16) {
    std::memcpy(out, static_cast<const float*>(table) + id * hidden, hidden * sizeof(float));
    return;
  }
  const auto* row = static_cast<const uint16_t*>(table) + id * hidden;
  for (int64_t i = 0; i < hidden; ++i) out[i] = act_to_float(row[i]);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "model_backend/engine/cpu/cpu_ops.h"
#include "model_backend/engine/cpu/team.h"

namespace assay {

HWY_EXPORT(silu_multiply_row);
HWY_EXPORT(add_range);
HWY_EXPORT(all_finite);
HWY_EXPORT(embed_row);

void CpuOps::embed(const void* table, int64_t hidden, std::span<const int32_t> ids, float* out) {
  parallel_for(*team_, static_cast<int64_t>(ids.size()), hidden, [&](int64_t row) {
    HWY_DYNAMIC_DISPATCH(embed_row)(table, hidden, ids[row], bfloat16(), out + row * hidden);
  });
}

void CpuOps::silu_multiply(const float* gate_up, int64_t rows, int64_t inner, void* out) {
  parallel_for(*team_, rows, 2 * inner, [&](int64_t row) {
    HWY_DYNAMIC_DISPATCH(silu_multiply_row)
    (gate_up + row * 2 * inner, inner, bfloat16(), static_cast<uint8_t*>(out) + row * inner * act_bytes());
  });
}

void CpuOps::note_bad_rows(const float* x, int64_t rows, int64_t hidden, int layer, int32_t* bad_layer) {
  parallel_for(*team_, rows, hidden, [&](int64_t row) {
    if (bad_layer[row] < 0 && !HWY_DYNAMIC_DISPATCH(all_finite)(x + row * hidden, hidden)) bad_layer[row] = layer;
  });
}

void CpuOps::add(float* x, const float* y, int64_t count) {
  constexpr int64_t kChunk = 16384;
  parallel_for(*team_, (count + kChunk - 1) / kChunk, kChunk, [&](int64_t chunk) {
    const int64_t first = chunk * kChunk;
    HWY_DYNAMIC_DISPATCH(add_range)(x + first, y + first, std::min(kChunk, count - first));
  });
}

void CpuOps::gather_rows(const void* x, std::span<const int32_t> rows, size_t row_bytes, void* out) {
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(static_cast<char*>(out) + i * row_bytes, static_cast<const char*>(x) + rows[i] * row_bytes, row_bytes);
  }
}

}  // namespace assay
#endif  // HWY_ONCE
