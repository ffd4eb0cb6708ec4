// Which tensors a model of a given configuration has, and what GGUF calls them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/checkpoint/model_config.h"

namespace assay {

struct ExpectedTensor {
  std::string name;            // canonical, see checkpoint.h
  std::vector<int64_t> shape;  // [outputs, inputs] or [n]
};

// Every tensor of the model, none that it can do without.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight". Precondition: a name of expected_tensors.
std::string gguf_tensor_name(std::string_view canonical);

}  // namespace assay
