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
// The pid namespace of the next job: gives the init's pid as the zygote sees it, or -errno; *pidfd refers to it.
int inside_open_job(int* pidfd);
// Kills what is left of it and reaps its init. The job's own process must have been reaped before: the kernel lets an
// init die only after every child has been waited for.
// Gives 0 or -errno; *cpu_us is the CPU time of the init and of the orphans that it has waited for.
int inside_close_job(int init_pid, int64_t* cpu_us);
// In the forked process of a job. Gives null, or the step that failed with errno set; then the process must end.
// job_folder: landlock mode: the one folder that it may write to.
const char* inside_enter_job(const struct InsideJob* job, const char* job_folder);
// Highest Landlock ABI of the kernel, 0 when there is none.
int inside_landlock_abi(void);
}
