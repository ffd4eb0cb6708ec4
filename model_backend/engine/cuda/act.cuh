// The activation type of a precision inside kernels: float or __nv_bfloat16, always computed with as float.
#pragma once

#include <cuda_bf16.h>

#include "model_backend/engine/ops.h"

namespace assay {

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

// Rounds to the nearest value of Act, ties to even.
template <typename Act>
__device__ Act from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// Host: calls visit(Act{}) with the type of `precision`. Both instances of a kernel are made where this is used.
template <typename Visit>
void with_act(Precision precision, Visit&& visit) {
  if (precision == Precision::kFloat32) {
    visit(float{});
  } else {
    visit(__nv_bfloat16{});
  }
}

}  // namespace assay
