// The engine: a checkpoint run in process, on CPU or GPU.
#pragma once

#include <memory>
#include <string>

#include "model_backend/backend.h"

namespace assay {

// `path`: a checkpoint folder or FILE.gguf. Loads everything. Throws Error(kInput) for what it can't run, by name,
// before weights are read; for weights that are not numbers; for a tokenizer that has more tokens than the model;
// Error(kWorld) when the device is absent or its memory too small.
std::unique_ptr<Backend> open_engine_backend(const std::string& path, const BackendOptions& options);

}  // namespace assay
