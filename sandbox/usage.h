// What the processes below a process use.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "sandbox/fd.h"

namespace assay {

struct Usage {
  double cpu_s = 0;          // of the living ones, and of those they have waited for
  int64_t memory_bytes = 0;  // anonymous and shared-memory pages of the living ones
  int processes = 0;
  int tasks = 0;  // their threads; a process has one at least
};

// For `exact_above`: nobody asks for the memory.
inline constexpr int64_t kCpuAlone = INT64_MAX;

// All descendants of `parent`, without itself, read from /proc. Where the sum of resident pages is above `exact_above`,
// pages that processes share are counted once (slower).
Usage usage_below(pid_t parent, int64_t exact_above);

// The kernel's count of the CPU time of a process and of all that it will ever start, whether or not anybody waits for
// them (perf_event_open, inherited). Empty with errno set where the kernel refuses it (kernel.perf_event_paranoid above
// 2, a container's filter).
Fd open_cpu_clock(pid_t pid);
double cpu_clock_seconds(const Fd& clock);

}  // namespace assay
