// A whole file, read-only in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace assay {

// Move-only; unmaps when it dies. The bytes are the file's own pages: a checkpoint larger than memory can be opened,
// and nothing is read before it is touched. A file that another program shortens meanwhile ends this process (SIGBUS).
class MappedFile {
 public:
  // Throws Error(kInput) when `path` is missing or no regular file, Error(kWorld) when mapping fails.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  void unmap();
  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace assay
