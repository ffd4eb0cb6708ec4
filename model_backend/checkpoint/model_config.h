// What a Llama-family decoder is: everything besides its weights that the engine must know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay {

// How rotary positions are stretched past the trained length. The maths is in rope.h. Kinds outside this list (dynamic,
// longrope, ...) are refused by name when a checkpoint is opened.
struct RopeScaling {
  enum Kind { kNone, kLinear, kLlama3, kYarn };
  Kind kind = kNone;
  double factor = 1;                       // all kinds; > 0
  double low_freq_factor = 1;              // kLlama3
  double high_freq_factor = 4;             // kLlama3
  double original_max_position = 0;        // kLlama3, kYarn: context of the first training, in tokens
  std::optional<double> attention_factor;  // kYarn; absent: computed from factor, mscale, mscale_all_dim
  double beta_fast = 32;                   // kYarn
  double beta_slow = 1;                    // kYarn
  double mscale = 0;                       // kYarn; 0 = not given
  double mscale_all_dim = 0;               // kYarn; 0 = not given
  bool truncate = true;                    // kYarn: correction range rounded outwards to whole dimensions
};

// Filled and checked by Checkpoint::open. All counts are positive; hidden need not equal heads * head_dim; heads is a
// multiple of kv_heads; head_dim is even and rotates whole.
struct ModelConfig {
  std::string architecture;  // "llama", "mistral", "qwen2"
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int intermediate = 0;
  int vocab = 0;           // rows of the embedding and the head; a tokenizer may use fewer
  int context_length = 0;  // tokens
  double norm_eps = 0;     // of every RMS norm
  double rope_theta = 0;
  RopeScaling rope_scaling;
  // From a GGUF's rope_freqs.weight: frequency i is divided by rope_factors[i]. Empty, or head_dim / 2 positive values.
  std::vector<float> rope_factors;
  bool tied_head = false;       // no lm_head.weight: the head is the embedding
  bool attention_bias = false;  // q_proj, k_proj, v_proj have a bias
  bool output_bias = false;     // o_proj has a bias
  bool mlp_bias = false;        // gate_proj, up_proj, down_proj have a bias
  // A token sees itself and the `sliding_window - 1` tokens before it, in layers from `sliding_window_first_layer` on.
  // Absent where it could not matter (no shorter than context_length).
  std::optional<int> sliding_window;
  int sliding_window_first_layer = 0;
  std::vector<int> eos_ids;  // generation ends at any of these; sorted, no id twice, all below vocab
  std::optional<int> bos_id;
};

// Throws Error(kInput) headed by `where` when a value is absurd or two values contradict each other.
void check_config(const ModelConfig& config, const std::string& where);

// Throws Error(kInput): "unknown architecture 'x': Assay runs llama, mistral, qwen2".
[[noreturn]] void refuse_architecture(const std::string& where, const std::string& name);

}  // namespace assay
