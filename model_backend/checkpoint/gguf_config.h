// Metadata of a GGUF file -> ModelConfig.
#pragma once

#include "model_backend/checkpoint/gguf.h"
#include "model_backend/checkpoint/model_config.h"

namespace assay {

// Reads what the model is from metadata and, where GGUF keeps it there, from which tensors exist: a head of its own,
// biases, rope_freqs.weight. An absent value means what llama.cpp makes of it. Architectures llama (Mistral is written
// as llama) and qwen2. Throws Error(kInput) naming file and key; what Assay cannot run is refused by name.
ModelConfig read_gguf_config(const GgufFile& file);

}  // namespace assay
