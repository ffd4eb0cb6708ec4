// Rotary position frequencies, scaled or not.
#pragma once

#include <vector>

#include "model_backend/checkpoint/model_config.h"

namespace assay {

// Angle per position of each rotated pair: [head_dim / 2], radians a token. Pair i is the elements (i, i + head_dim /
// 2) of a head, which is Hugging Face's half-split layout and the one Checkpoint::read_f32 always gives.
//   *attention_scale  multiplies cosine and sine both; 1 except for YaRN
// Formulas: RoFormer for the base; linear interpolation (kaiokendev, Chen et al. 2023); Llama 3.1's three bands; YaRN
// (Peng et al. 2023), each in the float32 steps of transformers' modeling_rope_utils.
std::vector<float> rope_inverse_frequencies(const ModelConfig& config, float* attention_scale);

}  // namespace assay
