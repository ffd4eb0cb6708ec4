// Stands in for collective_nccl.cc where NCCL is not built.
#include "core/error.h"
#include "model_backend/engine/collective.h"

namespace assay {

std::vector<std::unique_ptr<Collective>> make_nccl_collectives(std::span<Ops* const>) {
  throw_world("NCCL", "this program was built without NCCL",
              "use one device, or build again with -DASSAY_CUDA=ON where nccl.h and libnccl are installed");
}

}  // namespace assay
