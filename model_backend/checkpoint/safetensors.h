// Safetensors files: the table of tensors. Knows nothing of models. The format stands at the top of safetensors.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/checkpoint/dtype.h"
#include "model_backend/checkpoint/mapped_file.h"

namespace assay {

struct SafetensorsTensor {
  std::string name;
  std::string dtype_name;      // as written: "BF16", "I64", ...
  std::optional<DType> dtype;  // absent for types Assay does not compute with
  std::vector<int64_t> shape;  // first extent outermost; empty for a single number
  std::span<const uint8_t> bytes;
};

// A safetensors file, kept mapped. Opening checks the whole header: its length, its JSON, every tensor's type, that
// shape times type is its number of bytes, that no name stands twice and that the tensors fill the rest of the file
// without hole or overlap. Immutable afterwards, so any thread may read. All failures are Error(kInput) naming the file
// and the tensor.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::string& path);
  // Reads a file that already lies in memory. `bytes` must outlive the object; `where` stands in messages.
  static SafetensorsFile view(std::span<const uint8_t> bytes, const std::string& where);

  const std::string& path() const { return path_; }
  // In the order of their bytes.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }
  const SafetensorsTensor* tensor(std::string_view name) const;  // null when absent

 private:
  SafetensorsFile() = default;
  void read(std::span<const uint8_t> bytes);

  std::optional<MappedFile> file_;
  std::string path_;
  std::vector<SafetensorsTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace assay
