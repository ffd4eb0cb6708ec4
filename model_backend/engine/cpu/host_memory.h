// Memory of the CPU straight from the system, in large pages where it gives them: matrices and keys are walked through
// far more pages of 4 KiB than a processor remembers the addresses of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace assay {

// Filled with zeros; pages cost nothing until they are touched and go back whole, so a large key/value memory may be
// set aside without being used. From 2 MiB on it begins at a large page.
class HostMemory {
 public:
  explicit HostMemory(size_t bytes);  // throws Error(kWorld) when there is no memory
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* mapping_;
  size_t mapped_;
  void* data_;
  size_t bytes_;
};

// Many pieces that live about as long, cut from common memory. Not thread-safe.
class HostArena {
 public:
  // 64-byte aligned; the memory it lies in goes back with its last piece.
  std::shared_ptr<void> take(size_t bytes);

 private:
  std::weak_ptr<HostMemory> chunk_;
  size_t used_ = 0;
};

}  // namespace assay
