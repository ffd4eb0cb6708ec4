// A .gguf file -> Checkpoint. Rows of the query and key projections of Llama files were reordered by the converter so
// that the two numbers that rotate together stand side by side; TensorView::interleaved_heads marks them. Qwen2 files
// were not.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/checkpoint/gguf_config.h"
#include "model_backend/checkpoint/messages.h"
#include "model_backend/checkpoint/tensor_list.h"

namespace assay {
namespace {

int interleaved_heads(const std::string& name, const ModelConfig& config) {
  if (config.architecture != "llama") return 0;
  if (name.find(".q_proj.") != std::string::npos) return config.heads;
  if (name.find(".k_proj.") != std::string::npos) return config.kv_heads;
  return 0;
}

TensorView view_of(const ExpectedTensor& expected, const GgufTensor& stored, const ModelConfig& config,
                   const std::string& path) {
  std::vector<int64_t> shape(stored.shape.rbegin(), stored.shape.rend());
  if (shape != expected.shape) {
    throw_input(path, fmt::format("tensor {} has shape [{}], by the metadata it must be [{}]", in_quotes(stored.name),
                                  fmt::join(shape, ", "), fmt::join(expected.shape, ", ")));
  }
  return {.name = expected.name,
          .dtype = stored.dtype,
          .shape = std::move(shape),
          .data = stored.bytes.data(),
          .file = path,
          .stored_name = stored.name,
          .interleaved_heads = interleaved_heads(expected.name, config)};
}

// Rotary frequencies: read into the configuration, or following from it.
bool is_superfluous(const std::string& name) {
  return name == "rope_freqs.weight" || ends_with(name, ".attn_rot_embd") || ends_with(name, ".attn_rot_embd.weight");
}

}  // namespace

Checkpoint Checkpoint::open_gguf(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.gguf_ = std::make_unique<GgufFile>(GgufFile::open(path));
  const GgufFile& file = *checkpoint.gguf_;
  checkpoint.config_ = read_gguf_config(file);
  std::set<std::string> used;
  for (const ExpectedTensor& expected : expected_tensors(checkpoint.config_)) {
    std::string name = gguf_tensor_name(expected.name);
    const GgufTensor* stored = file.tensor(name);
    if (!stored) throw_input(path, "tensor " + in_quotes(name) + " is missing");
    checkpoint.tensors_.emplace(expected.name, view_of(expected, *stored, checkpoint.config_, path));
    used.insert(name);
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (used.count(tensor.name) || is_superfluous(tensor.name)) continue;
    throw_input(path, fmt::format("tensor {} has no place in the {} model that the metadata describes",
                                  in_quotes(tensor.name), checkpoint.config_.architecture));
  }
  return checkpoint;
}

}  // namespace assay
