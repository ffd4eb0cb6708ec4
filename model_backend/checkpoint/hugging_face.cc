// A folder in Hugging Face layout -> Checkpoint: config.json, then either model.safetensors or the shards that
// model.safetensors.index.json names: {"weight_map": {tensor: file, ...}, ...}.
#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/checkpoint/config_json.h"
#include "model_backend/checkpoint/messages.h"
#include "model_backend/checkpoint/tensor_list.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

using Shards = std::vector<std::unique_ptr<SafetensorsFile>>;
// Where each stored tensor lies.
using TensorTable = std::map<std::string, std::pair<const SafetensorsFile*, const SafetensorsTensor*>, std::less<>>;

TensorTable table_of_file(const std::string& path, Shards& shards) {
  shards.push_back(std::make_unique<SafetensorsFile>(SafetensorsFile::open(path)));
  TensorTable table;
  for (const SafetensorsTensor& tensor : shards.back()->tensors()) {
    table.emplace(tensor.name, std::pair(shards.back().get(), &tensor));
  }
  return table;
}

// The shard's file name must be a plain one: an index may not point out of its folder.
void check_shard_name(const JsonObject& index, const std::string& tensor, const Json& file) {
  if (!file.is_string()) index.fail(tensor, "must be the name of a file");
  std::string name = file.get<std::string>();
  if (name.empty() || name.find('/') != std::string::npos || name == "..") {
    index.fail(tensor, "names " + in_quotes(name) + ", which is not a file of this folder");
  }
}

TensorTable table_of_index(const std::string& folder, const std::string& index_path, Shards& shards) {
  Json json = read_json_file(index_path);
  JsonObject weight_map = JsonObject(json, index_path).object("weight_map");
  std::map<std::string, const SafetensorsFile*> opened;
  TensorTable table;
  for (const auto& [name, file_json] : weight_map.json().items()) {
    check_shard_name(weight_map, name, file_json);
    std::string file = file_json.get<std::string>();
    const SafetensorsFile*& shard = opened[file];
    if (!shard) {
      std::string path = folder + "/" + file;
      if (!fs::exists(path)) {
        throw_input(index_path, "names the file " + in_quotes(file) + ", which is not there", "copy or download it");
      }
      shards.push_back(std::make_unique<SafetensorsFile>(SafetensorsFile::open(path)));
      shard = shards.back().get();
    }
    const SafetensorsTensor* tensor = shard->tensor(name);
    if (!tensor) {
      throw_input(shard->path(),
                  fmt::format("tensor {} is missing, though {} places it here", in_quotes(name), index_path));
    }
    table.emplace(name, std::pair(shard, tensor));
  }
  return table;
}

TensorTable open_shards(const std::string& folder, Shards& shards) {
  std::string single = folder + "/model.safetensors", index = folder + "/model.safetensors.index.json";
  if (fs::exists(single)) return table_of_file(single, shards);
  if (fs::exists(index)) return table_of_index(folder, index, shards);
  throw_input(folder, "has neither model.safetensors nor model.safetensors.index.json",
              "convert other weight files to safetensors, or name a .gguf file");
}

std::string show_shape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

TensorView view_of(const ExpectedTensor& expected, const SafetensorsFile& file, const SafetensorsTensor& stored,
                   const HuggingFaceConfig& config) {
  std::string place = "tensor " + in_quotes(stored.name);
  if (stored.shape != expected.shape) {
    throw_input(file.path(), fmt::format("{} has shape {}, by config.json it must be {}", place,
                                         show_shape(stored.shape), show_shape(expected.shape)));
  }
  if (!stored.dtype) {
    throw_input(file.path(),
                fmt::format("{} has dtype {}: weights must be F32, F16 or BF16", place, stored.dtype_name));
  }
  // Norms and biases are often kept in a wider type than declared; a matrix of another type is another model.
  if (config.dtype && expected.shape.size() > 1 && *stored.dtype != *config.dtype) {
    throw_input(
        file.path(),
        fmt::format("{} has dtype {}, config.json declares {}", place, stored.dtype_name, to_string(*config.dtype)),
        "correct \"torch_dtype\" in config.json if the weights are right");
  }
  return {.name = expected.name,
          .dtype = *stored.dtype,
          .shape = expected.shape,
          .data = stored.bytes.data(),
          .file = file.path(),
          .stored_name = stored.name};
}

// Tensors that transformers leaves unread too: a head that is tied, frequencies that follow from config.json.
bool is_superfluous(const std::string& name, const ModelConfig& config) {
  return ends_with(name, ".rotary_emb.inv_freq") || (config.tied_head && name == "lm_head.weight");
}

}  // namespace

Checkpoint Checkpoint::open_folder(const std::string& folder) {
  HuggingFaceConfig config = read_config_json(folder);
  Checkpoint checkpoint;
  checkpoint.path_ = folder;
  checkpoint.config_ = config.model;
  TensorTable stored = open_shards(folder, checkpoint.shards_);
  for (const ExpectedTensor& expected : expected_tensors(config.model)) {
    auto it = stored.find(expected.name);
    if (it == stored.end()) {
      std::string place = checkpoint.shards_.size() == 1 ? checkpoint.shards_[0]->path() : folder;
      throw_input(place, "tensor " + in_quotes(expected.name) + " is missing");
    }
    const auto& [file, tensor] = it->second;
    checkpoint.tensors_.emplace(expected.name, view_of(expected, *file, *tensor, config));
    stored.erase(it);
  }
  for (const auto& [name, place] : stored) {
    if (is_superfluous(name, config.model)) continue;
    throw_input(place.first->path(), fmt::format("tensor {} has no place in the {} model that config.json describes",
                                                 in_quotes(name), config.model.architecture));
  }
  return checkpoint;
}

}  // namespace assay
