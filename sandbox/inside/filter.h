// The filter of system calls (seccomp-BPF). Forbidden is what reaches outside the namespaces (vsock, io_uring, keys,
// memory outside the limits), what could change the sandbox (mounts, namespaces), and what inspects other processes.
// A forbidden call gives EPERM; clone3 gives ENOSYS, so that libc falls back to clone, whose flags can be read; a call
// by another architecture's numbering kills.
#pragma once

#include <stdint.h>

namespace assay {

// Of memory that processes share without a file, one block: it stays when it is in nobody's page tables, so no sum sees
// it.
inline constexpr uint32_t kMostSharedBytes = 4 << 20;

struct FilterOptions {
  bool may_fork = true;     // false: only threads
  bool may_connect = true;  // AF_UNIX sockets; false: only pairs of them
  // Modes, owners, times and extended attributes of files: no rule of Landlock covers them, so where nothing else keeps
  // a program from files of the host's they are refused.
  bool may_change_attributes = true;
  // A handler for SIGCHLD; false: it keeps its default action.
  bool may_hear_children = false;
};

// Installs the filter in the calling process, for good. Needs no_new_privs. Gives 0 or -errno.
int install_filter(const FilterOptions& options);

}  // namespace assay
