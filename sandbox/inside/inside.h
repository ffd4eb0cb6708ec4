// What the warm interpreter ("zygote") does to itself and to the process of a job, as a C library that it loads through
// ctypes: the only code of ours that runs inside beside the Python files. Depends on libc alone.
//
// Namespaces of a job: the zygote unshares its pid namespace, starts the namespace's init (a process that shares the
// zygote's memory, so nothing is copied, and only waits for orphans: their CPU time becomes its own) and
// forks the job as pid 2: as pid 1 a program would survive its own signals. Killing the init kills every process of the
// job. The job then takes a mount namespace, a fresh /proc and one tmpfs for all that it may write, gives up all
// privileges, and gets the filter of system calls.
#pragma once

#include <cstdint>

extern "C" {

// Shared with python/zygote.py (struct module, "<IIQQQQQ").
struct InsideJob {
  uint32_t isolation;     // Isolation
  uint32_t kind;          // JobKind, wire.h; for Python only
  uint64_t memory_bytes;  // address space; 0 = not limited here
  uint64_t data_bytes;  // data segment and anonymous memory (for programs with a large address space); 0 = not limited
  uint64_t cpu_s;       // per process
  uint64_t file_bytes;  // size of the tmpfs, and of any one file
  uint64_t processes;   // of the job; the helpers are added here
  uint64_t hears_children;  // 1: its runtime learns by SIGCHLD that a child has ended, and waits for it then
};

enum { kFolderBytes = 4096, kMostDescriptors = 4, kPayloadFd = 6 };

enum Isolation : uint32_t {
  kIsolationNamespaces = 0,
  kIsolationLandlock = 1,
  kIsolationNone = 2,
  kIsolationChecker = 3,  // runs the tests inside a slot: limits and filter, no namespaces of its own
};

// Once, when the zygote starts. Gives 0 or -errno.
//   readable: landlock mode: folders, joined by ':', that jobs may read beside the system's: the interpreter's and
//   those
//             of its packages; kept, not copied, and changed
int inside_begin(uint32_t isolation, char* readable);
// Waits for jobs on the control socket and forks a process for each, by the protocol of python/assay_zygote.py. Gives 0
// when the supervisor is gone, and 1 in the process of each job, which then has [output, payload, link...] at
// `descriptors`. Called without giving up the interpreter's lock (ctypes.PyDLL). The zygote's loop is here because each
// page that it touches is copied once a job, and the fork is libc's because what Python does after its own (it seeds
// `random` and renews the locks of `threading`) touches 200 pages more; the zygote has one thread.
//   folder: of kFolderBytes; the job's folder, empty where it has a file system of its own
int inside_next_job(uint32_t isolation, struct InsideJob* job, char* folder, int* descriptors);
// In the process of a job: limits, privileges, filter; then output at 1 and 2, links from 3 on, the payload at
// kPayloadFd, the control socket where it was, all else closed. Gives null, or the step that failed with errno set;
// then the process must end.
//   folder: landlock mode: the one folder that it may write to.
const char* inside_enter_job(const struct InsideJob* job, const char* folder, const int* descriptors);
// Highest Landlock ABI of the kernel, 0 when there is none.
int inside_landlock_abi(void);
}
