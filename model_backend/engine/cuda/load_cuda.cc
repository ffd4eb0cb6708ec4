// Opens libassay_cuda.so, which lies beside the program (or where the system's loader looks).
#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

#include "core/error.h"
#include "model_backend/engine/cuda/cuda_module.h"

namespace assay {
namespace {

const CudaModule& open_module() {
  const std::string how = "use --device cpu, or keep the program in the folder that it was built in";
  void* library = ::dlopen(kCudaModuleFile, RTLD_NOW | RTLD_LOCAL);
  if (!library) throw_world("--device cuda", fmt::format("cannot open {}: {}", kCudaModuleFile, ::dlerror()), how);
  using Door = const CudaModule* (*)();
  const auto door = reinterpret_cast<Door>(::dlsym(library, kCudaModuleDoor));
  if (!door) throw_world("--device cuda", fmt::format("{} is not Assay's: {}", kCudaModuleFile, ::dlerror()), how);
  const CudaModule& module = *door();
  if (module.version != std::string(ASSAY_VERSION)) {
    throw_world("--device cuda",
                fmt::format("{} is of Assay {}, this program of {}", kCudaModuleFile, module.version, ASSAY_VERSION),
                how);
  }
  return module;
}

const CudaModule& cuda_module() {
  static const CudaModule& module = open_module();
  return module;
}

}  // namespace

std::unique_ptr<Ops> make_cuda_ops(Precision precision, int device_index) {
  return cuda_module().make_ops(precision, device_index);
}

std::vector<std::unique_ptr<Collective>> make_nccl_collectives(std::span<Ops* const> ranks) {
  return cuda_module().make_collectives(ranks);
}

}  // namespace assay
