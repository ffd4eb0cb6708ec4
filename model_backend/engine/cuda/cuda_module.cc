#include "model_backend/engine/cuda/cuda_module.h"

extern "C" const assay::CudaModule* assay_cuda_module() {
  static const assay::CudaModule module = {ASSAY_VERSION, &assay::make_cuda_ops, &assay::make_nccl_collectives};
  return &module;
}
