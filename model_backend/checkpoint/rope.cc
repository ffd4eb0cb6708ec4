#include "model_backend/checkpoint/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace assay {
namespace {

// theta^(2i / head_dim), float32.
std::vector<float> position_periods(const ModelConfig& config) {
  std::vector<float> periods(static_cast<size_t>(config.head_dim) / 2);
  for (size_t i = 0; i < periods.size(); ++i) {
    float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    periods[i] = std::pow(static_cast<float>(config.rope_theta), exponent);
  }
  return periods;
}

void scale_linear(const RopeScaling& scaling, std::vector<float>& frequencies) {
  for (float& frequency : frequencies) frequency /= static_cast<float>(scaling.factor);
}

// Long waves are stretched by `factor`, short ones kept, those between blended.
void scale_llama3(const RopeScaling& scaling, std::vector<float>& frequencies) {
  float factor = static_cast<float>(scaling.factor);
  float context = static_cast<float>(scaling.original_max_position);
  float low = static_cast<float>(scaling.low_freq_factor), high = static_cast<float>(scaling.high_freq_factor);
  float longest = static_cast<float>(scaling.original_max_position / scaling.low_freq_factor);
  float shortest = static_cast<float>(scaling.original_max_position / scaling.high_freq_factor);
  for (float& frequency : frequencies) {
    float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength > longest) {
      frequency /= factor;
    } else if (wavelength >= shortest) {
      float smooth = (context / wavelength - low) / (high - low);
      frequency = (1 - smooth) * frequency / factor + smooth * frequency;
    }
  }
}

// YaRN's dimension (pair index, not rounded) whose wave turns `turns` times within the original context.
double correction_dimension(const ModelConfig& config, double turns) {
  double context = config.rope_scaling.original_max_position;
  return config.head_dim * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(config.rope_theta));
}

void scale_yarn(const ModelConfig& config, const std::vector<float>& periods, std::vector<float>& frequencies) {
  const RopeScaling& scaling = config.rope_scaling;
  double low = correction_dimension(config, scaling.beta_fast);
  double high = correction_dimension(config, scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, config.head_dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    float keep = 1 - std::clamp(ramp, 0.0f, 1.0f);
    float stretched = 1 / (static_cast<float>(scaling.factor) * periods[i]);
    frequencies[i] = stretched * (1 - keep) + frequencies[i] * keep;
  }
}

double yarn_attention_factor(const RopeScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  auto scale_of = [&](double mscale) {
    return scaling.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(scaling.factor) + 1.0;
  };
  if (scaling.mscale != 0 && scaling.mscale_all_dim != 0) {
    return scale_of(scaling.mscale) / scale_of(scaling.mscale_all_dim);
  }
  return scale_of(1);
}

}  // namespace

std::vector<float> rope_inverse_frequencies(const ModelConfig& config, float* attention_scale) {
  std::vector<float> periods = position_periods(config);
  std::vector<float> frequencies(periods.size());
  std::transform(periods.begin(), periods.end(), frequencies.begin(), [](float period) { return 1 / period; });
  *attention_scale = 1;
  switch (config.rope_scaling.kind) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      scale_linear(config.rope_scaling, frequencies);
      break;
    case RopeScaling::kLlama3:
      scale_llama3(config.rope_scaling, frequencies);
      break;
    case RopeScaling::kYarn:
      scale_yarn(config, periods, frequencies);
      *attention_scale = static_cast<float>(yarn_attention_factor(config.rope_scaling));
      break;
  }
  if (config.rope_factors.empty()) return frequencies;
  ASSAY_ASSERT(config.rope_factors.size() == frequencies.size(), "rope_factors has head_dim / 2 values");
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= config.rope_factors[i];
  return frequencies;
}

}  // namespace assay
