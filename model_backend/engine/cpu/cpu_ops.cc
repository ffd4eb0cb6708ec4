// Memory, identity and the making of CpuOps.
#include "model_backend/engine/cpu/cpu_ops.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "model_backend/engine/cpu/attention_tile.h"
#include "model_backend/engine/cpu/host_memory.h"
#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/cpu_ops.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {
const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace {

HWY_EXPORT(target_name);

class HostBuffer final : public DeviceBuffer {
 public:
  explicit HostBuffer(size_t bytes) : memory_(bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  HostMemory memory_;
};

}  // namespace

std::string kernel_instruction_set() {
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

CpuOps::CpuOps(Precision precision, std::shared_ptr<Team> team, std::unique_ptr<MatrixProduct> product)
    : precision_(precision),
      team_(std::move(team)),
      product_(std::move(product)),
      bfloat16_attention_(bfloat16() && has_bfloat16_attention() && kernel_instruction_set().starts_with("AVX3")),
      thread_scratch_(team_->threads()) {}

std::string CpuOps::numerics() const {
  return std::string(bfloat16() ? "bfloat16" : "float32") + " cpu " + kernel_instruction_set() + " " +
         product_->name() + (bfloat16_attention_ ? " attention-bf16-1" : "") + " kernels-2";
}

int64_t CpuOps::available_bytes() const {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  int64_t kibibytes;
  while (meminfo >> key >> kibibytes) {
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(meminfo, unit);
  }
  return int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE);
}

std::unique_ptr<DeviceBuffer> CpuOps::allocate(size_t bytes) {
  return std::make_unique<HostBuffer>(bytes);
}
void CpuOps::upload(void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
}
void CpuOps::download(void* host, const void* device, size_t bytes) {
  std::memcpy(host, device, bytes);
}

std::unique_ptr<Ops> make_cpu_ops(Precision precision, int threads) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  auto team = std::make_shared<Team>(threads);
  auto product = make_matrix_product(precision, team);
  return std::make_unique<CpuOps>(precision, std::move(team), std::move(product));
}

}  // namespace assay
#endif  // HWY_ONCE
