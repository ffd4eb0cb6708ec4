// Architecture -> the file that runs it.
#include "core/error.h"
#include "model_backend/engine/models/model.h"

namespace assay {
namespace {

struct Family {
  const char* architecture;  // ModelConfig::architecture
  std::unique_ptr<Model> (*load)(Ops& ops, const Checkpoint& checkpoint);
};

constexpr Family kFamilies[] = {
    {"llama", load_llama},
    {"mistral", load_llama},
    {"qwen2", load_llama},
};

}  // namespace

std::unique_ptr<Model> load_model(Ops& ops, const Checkpoint& checkpoint) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (checkpoint.config().architecture == family.architecture) return family.load(ops, checkpoint);
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  }
  throw_input(checkpoint.path(), "the engine has no model for architecture " + checkpoint.config().architecture,
              "it runs: " + known);
}

}  // namespace assay
