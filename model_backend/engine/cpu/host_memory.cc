#include "model_backend/engine/cpu/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "core/error.h"

namespace assay {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;
constexpr size_t kChunk = size_t{512} << 20;  // costs nothing until it is used
constexpr size_t kLine = 64;

}  // namespace

HostMemory::HostMemory(size_t bytes) : bytes_(bytes) {
  const size_t slack = bytes >= kLargePage ? kLargePage : 0;
  mapped_ = std::max<size_t>(bytes, 1) + slack;
  mapping_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw_errno("allocating " + std::to_string(bytes) + " bytes", "no memory", errno);
  ::madvise(mapping_, mapped_, MADV_HUGEPAGE);
  const auto begin = reinterpret_cast<uintptr_t>(mapping_);
  data_ = slack == 0 ? mapping_ : reinterpret_cast<void*>((begin + kLargePage - 1) / kLargePage * kLargePage);
}

HostMemory::~HostMemory() {
  ::munmap(mapping_, mapped_);
}

std::shared_ptr<void> HostArena::take(size_t bytes) {
  const size_t size = (bytes + kLine - 1) / kLine * kLine;
  std::shared_ptr<HostMemory> chunk = chunk_.lock();
  if (!chunk || used_ + size > chunk->bytes()) {
    chunk = std::make_shared<HostMemory>(std::max(size, kChunk));
    chunk_ = chunk;
    used_ = 0;
  }
  void* piece = static_cast<uint8_t*>(chunk->data()) + used_;
  used_ += size;
  return {chunk, piece};
}

}  // namespace assay
