#include "model_backend/engine/cuda/cuda_util.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace assay {

std::string describe(cudaError_t status) {
  return fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

std::string describe(cublasStatus_t status) {
  return fmt::format("{}: {}", cublasLtGetStatusName(status), cublasLtGetStatusString(status));
}

void fail_device_call(const char* call, const std::string& description, const char* file, int line) {
  cudaGetLastError();
  throw_world(fmt::format("{}:{}", file, line), fmt::format("{} failed: {}", call, description));
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  ASSAY_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

LtHandle make_lt_handle() {
  cublasLtHandle_t handle = nullptr;
  ASSAY_CUDA_CHECK(cublasLtCreate(&handle));
  return LtHandle(handle);
}

LtOperation make_lt_operation(cublasComputeType_t compute, cudaDataType_t scale) {
  cublasLtMatmulDesc_t operation = nullptr;
  ASSAY_CUDA_CHECK(cublasLtMatmulDescCreate(&operation, compute, scale));
  return LtOperation(operation);
}

LtLayout make_lt_layout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t leading_dimension) {
  cublasLtMatrixLayout_t layout = nullptr;
  ASSAY_CUDA_CHECK(cublasLtMatrixLayoutCreate(&layout, type, static_cast<uint64_t>(rows),
                                              static_cast<uint64_t>(columns), leading_dimension));
  return LtLayout(layout);
}

LtPreference make_lt_preference() {
  cublasLtMatmulPreference_t preference = nullptr;
  ASSAY_CUDA_CHECK(cublasLtMatmulPreferenceCreate(&preference));
  return LtPreference(preference);
}

DeviceMemory::DeviceMemory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw_world("CUDA device memory", fmt::format("no room for {} more bytes", bytes),
                "use --dtype bfloat16, a smaller --kv-memory, or a device that is not shared");
  }
  ASSAY_CUDA_CHECK(status);
  data_.reset(data);
}

void* Scratch::reserve_bytes(size_t bytes) {
  if (bytes > memory_.bytes()) {
    const size_t grown = std::max(bytes, 2 * memory_.bytes());
    memory_ = DeviceMemory();
    memory_ = DeviceMemory(grown);
    // The default stream does not order with ours: wait until the zeros are there.
    ASSAY_CUDA_CHECK(cudaMemset(memory_.data(), 0, grown));
    ASSAY_CUDA_CHECK(cudaDeviceSynchronize());
  }
  return memory_.data();
}

// Where the GPU reads the host's pageable memory by itself (GH200), a copy of it need not be staged first, and goes on
// when the call has returned.
static bool reads_pageable_memory() {
  int device = 0, reads = 0;
  ASSAY_CUDA_CHECK(cudaGetDevice(&device));
  ASSAY_CUDA_CHECK(cudaDeviceGetAttribute(&reads, cudaDevAttrPageableMemoryAccessUsesHostPageTables, device));
  return reads != 0;
}

void Scratch::copy_in(void* device, const void* host, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return;
  ASSAY_CUDA_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream));
  static const bool reads_pageable = reads_pageable_memory();  // of one kind are all GPUs of a machine
  if (reads_pageable) ASSAY_CUDA_CHECK(cudaStreamSynchronize(stream));
}

}  // namespace assay
