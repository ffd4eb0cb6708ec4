// Stands in for the rest of this folder where CUDA is not built.
#include "core/error.h"
#include "model_backend/engine/ops.h"

namespace assay {

std::unique_ptr<Ops> make_cuda_ops(Precision, int) {
  throw_world(
      "--device cuda", "this program was built without CUDA",
      "use --device cpu, or build again with -DASSAY_CUDA=ON where the CUDA toolkit (12.0 or newer) is installed");
}

}  // namespace assay
