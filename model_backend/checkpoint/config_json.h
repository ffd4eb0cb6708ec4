// config.json and generation_config.json of a folder in Hugging Face layout -> ModelConfig.
#pragma once

#include <optional>
#include <string>

#include "model_backend/checkpoint/dtype.h"
#include "model_backend/checkpoint/model_config.h"

namespace assay {

struct HuggingFaceConfig {
  ModelConfig model;
  // Type that the matrices are declared to have ("dtype", formerly "torch_dtype"); absent when nothing is declared.
  std::optional<DType> dtype;
};

// Reads both files (the second may be absent) and checks every value. An absent value means what transformers' config
// class of that architecture makes of it. Throws Error(kInput) naming file and key; what Assay cannot run is refused by
// name.
HuggingFaceConfig read_config_json(const std::string& folder);

}  // namespace assay
