// What libassay_cuda.so gives to the program.
//
// The CUDA bodies of ops.h are a library of their own, opened when a GPU is first asked for: cuBLASLt alone costs every
// program that is linked with it 0.2 s of starting and 90 MiB of relocated pages, whatever it does. load_cuda.cc opens
// it, cuda_module.cc is its only door. Objects made there are deleted through their virtual destructors; the library is
// never closed.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model_backend/engine/collective.h"
#include "model_backend/engine/ops.h"

namespace assay {

struct CudaModule {
  const char* version;  // of Assay: program and library must be of one build
  std::unique_ptr<Ops> (*make_ops)(Precision precision, int device_index);
  std::vector<std::unique_ptr<Collective>> (*make_collectives)(std::span<Ops* const> ranks);
};

inline constexpr const char* kCudaModuleFile = "libassay_cuda.so";
inline constexpr const char* kCudaModuleDoor = "assay_cuda_module";  // const CudaModule* (*)()

}  // namespace assay
