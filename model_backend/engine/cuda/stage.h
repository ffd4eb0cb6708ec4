// The scope of one op on the device: current device and profiler range. See CudaOps::Stage.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define ASSAY_HAS_NVTX 1
#else
#define ASSAY_HAS_NVTX 0
#endif

#include "model_backend/engine/cuda/cuda_ops.h"

namespace assay {

class CudaOps::Stage {
 public:
  Stage(const CudaOps& ops, [[maybe_unused]] const char* name) {
    ASSAY_CUDA_CHECK(cudaSetDevice(ops.device_index_));
#if ASSAY_HAS_NVTX
    nvtxRangePushA(name);
#endif
  }
  ~Stage() {
#if ASSAY_HAS_NVTX
    nvtxRangePop();
#endif
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
};

}  // namespace assay
