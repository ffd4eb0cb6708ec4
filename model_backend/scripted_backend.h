// Canned answers from a file: for tests of the harness, and for measuring what the harness itself costs.
#pragma once

#include <memory>
#include <string>

#include "model_backend/backend.h"

namespace assay {

// `path`: a JSON file as described in scripted_backend.cc. Throws Error(kInput) naming file and field.
std::unique_ptr<Backend> open_scripted_backend(const std::string& path);

}  // namespace assay
