#include <fmt/format.h>
#include <nccl.h>

#include "core/error.h"
#include "model_backend/engine/collective.h"
#include "model_backend/engine/cuda/cuda_ops.h"

namespace assay {

// Beside cuda_util.h's, so that ASSAY_CUDA_CHECK finds all of them.
static std::string describe(ncclResult_t status) {
  return fmt::format("{} ({})", ncclGetErrorString(status), ncclGetLastError(nullptr));
}

namespace {

using Communicator = OwnedHandle<ncclComm_t, ncclCommDestroy>;

class NcclCollective final : public Collective {
 public:
  NcclCollective(const CudaOps& ops, Communicator communicator, int rank, int size)
      : ops_(ops), communicator_(std::move(communicator)), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void all_reduce_sum(float* data, size_t count) override {
    ASSAY_CUDA_CHECK(cudaSetDevice(ops_.device_index()));
    ASSAY_CUDA_CHECK(ncclAllReduce(data, data, count, ncclFloat32, ncclSum, communicator_.get(), ops_.stream()));
  }

  void broadcast(void* data, size_t bytes, int root) override {
    ASSAY_CUDA_CHECK(cudaSetDevice(ops_.device_index()));
    ASSAY_CUDA_CHECK(ncclBroadcast(data, data, bytes, ncclUint8, root, communicator_.get(), ops_.stream()));
  }

 private:
  const CudaOps& ops_;
  Communicator communicator_;
  int rank_, size_;
};

}  // namespace

std::vector<std::unique_ptr<Collective>> make_nccl_collectives(std::span<Ops* const> ranks) {
  std::vector<const CudaOps*> devices;
  std::vector<int> indices;
  for (Ops* ops : ranks) {
    devices.push_back(dynamic_cast<const CudaOps*>(ops));
    ASSAY_ASSERT(devices.back() != nullptr, "NCCL joins CUDA devices");
    indices.push_back(devices.back()->device_index());
  }
  const int size = static_cast<int>(devices.size());
  std::vector<ncclComm_t> communicators(devices.size());
  ASSAY_CUDA_CHECK(ncclCommInitAll(communicators.data(), size, indices.data()));
  std::vector<std::unique_ptr<Collective>> collectives;
  for (int rank = 0; rank < size; ++rank) {
    const size_t i = static_cast<size_t>(rank);
    collectives.push_back(std::make_unique<NcclCollective>(*devices[i], Communicator(communicators[i]), rank, size));
  }
  return collectives;
}

}  // namespace assay
