#include "sandbox/inside/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/inside/filter.h"
#include "sandbox/inside/landlock.h"

namespace {

constexpr size_t kInitStackBytes = 16 << 10;
constexpr int kZygoteTasks = 1, kInitTasks = 1;
constexpr uint64_t kDescriptors = 64;

int own_pid_namespace = -1;
char* init_stack = nullptr;
constexpr int kMostReadable = 8;
const char* readable_folders[kMostReadable + 1] = {};

long call_kernel(long number, long first, long second, long third, long fourth) {
#if defined(__x86_64__)
  long result;
  register long r10 asm("r10") = fourth;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = first;
  register long x1 asm("x1") = second;
  register long x2 asm("x2") = third;
  register long x3 asm("x3") = fourth;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#endif
}

// Pid 1 of a job. Shares the zygote's memory and thread-local storage, so it calls the kernel directly, and no signal
// may run a handler of the interpreter's in it. It waits for whoever has lost their parent, so that their CPU time is
// counted with its own; a blocked SIGCHLD stays pending, so none is missed between the two calls.
int init_main(void*) {
  constexpr long kMaskBytes = 8;
  const uint64_t all = ~0ULL, child = 1ULL << (SIGCHLD - 1);
  call_kernel(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&all), 0, kMaskBytes);
  for (;;) {
    if (call_kernel(SYS_wait4, -1, 0, __WALL, 0) < 0) {
      call_kernel(SYS_rt_sigtimedwait, reinterpret_cast<long>(&child), 0, 0, kMaskBytes);
    }
  }
}

bool set_limit(__rlimit_resource resource, uint64_t value) {
  rlimit now;
  if (::getrlimit(resource, &now) != 0) return false;
  // A lower hard limit of the machine stays.
  if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max) value = now.rlim_max;
  const rlimit wanted = {value, value};
  return ::setrlimit(resource, &wanted) == 0;
}

bool set_limits(const InsideJob& job) {
  const uint64_t helpers = job.isolation == kIsolationNamespaces ? kZygoteTasks + kInitTasks : kZygoteTasks;
  if (job.memory_bytes && !set_limit(RLIMIT_AS, job.memory_bytes)) return false;
  if (job.data_bytes && !set_limit(RLIMIT_DATA, job.data_bytes)) return false;
  // The count is per user and user namespace: only a namespace of the slot's own holds this job alone.
  if (job.isolation == kIsolationNamespaces && !set_limit(RLIMIT_NPROC, job.processes + helpers)) return false;
  return set_limit(RLIMIT_CPU, job.cpu_s) && set_limit(RLIMIT_FSIZE, job.file_bytes) &&
         set_limit(RLIMIT_NOFILE, kDescriptors) && set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_MEMLOCK, 0) &&
         set_limit(RLIMIT_MSGQUEUE, 0);
}

bool drop_privileges() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, none) == 0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

void append_number(char* text, uint64_t value) {
  char digits[24];
  int count = 0;
  do digits[count++] = static_cast<char>('0' + value % 10);
  while (value /= 10);
  while (*text) ++text;
  while (count > 0) *text++ = digits[--count];
  *text = 0;
}

// A mount namespace with its own /proc and one tmpfs, at /tmp; the slot's /var/tmp and /dev/shm lead there.
const char* enter_file_system(const InsideJob& job) {
  if (::unshare(CLONE_NEWNS) != 0) return "unshare(CLONE_NEWNS)";
  char options[80] = "mode=0777,nr_inodes=8192,size=";
  append_number(options, job.file_bytes);
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) return "mount a tmpfs on /tmp";
  // Read-only: a program may not change its own rank for the kernel's memory killer.
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (::mount("proc", "/proc", "proc", flags, nullptr) != 0) return "mount /proc";
  if (::chdir("/tmp") != 0) return "chdir to /tmp";
  return nullptr;
}

}  // namespace

int inside_begin(uint32_t isolation, char* readable) {
  for (int count = 0; count < kMostReadable && readable; ++count) {
    readable_folders[count] = readable;
    while (*readable && *readable != ':') ++readable;
    if (*readable) {
      *readable++ = 0;
    } else {
      readable = nullptr;
    }
  }
  // Each arena of the allocator reserves 64 MiB of address space, and a program's threads would get one each.
  ::mallopt(M_ARENA_MAX, 1);
  // Cleared by exec and by changes of user, so once more here.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -errno;
  if (isolation == kIsolationChecker) {
    // Its jobs need no more than it has itself, so it is confined once, before them.
    if (!drop_privileges()) return -errno;
    assay::FilterOptions filter;
    return assay::install_filter(filter);
  }
  if (isolation != kIsolationNamespaces) return 0;
  for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
  }
  own_pid_namespace = ::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  if (own_pid_namespace < 0) return -errno;
  void* stack = ::mmap(nullptr, kInitStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  init_stack = static_cast<char*>(stack);
  // Jobs of this slot can't look into the zygote, nor into the init that shares its memory.
  return ::prctl(PR_SET_DUMPABLE, 0) == 0 ? 0 : -errno;
}

int inside_open_job(int* pidfd) {
  // A process can unshare its children's pid namespace once; joining its own again resets that.
  if (::setns(own_pid_namespace, CLONE_NEWPID) != 0 || ::unshare(CLONE_NEWPID) != 0) return -errno;
  const int pid = ::clone(init_main, init_stack + kInitStackBytes, CLONE_VM | CLONE_PIDFD | SIGCHLD, nullptr, pidfd);
  return pid < 0 ? -errno : pid;
}

int inside_close_job(int init_pid, int64_t* cpu_us) {
  ::kill(init_pid, SIGKILL);
  rusage used = {};
  while (::wait4(init_pid, nullptr, 0, &used) < 0) {
    if (errno != EINTR) return -errno;
  }
  *cpu_us = (static_cast<int64_t>(used.ru_utime.tv_sec) + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
            used.ru_stime.tv_usec;
  return 0;
}

const char* inside_enter_job(const InsideJob* job, const char* job_folder) {
  // A fork has none; without a process namespace nothing else ends it with the zygote.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return "prctl PDEATHSIG";
  if (job->isolation == kIsolationChecker) return set_limits(*job) ? nullptr : "setrlimit";
  if (::setsid() < 0) return "setsid";
  ::prctl(PR_SET_DUMPABLE, 1);
  if (job->isolation == kIsolationNamespaces) {
    if (const char* failed = enter_file_system(*job)) return failed;
  } else if (job->isolation == kIsolationLandlock || job->isolation == kIsolationNone) {
    if (job_folder && ::chdir(job_folder) != 0) return "chdir to the job's folder";
  }
  if (!set_limits(*job)) return "setrlimit";
  if (job->isolation == kIsolationNone) return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? nullptr : "no_new_privs";
  if (!drop_privileges()) return "drop privileges";
  if (job->isolation == kIsolationLandlock) {
    const int failed = assay::restrict_files(job_folder, readable_folders);
    if (failed) return errno = -failed, "landlock";
  }
  assay::FilterOptions filter;
  filter.may_fork = filter.may_connect = filter.may_change_attributes = job->isolation == kIsolationNamespaces;
  filter.may_hear_children = job->hears_children != 0;
  const int failed = assay::install_filter(filter);
  if (failed) return errno = -failed, "seccomp";
  return nullptr;
}

int inside_landlock_abi(void) {
  return assay::landlock_abi();
}
