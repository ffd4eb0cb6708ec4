#include "model_backend/engine/cuda/cuda_ops.h"

#include <fmt/format.h>

#include "core/error.h"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int kKernelsVersion = 1;  // raise it when a kernel's bits change
constexpr int kOldestCapability = 8;
constexpr int kNewestCompiledCapability = 9;

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// The kind of device decides cuBLASLt's choice of kernels, down to the number of multiprocessors. Beyond the newest
// compiled architecture the driver translates our kernels, so it counts too.
std::string numerics_of(Precision precision, int device_index) {
  cudaDeviceProp device;
  ASSAY_CUDA_CHECK(cudaGetDeviceProperties(&device, device_index));
  std::string text = fmt::format("{} cuda {} sm_{}{} x{} cublaslt-{} kernels-{}",
                                 precision == Precision::kBFloat16 ? "bfloat16" : "float32", device.name, device.major,
                                 device.minor, device.multiProcessorCount, cublasLtGetVersion(), kKernelsVersion);
  if (device.major > kNewestCompiledCapability) {
    int driver = 0;
    ASSAY_CUDA_CHECK(cudaDriverGetVersion(&driver));
    text += fmt::format(" driver-{}", version_text(driver));
  }
  return text;
}

class CudaBuffer final : public DeviceBuffer {
 public:
  explicit CudaBuffer(size_t bytes) : memory_(bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

[[noreturn]] void fail_first_driver_call(cudaError_t status) {
  int runtime = 0, driver = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  const std::string driver_text =
      driver == 0 ? "no NVIDIA driver is loaded" : fmt::format("the driver is for CUDA {}", version_text(driver));
  throw_world("--device cuda",
              fmt::format("CUDA {} is built in and was started; it stopped at the first driver call, "
                          "cudaGetDeviceCount: {}; {}",
                          version_text(runtime), describe(status), driver_text),
              fmt::format("use --device cpu, or a machine with an NVIDIA GPU and a driver for CUDA {} or newer",
                          version_text(runtime)));
}

// Goes step by step from the driver to a usable device; each step that fails has its own sentence.
void use_device(int device_index) {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) {
    cudaGetLastError();
    fail_first_driver_call(status);
  }
  const std::string where = fmt::format("CUDA device {}", device_index);
  if (device_index < 0 || device_index >= devices) {
    throw_world(where,
                fmt::format("the driver answers, but this machine has {} CUDA device(s), counted from 0", devices),
                "use --device cpu or another device number");
  }
  ASSAY_CUDA_CHECK(cudaSetDevice(device_index));
  int major = 0, minor = 0;
  ASSAY_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_index));
  ASSAY_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device_index));
  if (major < kOldestCapability) {
    throw_world(where, fmt::format("it has compute capability {}.{}; the kernels need 8.0 or newer", major, minor),
                "use --device cpu");
  }
}

}  // namespace

CudaOps::CudaOps(Precision precision, int device_index)
    : precision_(precision),
      device_index_(device_index),
      numerics_(numerics_of(precision, device_index)),
      stream_(make_stream()),
      product_(precision) {}

int64_t CudaOps::available_bytes() const {
  Stage stage(*this, "available_bytes");
  size_t free_bytes = 0, total_bytes = 0;
  ASSAY_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  return static_cast<int64_t>(free_bytes);
}

std::unique_ptr<DeviceBuffer> CudaOps::allocate(size_t bytes) {
  Stage stage(*this, "allocate");
  return std::make_unique<CudaBuffer>(bytes);
}

void CudaOps::upload(void* device, const void* host, size_t bytes) {
  Stage stage(*this, "upload");
  if (bytes == 0) return;
  ASSAY_CUDA_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_.get()));
  wait();
}

void CudaOps::download(void* host, const void* device, size_t bytes) {
  Stage stage(*this, "download");
  if (bytes == 0) return;
  ASSAY_CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.get()));
  wait();
}

void CudaOps::wait() {
  ASSAY_CUDA_CHECK(cudaStreamSynchronize(stream_.get()));
}

std::unique_ptr<Ops> make_cuda_ops(Precision precision, int device_index) {
  use_device(device_index);
  return std::make_unique<CudaOps>(precision, device_index);
}

}  // namespace assay
