// RMS norm. A row's sum of squares runs over vector lanes in order of position, whatever rows stand beside it.
#include <cmath>
#include <cstdint>

#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model_backend/engine/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

template <typename Act>
void rms_norm_row_of(const float* x, const float* weight, float eps, int64_t hidden, Act* out) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  auto squares = hn::Zero(tag);
  int64_t i = 0;
  for (; i + lanes <= hidden; i += lanes) {
    const auto value = hn::LoadU(tag, x + i);
    squares = hn::MulAdd(value, value, squares);
  }
  float sum = hn::GetLane(hn::SumOfLanes(tag, squares));
  for (; i < hidden; ++i) sum += x[i] * x[i];
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(hidden) + eps);
  const auto scales = hn::Set(tag, scale);
  for (i = 0; i + lanes <= hidden; i += lanes) {
    store_act(hn::Mul(hn::Mul(hn::LoadU(tag, x + i), scales), hn::LoadU(tag, weight + i)), out + i);
  }
  for (; i < hidden; ++i) float_to_act(x[i] * scale * weight[i], out + i);
}

void rms_norm_row(const float* x, const float* weight, float eps, int64_t hidden, bool bfloat16, void* out) {
  if (bfloat16) {
    rms_norm_row_of(x, weight, eps, hidden, static_cast<uint16_t*>(out));
  } else {
    rms_norm_row_of(x, weight, eps, hidden, static_cast<float*>(out));
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

HWY_EXPORT(rms_norm_row);

void CpuOps::rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t hidden, void* out) {
  parallel_for(*team_, rows, hidden, [&](int64_t row) {
    HWY_DYNAMIC_DISPATCH(rms_norm_row)
    (x + row * hidden, weight, eps, hidden, bfloat16(), static_cast<uint8_t*>(out) + row * hidden * act_bytes());
  });
}

}  // namespace assay
#endif  // HWY_ONCE
