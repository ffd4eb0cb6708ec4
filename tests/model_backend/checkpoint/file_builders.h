// Small checkpoint files made byte by byte, right ones and broken ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/text.h"

namespace assay::testing {

template <typename T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

inline std::string golden_checkpoint(const std::string& name) {
  return std::string(ASSAY_SOURCE_DIR) + "/tests/golden/checkpoint/" + name;
}

// A GGUF file. Fields are what is written, right or not.
struct GgufBuilder {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> pairs, infos;
  std::string data;
  int64_t extra_pairs = 0, extra_tensors = 0;  // added to the true counts
  uint64_t alignment = 32;

  static std::string string(const std::string& text) { return bytes_of<uint64_t>(text.size()) + text; }
  GgufBuilder& pair(const std::string& key, uint32_t type, const std::string& value) {
    pairs.push_back(string(key) + bytes_of(type) + value);
    return *this;
  }
  GgufBuilder& text(const std::string& key, const std::string& value) { return pair(key, 8, string(value)); }
  GgufBuilder& u32(const std::string& key, uint32_t value) { return pair(key, 4, bytes_of(value)); }
  GgufBuilder& f32(const std::string& key, float value) { return pair(key, 6, bytes_of(value)); }
  GgufBuilder& tensor(const std::string& name, const std::vector<uint64_t>& shape, uint32_t type, uint64_t offset) {
    infos.push_back(string(name) + bytes_of(static_cast<uint32_t>(shape.size())) + bytes_of(shape) + bytes_of(type) +
                    bytes_of(offset));
    return *this;
  }
  std::string build() const {
    std::string file = magic + bytes_of(version) + bytes_of<uint64_t>(infos.size() + extra_tensors) +
                       bytes_of<uint64_t>(pairs.size() + extra_pairs);
    for (const std::string& one : pairs) file += one;
    for (const std::string& one : infos) file += one;
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data;
  }
};

// A safetensors file with the given header text.
inline std::string safetensors_file(const std::string& header, const std::string& data) {
  return bytes_of<uint64_t>(header.size()) + header + data;
}

// A folder's worth of tiny Llama: config.json's content and tensors that fit it. Tests change either before writing.
class TinyLlama {
 public:
  struct Tensor {
    std::string dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };

  TinyLlama() {
    config = Json::parse(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
      "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6,
      "vocab_size": 5, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
      "tie_word_embeddings": false, "torch_dtype": "float32", "eos_token_id": 2})");
    add("model.embed_tokens.weight", {5, 8});
    add("model.norm.weight", {8});
    add("lm_head.weight", {5, 8});
    add("model.layers.0.input_layernorm.weight", {8});
    add("model.layers.0.post_attention_layernorm.weight", {8});
    add("model.layers.0.self_attn.q_proj.weight", {8, 8});
    add("model.layers.0.self_attn.k_proj.weight", {4, 8});
    add("model.layers.0.self_attn.v_proj.weight", {4, 8});
    add("model.layers.0.self_attn.o_proj.weight", {8, 8});
    add("model.layers.0.mlp.gate_proj.weight", {6, 8});
    add("model.layers.0.mlp.up_proj.weight", {6, 8});
    add("model.layers.0.mlp.down_proj.weight", {8, 6});
  }

  // F32, filled with 1, 2, 3, ...
  void add(const std::string& name, const std::vector<int64_t>& shape) {
    int64_t elements = 1;
    for (int64_t extent : shape) elements *= extent;
    std::vector<float> values;
    for (int64_t i = 0; i < elements; ++i) values.push_back(static_cast<float>(i + 1));
    tensors.emplace_back(name, Tensor{"F32", shape, bytes_of(values)});
  }
  Tensor& tensor(const std::string& name) {
    for (auto& [key, value] : tensors) {
      if (key == name) return value;
    }
    throw std::out_of_range(name);
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  }

  // Tensors [first, last) as one file.
  std::string shard(size_t first, size_t last) const {
    Json header = Json::object();
    std::string data;
    for (size_t i = first; i < last; ++i) {
      const auto& [name, tensor] = tensors[i];
      size_t begin = data.size();
      data += tensor.bytes;
      header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
    }
    return safetensors_file(header.dump(), data);
  }

  // Writes config.json and model.safetensors; gives the folder.
  template <typename Folder>
  std::string write(const Folder& folder) const {
    folder.write("config.json", config.dump());
    folder.write("model.safetensors", shard(0, tensors.size()));
    return folder.path();
  }

  Json config;
  std::vector<std::pair<std::string, Tensor>> tensors;
};

}  // namespace assay::testing
