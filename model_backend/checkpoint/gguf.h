// GGUF files: metadata and the table of tensors. Knows nothing of models or tokenizers. The format stands at the top of
// gguf.cc.
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

// One tensor of the file.
struct GgufTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;  // 1 to 4 extents as stored: the first runs fastest (the reverse of Hugging Face)
  uint64_t offset;             // of its first byte, from the start of the file
  std::span<const uint8_t> bytes;
};

// A GGUF file of version 2 or 3, kept mapped. Opening checks the whole header: every length against the file's size,
// every tensor's type, shape, alignment and place, no name or key twice, no two tensors over each other. Immutable
// afterwards, so any thread may read. All failures are Error(kInput) naming the file and the key or tensor.
class GgufFile {
 public:
  static GgufFile open(const std::string& path);
  // Reads a file that already lies in memory. `bytes` must outlive the object; `where` stands in messages.
  static GgufFile view(std::span<const uint8_t> bytes, const std::string& where);

  const std::string& path() const { return path_; }

  // Metadata. A getter without a default throws when the key is absent; every getter throws when the value has another
  // type. Integers of any width are integers (above 2^63 - 1 they are numbers only); every integer is also a number.
  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view otherwise) const;
  int64_t integer(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t otherwise) const;
  double number(std::string_view key) const;
  double number(std::string_view key, double otherwise) const;
  bool boolean(std::string_view key) const;
  bool boolean(std::string_view key, bool otherwise) const;
  // Arrays, decoded anew at each call. Texts are raw bytes: GGUF promises UTF-8, not every file keeps it.
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  // Number of values in an array of any element type.
  size_t count(std::string_view key) const;
  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

  // In the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* tensor(std::string_view name) const;  // null when absent

 private:
  friend class GgufReader;
  // Where a value lies in the file; arrays are not copied at opening.
  struct Value {
    uint32_t type = 0;  // of the value, or of an array's elements
    bool is_array = false;
    uint64_t count = 1;  // elements
    const uint8_t* data = nullptr;
  };

  GgufFile() = default;
  const Value* find(std::string_view key) const;
  const Value& scalar(std::string_view key) const;
  const Value& array(std::string_view key) const;

  std::optional<MappedFile> file_;
  std::string path_;
  std::map<std::string, Value, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace assay
