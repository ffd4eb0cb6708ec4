#include "model_backend/checkpoint/model_config.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

struct CountLimit {
  const char* name;
  int value;
  int most;  // far above any real model: larger numbers are damage
};

void check_counts(const ModelConfig& config, const std::string& where) {
  const CountLimit limits[] = {
      {"number of layers", config.layers, 10'000},  {"hidden size", config.hidden, 1 << 20},
      {"number of heads", config.heads, 1 << 16},   {"number of key-value heads", config.kv_heads, 1 << 16},
      {"head dimension", config.head_dim, 1 << 16}, {"intermediate size", config.intermediate, 1 << 24},
      {"vocabulary size", config.vocab, 1 << 24},   {"context length", config.context_length, 1 << 30}};
  for (const CountLimit& limit : limits) {
    if (limit.value < 1 || limit.value > limit.most) {
      throw_input(where, fmt::format("{} is {}, not in 1 to {}", limit.name, limit.value, limit.most));
    }
  }
  if (config.heads % config.kv_heads != 0) {
    throw_input(where, fmt::format("{} heads are no multiple of {} key-value heads", config.heads, config.kv_heads));
  }
  if (config.head_dim % 2 != 0) {
    throw_input(where, fmt::format("head dimension is {}, rotary positions need an even one", config.head_dim));
  }
}

void check_positive(double value, const char* name, const std::string& where) {
  if (!(value > 0) || !std::isfinite(value)) throw_input(where, fmt::format("{} is {}, not above 0", name, value));
}

void check_rope(const ModelConfig& config, const std::string& where) {
  const RopeScaling& scaling = config.rope_scaling;
  check_positive(config.rope_theta, "rope theta", where);
  check_positive(scaling.factor, "rope scaling factor", where);
  if (scaling.kind == RopeScaling::kLlama3 || scaling.kind == RopeScaling::kYarn) {
    check_positive(scaling.original_max_position, "original context length of rope scaling", where);
  }
  if (scaling.kind == RopeScaling::kLlama3) {
    check_positive(scaling.low_freq_factor, "low_freq_factor of rope scaling", where);
    if (!(scaling.high_freq_factor > scaling.low_freq_factor) || !std::isfinite(scaling.high_freq_factor)) {
      throw_input(where, "high_freq_factor of rope scaling is not above low_freq_factor");
    }
  }
  if (scaling.kind == RopeScaling::kYarn) {
    check_positive(scaling.beta_slow, "beta_slow of rope scaling", where);
    check_positive(scaling.beta_fast, "beta_fast of rope scaling", where);
    if (scaling.attention_factor) check_positive(*scaling.attention_factor, "attention factor of rope scaling", where);
    if (!std::isfinite(scaling.mscale) || !std::isfinite(scaling.mscale_all_dim)) {
      throw_input(where, "mscale of rope scaling is not finite");
    }
    if (config.rope_theta <= 1) throw_input(where, "YaRN needs a rope theta above 1");
  }
  for (float factor : config.rope_factors) check_positive(factor, "a rope frequency factor", where);
}

}  // namespace

void check_config(const ModelConfig& config, const std::string& where) {
  check_counts(config, where);
  check_rope(config, where);
  if (!(config.norm_eps >= 0) || config.norm_eps > 1) {
    throw_input(where, fmt::format("epsilon of the norm is {}, not in 0 to 1", config.norm_eps));
  }
  if (config.sliding_window && *config.sliding_window < 1) {
    throw_input(where, fmt::format("sliding window is {}, not above 0", *config.sliding_window));
  }
}

void refuse_architecture(const std::string& where, const std::string& name) {
  throw_input(where, "unknown architecture '" + replace_invalid_utf8(name.substr(0, 200)) +
                         "': Assay runs llama, mistral, qwen2");
}

}  // namespace assay
