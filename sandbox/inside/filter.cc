#include "sandbox/inside/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace assay {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows the system calls of x86-64 and aarch64"
#endif
constexpr uint32_t kX32Bit = 0x40000000;

// Numbers that older headers lack; equal on both architectures.
constexpr int kMemfdSecret = 447, kMountSetattr = 442, kQuotactlFd = 443, kStatMount = 457, kListMount = 458;
// Calls that are newer than this list do not exist inside.
constexpr int kFirstUnknown = 463;

constexpr int kForbidden[] = {
    // Asynchronous calls that the filter could not see, and programs for the kernel.
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_setup,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    // Keyrings are not namespaced.
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_process_madvise,
    // Namespaces and mounts.
    SYS_setns,
    SYS_unshare,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    kMountSetattr,
    kStatMount,
    kListMount,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    kQuotactlFd,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    // Memory that no limit of a process counts.
    SYS_memfd_create,
    kMemfdSecret,
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_shmdt,
    SYS_semget,
    SYS_semop,
    SYS_semctl,
    SYS_semtimedop,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_mq_open,
    // The machine.
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_syslog,
    SYS_vhangup,
    SYS_personality,
    SYS_lookup_dcookie,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_mbind,
    SYS_set_mempolicy,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
#endif
};

constexpr int kFchmodat2 = 452, kSetxattrat = 463, kFileSetattr = 469;
static_assert(kSetxattrat >= kFirstUnknown && kFileSetattr >= kFirstUnknown, "calls that do not exist inside");

constexpr int kAttributes[] = {
    SYS_fchmod,   SYS_fchmodat,  kFchmodat2,    SYS_fchown,      SYS_fchownat,     SYS_utimensat,
    SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
#if defined(__x86_64__)
    SYS_chmod,    SYS_chown,     SYS_lchown,    SYS_utime,       SYS_utimes,       SYS_futimesat,
#endif
};

constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */;
// A sibling of the job's process would be a child of the warm interpreter's, which does not wait for it.
constexpr uint32_t kForbiddenFlags = kNamespaceFlags | CLONE_PARENT;
constexpr uint32_t kIgnore = SECCOMP_RET_ERRNO | 0;  // gives 0 and does nothing
constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kKill = SECCOMP_RET_KILL_PROCESS;
constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM, kAbsent = SECCOMP_RET_ERRNO | ENOSYS;

// A program put together front to back; every check ends in a return of its own, so no jump is long.
class Program {
 public:
  void add(uint16_t code, uint32_t value, uint8_t if_true = 0, uint8_t if_false = 0) {
    if (size_ < kCapacity) code_[size_++] = {code, if_true, if_false, value};
  }
  void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void load_number() { load(offsetof(seccomp_data, nr)); }
  void load_argument(int index) { load(offsetof(seccomp_data, args) + 8 * static_cast<uint32_t>(index)); }
  void load_argument_high(int index) { load(offsetof(seccomp_data, args) + 8 * static_cast<uint32_t>(index) + 4); }
  void give(uint32_t result) { add(BPF_RET | BPF_K, result); }
  void if_equal_give(uint32_t value, uint32_t result) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    give(result);
  }
  int install() {
    sock_fprog program = {static_cast<uint16_t>(size_), code_};
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
  }

 private:
  static constexpr size_t kCapacity = 400;
  sock_filter code_[kCapacity];
  size_t size_ = 0;
};

void check_architecture(Program& program) {
  program.load(offsetof(seccomp_data, arch));
  program.add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  program.give(kKill);
  program.load_number();
#if defined(__x86_64__)
  program.add(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1);
  program.give(kKill);
#endif
}

void check_sockets(Program& program, const FilterOptions& options) {
  const int calls[] = {SYS_socket, SYS_socketpair};
  for (int call : calls) {
    program.add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 4);
    program.load_argument(0);
    if (call == SYS_socket && !options.may_connect) {
      program.give(kDeny), program.give(kDeny), program.give(kDeny);
    } else {
      program.add(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0);
      program.give(kDeny);
      program.give(kAllow);
    }
  }
}

