#include "model_backend/checkpoint/config_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "core/json.h"
#include "model_backend/checkpoint/messages.h"

namespace assay {
namespace {

struct Family {
  const char* model_type;
  const char* architecture;  // the class with a language-model head
  int context_length;        // of a config.json that states none
};
constexpr Family kFamilies[] = {{"llama", "LlamaForCausalLM", 2048},
                                {"mistral", "MistralForCausalLM", 131072},
                                {"qwen2", "Qwen2ForCausalLM", 32768}};

const Family& family_of(const JsonObject& config) {
  std::string model_type = config.text("model_type");
  for (const Family& family : kFamilies) {
    if (model_type != family.model_type) continue;
    if (!config.has("architectures")) return family;
    const Json& names = config.child("architectures");
    if (!names.is_array() || names.empty() || !names[0].is_string()) {
      config.fail("architectures", "must be a list with a name");
    }
    if (names[0] != family.architecture) refuse_architecture(config.where(), names[0].get<std::string>());
    return family;
  }
  refuse_architecture(config.where(), model_type);
}

// An integer that fits int; whether it makes sense is check_config's to say.
int count(const JsonObject& config, std::string_view key) {
  int64_t value = config.integer(key);
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    config.fail(key, fmt::format("is {}, which is absurd", value));
  }
  return static_cast<int>(value);
}

int count(const JsonObject& config, std::string_view key, int otherwise) {
  return config.has(key) ? count(config, key) : otherwise;
}

void read_sizes(const JsonObject& config, const Family& family, ModelConfig& model) {
  model.layers = count(config, "num_hidden_layers");
  model.hidden = count(config, "hidden_size");
  model.heads = count(config, "num_attention_heads");
  model.kv_heads = count(config, "num_key_value_heads", model.heads);
  model.intermediate = count(config, "intermediate_size");
  model.vocab = count(config, "vocab_size");
  model.context_length = count(config, "max_position_embeddings", family.context_length);
  if (config.has("head_dim")) {
    model.head_dim = count(config, "head_dim");
  } else if (model.heads < 1 || model.hidden % model.heads != 0) {
    config.fail("hidden_size",
                fmt::format("is {}, no multiple of num_attention_heads ({}), and \"head_dim\" is missing", model.hidden,
                            model.heads));
  } else {
    model.head_dim = model.hidden / model.heads;
  }
}

void read_biases(const JsonObject& config, ModelConfig& model) {
  if (model.architecture == "qwen2") model.attention_bias = true;
  if (model.architecture != "llama") return;
  model.attention_bias = model.output_bias = config.boolean("attention_bias", false);
  model.mlp_bias = config.boolean("mlp_bias", false);
}

// Layers from which on all attend through the window; `layers` when none does. From "layer_types" when it is there.
int first_sliding_layer(const JsonObject& config, int layers, int otherwise) {
  if (!config.has("layer_types")) return otherwise;
  const Json& types = config.child("layer_types");
  if (!types.is_array() || types.size() != static_cast<size_t>(layers)) {
    config.fail("layer_types", "must be a list with one entry a layer");
  }
  int first = layers;
  for (int layer = 0; layer < layers; ++layer) {
    const Json& type = types[static_cast<size_t>(layer)];
    if (type == "sliding_attention") {
      first = std::min(first, layer);
    } else if (type != "full_attention" || first < layer) {
      config.fail("layer_types",
                  fmt::format("of layer {} is {}, a mixture Assay does not run", layer, in_quotes(dump_json(type))));
    }
  }
  return first;
}

void read_sliding_window(const JsonObject& config, ModelConfig& model) {
  // Null is "none", absence the class default.
  bool is_null = config.json().contains("sliding_window") && !config.has("sliding_window");
  if (is_null || model.architecture == "llama") return;
  int first = 0;
  if (model.architecture == "qwen2") {
    if (!config.boolean("use_sliding_window", false)) return;
    first = first_sliding_layer(config, model.layers, count(config, "max_window_layers", 28));
  }
  int window = count(config, "sliding_window", 4096);
  if (window >= model.context_length || first >= model.layers) return;
  model.sliding_window = window;
  model.sliding_window_first_layer = std::max(first, 0);
}

// "rope_parameters" (transformers 5), else "rope_scaling" (earlier), else nothing.
std::optional<JsonObject> rope_object(const JsonObject& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (config.has(key)) return config.object(key);
  }
  return std::nullopt;
}

double original_context(const JsonObject& config, const JsonObject& rope, const ModelConfig& model) {
  const char* key = "original_max_position_embeddings";
  if (config.has(key)) return config.number(key);
  return rope.number(key, model.context_length);
}

