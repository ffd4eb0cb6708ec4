#include "bench/random_checkpoint.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/json.h"

namespace assay::bench {
namespace {

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  int64_t count() const {
    int64_t product = 1;
    for (int64_t size : shape) product *= size;
    return product;
  }
};

std::vector<Tensor> tensors_of(const Shape& shape) {
  const int64_t h = shape.hidden, f = shape.intermediate;
  std::vector<Tensor> tensors = {{"model.embed_tokens.weight", {shape.vocab, h}}, {"model.norm.weight", {h}}};
  if (!shape.tied_head) tensors.push_back({"lm_head.weight", {shape.vocab, h}});
  for (int i = 0; i < shape.layers; ++i) {
    const std::string prefix = fmt::format("model.layers.{}.", i);
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    tensors.push_back({prefix + "input_layernorm.weight", {h}});
    tensors.push_back({prefix + "post_attention_layernorm.weight", {h}});
    tensors.push_back({attention + "q_proj.weight", {shape.q_width(), h}});
    tensors.push_back({attention + "k_proj.weight", {shape.kv_width(), h}});
    tensors.push_back({attention + "v_proj.weight", {shape.kv_width(), h}});
    tensors.push_back({attention + "o_proj.weight", {h, shape.q_width()}});
    tensors.push_back({mlp + "gate_proj.weight", {f, h}});
    tensors.push_back({mlp + "up_proj.weight", {f, h}});
    tensors.push_back({mlp + "down_proj.weight", {h, f}});
  }
  return tensors;
}

// Values about as large as trained weights: bfloat16 bits with a random sign, fraction and one of a few exponents.
std::vector<uint16_t> random_values(int64_t count, uint64_t& state) {
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto bits = static_cast<uint32_t>(state >> 40);
    value = static_cast<uint16_t>((bits & 1) << 15 | (119 + (bits >> 1 & 3)) << 7 | (bits >> 3 & 0x7f));
  }
  return values;
}

void write_config(const Shape& shape, const std::string& folder) {
  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"vocab_size", shape.vocab},
                       {"hidden_size", shape.hidden},
                       {"intermediate_size", shape.intermediate},
                       {"num_hidden_layers", shape.layers},
                       {"num_attention_heads", shape.heads},
                       {"num_key_value_heads", shape.kv_heads},
                       {"head_dim", shape.head_dim},
                       {"max_position_embeddings", shape.context},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 100000.0},
                       {"tie_word_embeddings", shape.tied_head},
                       {"hidden_act", "silu"},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"torch_dtype", "bfloat16"}};
  std::ofstream(folder + "/config.json") << config.dump(1);
}

void write_weights(const Shape& shape, const std::string& file) {
  Json header;
  int64_t at = 0;
  const std::vector<Tensor> tensors = tensors_of(shape);
  for (const Tensor& tensor : tensors) {
    const int64_t bytes = tensor.count() * 2;
    header[tensor.name] = {{"dtype", "BF16"}, {"shape", tensor.shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length).write(text.data(), static_cast<int64_t>(length));
  uint64_t state = 1;
  for (const Tensor& tensor : tensors) {
    const std::vector<uint16_t> values = random_values(tensor.count(), state);
    out.write(reinterpret_cast<const char*>(values.data()), tensor.count() * 2);
  }
  out.close();
  if (!out) throw_world(file, "could not be written", "free some disk space");
}

}  // namespace

int64_t Shape::body_weights() const {
  const int64_t h = hidden;
  return layers * (h * (2 * q_width() + 2 * kv_width()) + 3 * h * intermediate);
}

Shape shape_named(const std::string& name) {
  if (name == "135m") return {name, 576, 30, 1536, 9, 3, 64, 49152, 8192, true};
  if (name == "1b") return {name, 2048, 22, 5632, 32, 4, 64, 32000, 8192, false};
  throw_input("--shape " + name, "no such shape", "one of: 135m, 1b");
}

RandomCheckpoint::RandomCheckpoint(const Shape& shape) {
  std::string name = (std::filesystem::temp_directory_path() / "assay_bench_XXXXXX").string();
  if (!::mkdtemp(name.data())) throw_errno(name, "cannot make a folder", errno);
  path_ = name;
  write_config(shape, path_);
  write_weights(shape, path_ + "/model.safetensors");
}

RandomCheckpoint::~RandomCheckpoint() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace assay::bench
