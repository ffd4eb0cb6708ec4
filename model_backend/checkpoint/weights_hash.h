// Identity of a checkpoint's weights, and the file that remembers it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model_backend/checkpoint/checkpoint.h"

namespace assay {

// Hash over the tensors' names, types, shapes, row orders and stored bytes, in order of name: 64 hexadecimal digits.
// Each tensor is hashed by itself, several at a time; the number of threads does not enter. Reads all weights.
std::string hash_tensors(const std::map<std::string, TensorView, std::less<>>& tensors);

// As hash_tensors, remembered in weights.json under $ASSAY_CACHE, else $XDG_CACHE_HOME/assay, else ~/.cache/assay. The
// key is path, size and time of change of every file in `files`; a file that cannot be looked at, an unreadable or
// unwritable cache only costs the time of hashing again.
std::string remembered_tensor_hash(const std::map<std::string, TensorView, std::less<>>& tensors,
                                   const std::vector<std::string>& files);

// Hash over every field of the configuration: 64 hexadecimal digits.
std::string hash_config(const ModelConfig& config);

}  // namespace assay
