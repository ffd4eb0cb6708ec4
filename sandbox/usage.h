// What the processes below a process use, read from /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace assay {

struct Usage {
  double cpu_s = 0;          // of the living ones, and of those they have waited for
  int64_t memory_bytes = 0;  // anonymous and shared-memory pages of the living ones
  int processes = 0;
  int tasks = 0;  // their threads; a process has one at least
};

// For `exact_above`: nobody asks for the memory.
inline constexpr int64_t kCpuAlone = INT64_MAX;

// All descendants of `parent`, without itself. Where the sum of resident pages is above `exact_above`, pages that
// processes share are counted once (slower).
Usage usage_below(pid_t parent, int64_t exact_above);

}  // namespace assay