// What waits in a socket is in no process's memory, so its buffers stay as small as they are.
void check_socket_buffers(Program& program) {
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 9);
  program.load_argument(1);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 1, 0);
  program.give(kAllow);
  program.load_argument(2);
  program.if_equal_give(SO_SNDBUF, kIgnore);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SO_RCVBUF, 1, 0);
  program.give(kAllow);
  program.give(kIgnore);
}

// Calls that change a process: only the caller itself. Limits always; times and order of running where processes of the
// same user are to be seen.
void check_targets(Program& program, const FilterOptions& options) {
  struct Target {
    int call, argument;
    bool always;
  };
  const Target targets[] = {{SYS_prlimit64, 0, true},           {SYS_sched_setaffinity, 0, false},
                            {SYS_sched_setscheduler, 0, false}, {SYS_sched_setparam, 0, false},
                            {SYS_sched_setattr, 0, false},      {SYS_setpriority, 1, false},
                            {SYS_ioprio_set, 1, false}};
  for (const Target& target : targets) {
    if (!target.always && options.may_fork) continue;
    program.add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(target.call), 0, 4);
    program.load_argument(target.argument);
    program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    program.give(kDeny);
    program.give(kAllow);
  }
}

// Children whose parent ignores SIGCHLD vanish with the CPU time that they used. What a handler would be can't be read
// here (it lies behind a pointer), so the signal keeps its default action.
void check_child_signal(Program& program) {
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigaction, 0, 8);
  program.load_argument(0);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SIGCHLD, 0, 5);
  program.load_argument(1);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2);
  program.load_argument_high(1);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
  program.give(kIgnore);
  program.give(kAllow);
}

// mmap(address, length, protection, flags, ...): shared and anonymous.
void check_shared_memory(Program& program) {
  constexpr uint32_t kShared = 1;  // MAP_SHARED, and the bit of MAP_SHARED_VALIDATE too
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 10);
  program.load_argument(3);
  program.add(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 7);
  program.add(BPF_JMP | BPF_JSET | BPF_K, kShared, 0, 6);
  program.load_argument_high(1);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
  program.load_argument(1);
  program.add(BPF_JMP | BPF_JGT | BPF_K, kMostSharedBytes, 1, 0);
  program.give(kAllow);
  program.give(SECCOMP_RET_ERRNO | ENOMEM);
  program.give(kAllow);
}

void check_processes(Program& program, const FilterOptions& options) {
  program.if_equal_give(SYS_clone3, kAbsent);
#if defined(__x86_64__)
  if (!options.may_fork) {
    program.if_equal_give(SYS_fork, kDeny);
    program.if_equal_give(SYS_vfork, kDeny);
  }
#endif
  if (options.may_fork) {
    program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    program.load_argument(0);
    program.add(BPF_JMP | BPF_JSET | BPF_K, kForbiddenFlags, 0, 1);
    program.give(kDeny);
    program.give(kAllow);
  } else {
    program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 6);
    program.load_argument(0);
    program.add(BPF_JMP | BPF_JSET | BPF_K, kForbiddenFlags, 0, 1);
    program.give(kDeny);
    program.add(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
    program.give(kDeny);
    program.give(kAllow);
  }
  check_targets(program, options);
  if (!options.may_hear_children) check_child_signal(program);
  check_shared_memory(program);
  if (!options.may_fork) {  // the mode without a process namespace
    program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 4);
    program.load_argument(0);
    program.add(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 1);
    program.give(kDeny);
    program.give(kAllow);
  }
  // A terminal's input can be forged through it.
  program.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4);
  program.load_argument(1);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 0, 1);
  program.give(kDeny);
  program.give(kAllow);
}

}  // namespace

int install_filter(const FilterOptions& options) {
  Program program;
  check_architecture(program);
  check_sockets(program, options);
  check_socket_buffers(program);
  check_processes(program, options);
  for (int call : kForbidden) program.if_equal_give(static_cast<uint32_t>(call), kDeny);
  if (!options.may_change_attributes) {
    for (int call : kAttributes) program.if_equal_give(static_cast<uint32_t>(call), kDeny);
  }
  program.add(BPF_JMP | BPF_JGE | BPF_K, kFirstUnknown, 0, 1);
  program.give(kAbsent);
  program.give(kAllow);
  return program.install();
}

}  // namespace assay
