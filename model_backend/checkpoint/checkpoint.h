// A checkpoint opened for use: one ModelConfig and a set of named tensors, whatever the files are.
//
// Names are Hugging Face's whichever format lies behind them:
//   model.embed_tokens.weight  model.norm.weight  lm_head.weight (unless tied_head)
//   model.layers.N.input_layernorm.weight  model.layers.N.post_attention_layernorm.weight
//   model.layers.N.self_attn.{q,k,v,o}_proj.{weight,bias}
//   model.layers.N.mlp.{gate,up,down}_proj.{weight,bias}
// A bias is there exactly when ModelConfig says so. A matrix is [outputs, inputs], row-major.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/checkpoint/dtype.h"
#include "model_backend/checkpoint/gguf.h"
#include "model_backend/checkpoint/model_config.h"
#include "model_backend/checkpoint/safetensors.h"

namespace assay {

// A tensor where it lies in its mapped file. Valid as long as its Checkpoint.
struct TensorView {
  std::string name;  // canonical
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // [outputs, inputs] or [n]
  const void* data = nullptr;  // as stored, any alignment
  std::string file;            // path, for messages
  std::string stored_name;     // as the file calls it, for messages
  // > 0: rows are stored in the pairwise rotary order of GGUF Llama files, this many heads; read_f32 and read_rows_f32
  // put them into the half-split order, `data` is not touched. 0: rows are in canonical order.
  int interleaved_heads = 0;

  int64_t rows() const { return shape.size() > 1 ? shape[0] : 1; }  // a vector is one row
  int64_t columns() const { return shape.back(); }
  int64_t elements() const { return rows() * columns(); }
};

// Move-only; keeps its files mapped. Immutable after opening: any thread may call any member.
class Checkpoint {
 public:
  // `path`: a folder in Hugging Face layout (config.json, optional generation_config.json, model.safetensors or
  // model.safetensors.index.json with its shards) or a .gguf file. Reads configuration and headers only, and checks all
  // that can be checked without touching weights: architecture, every size, that every needed tensor is there in a
  // readable type and the right shape and that no tensor is left over. Throws Error(kInput) naming file and place.
  static Checkpoint open(const std::string& path);

  const ModelConfig& config() const { return config_; }
  // Set when the checkpoint is a .gguf file, whose metadata also holds the tokenizer; else null. Lives as long as this.
  const GgufFile* gguf() const { return gguf_.get(); }
  const std::string& path() const { return path_; }
  // Last part of the path: what a report calls this checkpoint until told better.
  std::string label() const;

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // Precondition: has(name).
  const TensorView& tensor(std::string_view name) const;
  // In order of name.
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }

  // The whole tensor as float, canonical order: out[rows * columns].
  // Throws Error(kInput) naming file and tensor when a value is infinite or not a number; `out` is then unspecified.
  void read_f32(const TensorView& tensor, float* out) const;
  // As read_f32 for rows [first, first + count) of the canonical order: out[count * columns].
  void read_rows_f32(const TensorView& tensor, int64_t first, int64_t count, float* out) const;
  // The same as bfloat16, of a tensor that is stored so. Precondition: dtype is kBF16, shape a matrix.
  void copy_rows_bf16(const TensorView& tensor, int64_t first, int64_t count, uint16_t* out) const;

  // Identity of what computes: 64 hexadecimal digits over the configuration and the stored bytes of every tensor, with
  // name, type and shape. Reads all weights on several threads the first time and remembers the result
  // (weights_hash.h); later calls and later processes find it by the files' paths, sizes and times of change.
  std::string weights_hash() const;

 private:
  Checkpoint() = default;
  static Checkpoint open_folder(const std::string& folder);  // hugging_face.cc
  static Checkpoint open_gguf(const std::string& path);      // gguf_model.cc

  std::string path_;
  ModelConfig config_;
  std::vector<std::unique_ptr<SafetensorsFile>> shards_;
  std::unique_ptr<GgufFile> gguf_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace assay
