// CUDA's calls and handles for the rest of this folder: one check for every status, one owner for every handle.
//
// Included by host code (.cc) and device code (.cu) alike; it has no kernels. Nothing here prints or exits: a failed
// call becomes Error(kWorld) with the text of the call.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace assay {

// "cudaErrorMemoryAllocation: out of memory"; one overload a library. collective_nccl.cc adds NCCL's.
std::string describe(cudaError_t status);
std::string describe(cublasStatus_t status);

// Throws Error(kWorld): the call, where it stands, what the library said. Clears CUDA's pending error, so that the next
// launch is not blamed for this one.
[[noreturn]] void fail_device_call(const char* call, const std::string& description, const char* file, int line);

// Evaluates `call` once; on any status but success throws Error(kWorld). CUDA, cuBLAS and NCCL all spell success 0.
#define ASSAY_CUDA_CHECK(call)                                                       \
  do {                                                                               \
    const auto assay_status_ = (call);                                               \
    if (static_cast<int>(assay_status_) != 0)                                        \
      ::assay::fail_device_call(#call, describe(assay_status_), __FILE__, __LINE__); \
  } while (false)

// After a kernel launch: throws when the launch itself was refused. Failures inside the kernel appear at the next
// synchronising call.
#define ASSAY_CUDA_CHECK_LAUNCH(kernel)                                                                     \
  do {                                                                                                      \
    const cudaError_t assay_status_ = cudaGetLastError();                                                   \
    if (assay_status_ != cudaSuccess)                                                                       \
      ::assay::fail_device_call("launch of " kernel, ::assay::describe(assay_status_), __FILE__, __LINE__); \
  } while (false)

// Owners. A destructor ignores the status: there is nobody left to tell.
template <auto destroy>
struct DestroyWith {
  template <typename T>
  void operator()(T* handle) const {
    destroy(handle);
  }
};
template <typename Handle, auto destroy>
using OwnedHandle = std::unique_ptr<std::remove_pointer_t<Handle>, DestroyWith<destroy>>;

using Stream = OwnedHandle<cudaStream_t, cudaStreamDestroy>;
using LtHandle = OwnedHandle<cublasLtHandle_t, cublasLtDestroy>;
using LtOperation = OwnedHandle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using LtLayout = OwnedHandle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using LtPreference = OwnedHandle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

Stream make_stream();
LtHandle make_lt_handle();
LtOperation make_lt_operation(cublasComputeType_t compute, cudaDataType_t scale);
LtLayout make_lt_layout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t leading_dimension);
LtPreference make_lt_preference();

// Device memory on the current device, aligned to 256 bytes; zero bytes are allowed and give no address. Move-only.
// Freeing waits for the device, so a kernel that still reads it is safe.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(size_t bytes);  // Error(kWorld) when the device has no more
  void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  OwnedHandle<void*, cudaFree> data_;
  size_t bytes_ = 0;
};

// Device memory that an op needs while it runs: grows, never shrinks, is handed from one op to the next in the order of
// their stream. Its content does not survive reserve().
class Scratch {
 public:
  // At least `count` values, zeroed when the memory is new.
  template <typename T>
  T* reserve(size_t count) {
    return static_cast<T*>(reserve_bytes(count * sizeof(T)));
  }
  // Host values copied behind the work already in `stream`. The host memory must be pageable: its copy is taken when
  // this returns.
  template <typename T>
  const T* put(std::span<const T> host, cudaStream_t stream) {
    T* device = reserve<T>(host.size());
    copy_in(device, host.data(), host.size_bytes(), stream);
    return device;
  }

 private:
  DeviceMemory memory_;
  void* reserve_bytes(size_t bytes);
  static void copy_in(void* device, const void* host, size_t bytes, cudaStream_t stream);
};

}  // namespace assay
