#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/reduce.cuh"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

// 256 threads: a row of a few thousand floats gives each of them some 10 to 30, and 8 warps hide the reads.
constexpr int kThreads = 256;

// One block a row. Each thread sums its strided share in order; then block_reduce.
template <typename Act>
__global__ void rms_norm_kernel(const float* x, const float* weight, float eps, int64_t hidden, Act* out) {
  const float* row = x + blockIdx.x * hidden;
  float squares = 0;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) squares += row[i] * row[i];
  squares = block_reduce<Sum, kThreads>(squares);
  const float scale = 1.0f / sqrtf(squares / static_cast<float>(hidden) + eps);
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) {
    out[blockIdx.x * hidden + i] = from_float<Act>(row[i] * scale * weight[i]);
  }
}

}  // namespace

void CudaOps::rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t hidden, void* out) {
  Stage stage(*this, "rms_norm");
  ASSAY_ASSERT(hidden > 0, "a norm needs values");
  if (rows == 0) return;
  const unsigned blocks = static_cast<unsigned>(rows);
  with_act(precision_, [&](auto act) {
    using Act = decltype(act);
    rms_norm_kernel<Act><<<blocks, kThreads, 0, stream()>>>(x, weight, eps, hidden, static_cast<Act*>(out));
  });
  ASSAY_CUDA_CHECK_LAUNCH("rms_norm_kernel");
}

}  // namespace assay