RopeScaling read_yarn(const JsonObject& config, const JsonObject& rope, const ModelConfig& model) {
  RopeScaling scaling{.kind = RopeScaling::kYarn};
  scaling.original_max_position = original_context(config, rope, model);
  scaling.factor = rope.has("factor") ? rope.number("factor") : model.context_length / scaling.original_max_position;
  if (rope.has("attention_factor")) scaling.attention_factor = rope.number("attention_factor");
  // Zero stands for "not given", as in transformers.
  auto or_default = [&](const char* key, double otherwise) {
    double value = rope.number(key, otherwise);
    return value == 0 ? otherwise : value;
  };
  scaling.beta_fast = or_default("beta_fast", 32);
  scaling.beta_slow = or_default("beta_slow", 1);
  scaling.mscale = rope.number("mscale", 0);
  scaling.mscale_all_dim = rope.number("mscale_all_dim", 0);
  scaling.truncate = rope.boolean("truncate", true);
  return scaling;
}

RopeScaling read_scaling(const JsonObject& config, const JsonObject& rope, const ModelConfig& model) {
  std::string kind = rope.has("rope_type") ? rope.text("rope_type") : rope.text("type", "default");
  if (kind == "default") return {};
  if (kind == "linear") return {.kind = RopeScaling::kLinear, .factor = rope.number("factor")};
  if (kind == "llama3") {
    return {.kind = RopeScaling::kLlama3,
            .factor = rope.number("factor"),
            .low_freq_factor = rope.number("low_freq_factor"),
            .high_freq_factor = rope.number("high_freq_factor"),
            .original_max_position = original_context(config, rope, model)};
  }
  if (kind == "yarn") return read_yarn(config, rope, model);
  throw_input(rope.where(), "unknown rope scaling " + in_quotes(kind) + ": Assay runs linear, llama3, yarn");
}

void read_rope(const JsonObject& config, ModelConfig& model) {
  model.rope_theta = config.number("rope_theta", 10000);
  double rotated_part = config.number("partial_rotary_factor", 1);
  if (auto rope = rope_object(config)) {
    model.rope_theta = rope->number("rope_theta", model.rope_theta);
    rotated_part = rope->number("partial_rotary_factor", rotated_part);
    model.rope_scaling = read_scaling(config, *rope, model);
  }
  if (rotated_part != 1) {
    config.fail("partial_rotary_factor", fmt::format("is {}: Assay rotates whole heads only", rotated_part));
  }
}

void refuse_what_differs(const JsonObject& config) {
  if (config.has("quantization_config")) {
    JsonObject quantization = config.object("quantization_config");
    throw_input(config.where(),
                "the weights are quantized by " + in_quotes(quantization.text("quant_method", "an unnamed method")) +
                    ", which Assay does not read",
                "use the unquantized checkpoint or a GGUF file");
  }
  std::string activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    config.fail("hidden_act", "is " + in_quotes(activation) + ": Assay runs silu only");
}

std::optional<DType> declared_dtype(const JsonObject& config) {
  const char* key = config.has("dtype") ? "dtype" : "torch_dtype";
  std::string name = config.text(key, "auto");
  if (name.rfind("torch.", 0) == 0) name = name.substr(6);
  if (name == "auto") return std::nullopt;
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name == "bfloat16") return DType::kBF16;
  config.fail(key, "is " + in_quotes(name) + ": Assay reads float32, float16 and bfloat16");
}

// Adds the ids of "eos_token_id", one number or a list. Ids outside the vocabulary can never be met and are left out.
void add_eos_ids(const JsonObject& config, ModelConfig& model) {
  if (!config.has("eos_token_id")) return;
  const Json& value = config.child("eos_token_id");
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer()) config.fail("eos_token_id", "must be a whole number or a list of them");
    int64_t number = id.get<int64_t>();
    if (number >= 0 && number < model.vocab) model.eos_ids.push_back(static_cast<int>(number));
  }
}

void read_special_ids(const JsonObject& config, const std::string& generation_path, ModelConfig& model) {
  int64_t bos = config.integer("bos_token_id", -1);
  if (bos >= 0 && bos < model.vocab) model.bos_id = static_cast<int>(bos);
  add_eos_ids(config, model);
  if (std::filesystem::exists(generation_path)) {
    Json json = read_json_file(generation_path);
    add_eos_ids(JsonObject(json, generation_path), model);
  }
  std::sort(model.eos_ids.begin(), model.eos_ids.end());
  model.eos_ids.erase(std::unique(model.eos_ids.begin(), model.eos_ids.end()), model.eos_ids.end());
}

}  // namespace

HuggingFaceConfig read_config_json(const std::string& folder) {
  Json json = read_json_file(folder + "/config.json");
  JsonObject config(json, folder + "/config.json");
  const Family& family = family_of(config);
  refuse_what_differs(config);
  HuggingFaceConfig read;
  ModelConfig& model = read.model;
  model.architecture = family.model_type;
  read_sizes(config, family, model);
  model.norm_eps = config.number("rms_norm_eps", 1e-6);
  model.tied_head = config.boolean("tie_word_embeddings", false);
  read_biases(config, model);
  read_rope(config, model);
  check_config(model, config.where());
  read_sliding_window(config, model);
  read_special_ids(config, folder + "/generation_config.json", model);
  check_config(model, config.where());
  read.dtype = declared_dtype(config);
  return read;
}

}  // namespace assay
