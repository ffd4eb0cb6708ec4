// Warp and block reductions, once.
//
// The order is fixed by the thread's place alone: first a butterfly inside each warp (partners 16, 8, 4, 2, 1 lanes
// away; x + y and y + x are the same bits, so every lane ends with the same value), then the warps from first to last.
// No atomics, so a sum has the same bits in every run and in every block.
#pragma once

#include <math_constants.h>
#include <climits>
#include <cstdint>

namespace assay {

inline constexpr int kWarp = 32;

struct Sum {
  __device__ static float neutral() { return 0; }
  __device__ static float combine(float a, float b) { return a + b; }
};

struct Max {
  __device__ static float neutral() { return -CUDART_INF_F; }
  __device__ static float combine(float a, float b) { return fmaxf(a, b); }
};

// A value and where it stands; of equal values the one with the lowest index wins. NaN never wins.
struct Best {
  float value;
  int32_t index;
};
struct ArgMax {
  __device__ static Best neutral() { return {-CUDART_INF_F, INT_MAX}; }
  __device__ static Best combine(Best a, Best b) {
    return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
  }
};

__device__ inline float lane_xor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
__device__ inline Best lane_xor(Best best, int mask) {
  return {__shfl_xor_sync(0xffffffffu, best.value, mask), __shfl_xor_sync(0xffffffffu, best.index, mask)};
}

// All 32 lanes call it and all get the result.
template <typename Reduction, typename T>
__device__ T warp_reduce(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = Reduction::combine(value, lane_xor(value, mask));
  return value;
}

// All threads of a block of kThreads (one-dimensional, a multiple of 32) call it and all get the result.
template <typename Reduction, int kThreads, typename T>
__device__ T block_reduce(T value) {
  static_assert(kThreads % kWarp == 0);
  constexpr int kWarps = kThreads / kWarp;
  __shared__ T of_warp[kWarps];
  value = warp_reduce<Reduction>(value);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  T result = Reduction::neutral();
  for (int warp = 0; warp < kWarps; ++warp) result = Reduction::combine(result, of_warp[warp]);
  __syncthreads();  // of_warp is free for the next call
  return result;
}

}  // namespace assay
