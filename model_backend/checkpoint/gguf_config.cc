#include "model_backend/checkpoint/gguf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "model_backend/checkpoint/block_types.h"
#include "model_backend/checkpoint/messages.h"

namespace assay {
namespace {

// Metadata under "<architecture>.".
class ArchitectureKeys {
 public:
  explicit ArchitectureKeys(const GgufFile& file) : file_(file), prefix_(file.text("general.architecture") + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return file_.has(key(name)); }
  double number(std::string_view name, double otherwise) const { return file_.number(key(name), otherwise); }
  std::string text(std::string_view name, std::string_view otherwise) const { return file_.text(key(name), otherwise); }
  // An integer that fits int; whether it makes sense is check_config's to say.
  int count(std::string_view name) const {
    int64_t value = file_.integer(key(name));
    if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
      fail(name, fmt::format("is {}, which is absurd", value));
    }
    return static_cast<int>(value);
  }
  int count(std::string_view name, int otherwise) const { return has(name) ? count(name) : otherwise; }
  [[noreturn]] void fail(std::string_view name, std::string_view what) const { file_.fail(key(name), what); }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

void refuse_what_differs(const GgufFile& file, const ArchitectureKeys& keys) {
  std::string architecture = file.text("general.architecture");
  if (architecture != "llama" && architecture != "qwen2") refuse_architecture(file.path(), architecture);
  if (file.integer("split.count", 1) > 1) {
    throw_input(file.path(), "is one part of a split GGUF file", "join the parts with llama-gguf-split --merge");
  }
  if (keys.count("expert_count", 0) > 0) keys.fail("expert_count", "is above 0: Assay runs no mixture of experts");
}

void read_sizes(const GgufFile& file, const ArchitectureKeys& keys, ModelConfig& model) {
  model.layers = keys.count("block_count");
  model.hidden = keys.count("embedding_length");
  model.heads = keys.count("attention.head_count");
  model.kv_heads = keys.count("attention.head_count_kv", model.heads);
  model.intermediate = keys.count("feed_forward_length");
  model.context_length = keys.count("context_length");
  if (!keys.has("attention.key_length") && (model.heads < 1 || model.hidden % model.heads != 0)) {
    keys.fail("embedding_length", fmt::format("is {}, no multiple of {} heads", model.hidden, model.heads));
  }
  model.head_dim = keys.has("attention.key_length") ? keys.count("attention.key_length") : model.hidden / model.heads;
  for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
    int length = keys.count(name, model.head_dim);
    if (length != model.head_dim) {
      keys.fail(name, fmt::format("is {}, Assay runs only heads where it is the head dimension ({})", length,
                                  model.head_dim));
    }
  }
  const GgufTensor* embedding = file.tensor("token_embd.weight");
  if (!embedding) throw_input(file.path(), "tensor \"token_embd.weight\" is missing");
  int64_t rows = embedding->shape.size() == 2 ? embedding->shape[1] : 0;
  model.vocab = static_cast<int>(std::min<int64_t>(rows, std::numeric_limits<int>::max()));
}

void read_scaling(const GgufFile& file, const ArchitectureKeys& keys, ModelConfig& model) {
  RopeScaling& scaling = model.rope_scaling;
  scaling.factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
  if (scaling.factor == 0) scaling.factor = 1;  // llama.cpp: not given
  std::string kind = keys.text("rope.scaling.type", "linear");
  double attention = keys.number("rope.scaling.attn_factor", 1);
  if (kind == "none") {
    scaling.factor = 1;
  } else if (kind == "linear") {
    scaling.kind = scaling.factor == 1 ? RopeScaling::kNone : RopeScaling::kLinear;
  } else if (kind == "yarn") {
    scaling.kind = RopeScaling::kYarn;
    scaling.original_max_position = keys.number("rope.scaling.original_context_length", model.context_length);
    scaling.beta_fast = keys.number("rope.scaling.yarn_beta_fast", 32);
    scaling.beta_slow = keys.number("rope.scaling.yarn_beta_slow", 1);
    // llama.cpp's factor comes on top of the one that follows from the stretch.
    scaling.attention_factor = attention * (1 + 0.1 * std::log(std::max(scaling.factor, 1.0)));
    return;
  } else {
    throw_input(file.path(), "unknown rope scaling " + in_quotes(kind) + ": Assay runs linear, llama3, yarn");
  }
  if (attention != 1) keys.fail("rope.scaling.attn_factor", "is not 1, though the scaling is not yarn");
}

void read_rope_factors(const GgufFile& file, ModelConfig& model) {
  const GgufTensor* tensor = file.tensor("rope_freqs.weight");
  if (!tensor) return;
  if (tensor->dtype != DType::kF32 || tensor->shape != std::vector<int64_t>{model.head_dim / 2}) {
    throw_input(file.path(), fmt::format("tensor \"rope_freqs.weight\" must have {} F32 values", model.head_dim / 2));
  }
  model.rope_factors.resize(static_cast<size_t>(model.head_dim) / 2);
  dequantize(DType::kF32, tensor->bytes.data(), model.rope_factors.size(), model.rope_factors.data());
}

// Ids outside the vocabulary can never be met and are left out.
void read_special_ids(const GgufFile& file, ModelConfig& model) {
  int64_t bos = file.integer("tokenizer.ggml.bos_token_id", -1);
  if (bos >= 0 && bos < model.vocab) model.bos_id = static_cast<int>(bos);
  for (const char* key : {"eos", "eot", "eom"}) {
    int64_t id = file.integer(fmt::format("tokenizer.ggml.{}_token_id", key), -1);
    if (id >= 0 && id < model.vocab) model.eos_ids.push_back(static_cast<int>(id));
  }
  std::sort(model.eos_ids.begin(), model.eos_ids.end());
  model.eos_ids.erase(std::unique(model.eos_ids.begin(), model.eos_ids.end()), model.eos_ids.end());
}

}  // namespace

ModelConfig read_gguf_config(const GgufFile& file) {
  ArchitectureKeys keys(file);
  refuse_what_differs(file, keys);
  ModelConfig model;
  model.architecture = file.text("general.architecture");
  read_sizes(file, keys, model);
  model.norm_eps = file.number(keys.key("attention.layer_norm_rms_epsilon"));
  model.rope_theta = keys.number("rope.freq_base", 10000);
  read_scaling(file, keys, model);
  model.tied_head = !file.tensor("output.weight");
  model.attention_bias = model.architecture == "qwen2" || file.tensor("blk.0.attn_q.bias");
  model.output_bias = file.tensor("blk.0.attn_output.bias");
  model.mlp_bias = file.tensor("blk.0.ffn_gate.bias");
  int window = keys.count("attention.sliding_window", 0);
  if (window > 0 && window < model.context_length) model.sliding_window = window;
  check_config(model, file.path());
  read_rope_factors(file, model);
  read_special_ids(file, model);
  check_config(model, file.path());
  return model;
}

}  // namespace assay
