#include "sandbox/inside/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/inside/filter.h"
#include "sandbox/inside/landlock.h"
#include "sandbox/wire.h"

namespace {

using assay::DoneMessage;
using assay::JobKind;
using assay::kControlFd;

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

// Pid 1 of a job, born with all signals blocked. Shares the zygote's memory and thread-local storage, so it calls the
// kernel directly, and no signal may run a handler of the interpreter's in it. It waits for whoever has lost their
// parent, so that their CPU time is counted with its own; a blocked SIGCHLD stays pending, so none is missed between
// the two calls.
int init_main(void*) {
  constexpr long kMaskBytes = 8;
  const uint64_t child = 1ULL << (SIGCHLD - 1);
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
  // The kernel's CPU clock (usage.h) stops where a process executes a file that it may not read, so a Python program
  // executes none of its own making.
  const unsigned long no_exec = job.kind == static_cast<uint32_t>(JobKind::kNative) ? 0 : MS_NOEXEC;
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | no_exec, options) != 0) return "mount a tmpfs on /tmp";
  // Read-only: a program may not change its own rank for the kernel's memory killer.
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (::mount("proc", "/proc", "proc", flags, nullptr) != 0) return "mount /proc";
  if (::chdir("/tmp") != 0) return "chdir to /tmp";
  return nullptr;
}

// The pid namespace of the next job: gives the init's pid as the zygote sees it, or -errno; *pidfd refers to it.
int open_job(int* pidfd) {
  // A process can unshare its children's pid namespace once; joining its own again resets that.
  if (::setns(own_pid_namespace, CLONE_NEWPID) != 0 || ::unshare(CLONE_NEWPID) != 0) return -errno;
  // The init gets the mask with which it is born: a handler of the interpreter's would change the zygote's memory.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const int pid = ::clone(init_main, init_stack + kInitStackBytes, CLONE_VM | CLONE_PIDFD | SIGCHLD, nullptr, pidfd);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return pid < 0 ? -error : pid;
}

int64_t microseconds(const timeval& time) {
  return static_cast<int64_t>(time.tv_sec) * 1000000 + time.tv_usec;
}

rusage reap(int pid, int* status) {
  rusage used = {};
  while (::wait4(pid, status, 0, &used) < 0 && errno == EINTR) {
  }
  return used;
}

// Kills what is left of a job and reaps its init. The job's own process must have been reaped before: the kernel lets
// an init die only after every child has been waited for. Gives the CPU time of the init and of the orphans that it has
// waited for.
int64_t close_job(int init) {
  ::kill(init, SIGKILL);
  const rusage used = reap(init, nullptr);
  return microseconds(used.ru_utime) + microseconds(used.ru_stime);
}

void wait_for(int pid, DoneMessage& done) {
  int status = 0;
  const rusage used = reap(pid, &status);
  done.status = status;
  done.user_us = microseconds(used.ru_utime);
  done.system_us = microseconds(used.ru_stime);
  done.peak_kib = used.ru_maxrss;
}

struct Rights {
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int) * kMostDescriptors)];
};

// Gives how many descriptors came, or what recvmsg gives when nothing did.
int receive_job(InsideJob* job, char* folder, int* descriptors) {
  iovec parts[2] = {{job, sizeof *job}, {folder, kFolderBytes - 1}};
  Rights rights = {};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = rights.space;
  message.msg_controllen = sizeof rights.space;
  ssize_t got;
  while ((got = ::recvmsg(kControlFd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (got < static_cast<ssize_t>(sizeof *job)) return 0;
  folder[got - static_cast<ssize_t>(sizeof *job)] = 0;
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (!head || head->cmsg_type != SCM_RIGHTS) return 0;
  const size_t bytes = head->cmsg_len - CMSG_LEN(0);
  memcpy(descriptors, CMSG_DATA(head), bytes);
  const int count = static_cast<int>(bytes / sizeof(int));
  for (int i = count; i < kMostDescriptors; ++i) descriptors[i] = -1;
  return count;
}

void send_started(int pidfd) {
  char letter = 'S';
  iovec part = {&letter, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(head), &pidfd, sizeof pidfd);
  ::sendmsg(kControlFd, &message, MSG_NOSIGNAL);
}

void send_failure(const char* step, int error) {
  char text[200] = "E";
  size_t length = 1;
  const char* const parts[] = {step, ": ", ::strerror(error)};
  for (const char* part : parts) {
    while (*part && length < sizeof text) text[length++] = *part++;
  }
  ::send(kControlFd, text, length, MSG_NOSIGNAL);
}

void send_done(const DoneMessage& done) {
  char message[1 + sizeof done] = {'D'};
  memcpy(message + 1, &done, sizeof done);
  ::send(kControlFd, message, sizeof message, MSG_NOSIGNAL);
}

// [output, payload, link...] to 1 and 2, kPayloadFd, 3 and 4: by way of high numbers, so that none is overwritten
// unmoved.
bool place_descriptors(const int* descriptors) {
  constexpr int kHigh = 32;
  int moved[kMostDescriptors];
  for (int i = 0; i < kMostDescriptors; ++i) {
    moved[i] = descriptors[i] < 0 ? -1 : ::fcntl(descriptors[i], F_DUPFD_CLOEXEC, kHigh);
    if (descriptors[i] >= 0 && moved[i] < 0) return false;
  }
  if (::dup2(moved[0], 1) < 0 || ::dup2(moved[0], 2) < 0 || ::dup3(moved[1], kPayloadFd, O_CLOEXEC) < 0) return false;
  for (int i = 2, place = 3; i < kMostDescriptors; ++i, ++place) {
    if (moved[i] < 0) {
      ::close(place);
    } else if (::dup3(moved[i], place, O_CLOEXEC) < 0) {
      return false;
    }
  }
  return ::syscall(SYS_close_range, kPayloadFd + 1, ~0U, 0) == 0;
}

const char* confine(const InsideJob* job, const char* job_folder) {
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

int inside_next_job(uint32_t isolation, InsideJob* job, char* folder, int* descriptors) {
  for (;;) {
    const int received = receive_job(job, folder, descriptors);
    if (received <= 0) return 0;
    const bool own_namespace =
        isolation == kIsolationNamespaces && job->kind != static_cast<uint32_t>(JobKind::kChecker);
    int pidfd = -1, init = 0;
    DoneMessage done = {};
    if (own_namespace && (init = open_job(&pidfd)) < 0) {
      send_failure("pid namespace", -init);
    } else {
      const int pid = ::fork();
      if (pid == 0) return 1;
      if (pid < 0) {
        send_failure("fork", errno);
        if (init) done.user_us = close_job(init);
      } else {
        if (!own_namespace) pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
        send_started(pidfd);
        wait_for(pid, done);
        if (init) done.user_us += close_job(init);
      }
      ::close(pidfd);
    }
    for (int i = 0; i < received; ++i) ::close(descriptors[i]);
    send_done(done);
  }
}

const char* inside_enter_job(const InsideJob* job, const char* folder, const int* descriptors) {
  const char* const job_folder = *folder ? folder : nullptr;
  if (const char* failed = confine(job, job_folder)) return failed;
  return place_descriptors(descriptors) ? nullptr : "descriptors";
}

int inside_landlock_abi(void) {
  return assay::landlock_abi();
}
