#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int kThreads = 64;  // a head of 128 has 64 pairs

template <typename Act>
__device__ void rotate_head(const float* in, int head_dim, int position, const float* inverse_frequency, float scale,
                            Act* out) {
  const int half = head_dim / 2;
  for (int i = threadIdx.x; i < half; i += kThreads) {
    const float angle = static_cast<float>(position) * inverse_frequency[i];
    float sine, cosine;
    sincosf(angle, &sine, &cosine);
    sine *= scale;
    cosine *= scale;
    const float first = in[i], second = in[i + half];
    out[i] = from_float<Act>(first * cosine - second * sine);
    out[i + half] = from_float<Act>(second * cosine + first * sine);
  }
}

template <typename Act>
__device__ void store_values(const float* in, int head_dim, Act* out) {
  for (int i = threadIdx.x; i < head_dim; i += kThreads) out[i] = from_float<Act>(isfinite(in[i]) ? in[i] : 0.0f);
}

// One block a row and head; the heads of a row are Q of q, then K of k, then K of v.
template <typename Act>
__global__ void rotate_and_store_kernel(const float* qkv, AttentionShape shape, const int32_t* positions,
                                        const int32_t* slots, const float* inverse_frequency, float scale, Act* q_out,
                                        Act* keys, Act* values) {
  const int64_t row = blockIdx.x;
  const int head = static_cast<int>(blockIdx.y);
  const int heads = shape.query_heads + 2 * shape.kv_heads;
  const float* in = qkv + (row * heads + head) * shape.head_dim;
  const int key_head = head - shape.query_heads;
  const int value_head = key_head - shape.kv_heads;
  const int64_t slot_heads = static_cast<int64_t>(slots[row]) * shape.kv_heads;
  if (key_head < 0) {
    Act* out = q_out + (row * shape.query_heads + head) * shape.head_dim;
    rotate_head(in, shape.head_dim, positions[row], inverse_frequency, scale, out);
  } else if (value_head < 0) {
    Act* out = keys + (slot_heads + key_head) * shape.head_dim;
    rotate_head(in, shape.head_dim, positions[row], inverse_frequency, scale, out);
  } else {
    store_values(in, shape.head_dim, values + (slot_heads + value_head) * shape.head_dim);
  }
}

}  // namespace

void CudaOps::rotate_and_store(const float* qkv, const AttentionShape& shape, std::span<const int32_t> positions,
                               std::span<const int32_t> slots, const float* inverse_frequency, float attention_scale,
                               void* q_out, void* keys, void* values) {
  Stage stage(*this, "rotate_and_store");
  ASSAY_ASSERT(positions.size() == slots.size(), "every row has a position and a slot");
  ASSAY_ASSERT(shape.head_dim % 2 == 0, "rotation works on pairs");
  if (positions.empty()) return;
  const int32_t* device_positions = positions_.put(positions, stream());
  const int32_t* device_slots = slots_.put(slots, stream());
  const dim3 blocks(static_cast<unsigned>(positions.size()),
                    static_cast<unsigned>(shape.query_heads + 2 * shape.kv_heads));
  with_act(precision_, [&](auto act) {
    using Act = decltype(act);
    rotate_and_store_kernel<Act><<<blocks, kThreads, 0, stream()>>>(
        qkv, shape, device_positions, device_slots, inverse_frequency, attention_scale, static_cast<Act*>(q_out),
        static_cast<Act*>(keys), static_cast<Act*>(values));
  });
  ASSAY_CUDA_CHECK_LAUNCH("rotate_and_store_kernel");
}

}  // namespace assay
