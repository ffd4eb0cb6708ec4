#include "sandbox/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "sandbox/embedded.h"
#include "sandbox/usage.h"
#include "sandbox/wire.h"

namespace assay {
namespace {

constexpr int kReadyTimeoutMs = 20000;
constexpr unsigned kInsideId = 1000;        // user and group inside
constexpr unsigned kFirstOuterId = 100000;  // root: users of the slots outside, never 0
constexpr const char* kNewRoot = "/usr";    // any folder that is always there: its own tree is opened before

// Loads the Python files; each gets builtins of its own, which no program can rebind.
constexpr const char* kBoot =
    "import sys,os,json,types,builtins\n"
    "with os.fdopen(3,'rb') as f:s=json.load(f)\n"
    "for n in s:\n"
    " m=types.ModuleType(n);m.__builtins__=dict(vars(builtins));sys.modules[n]=m\n"
    " exec(compile(s[n],n+'.py','exec'),m.__dict__)\n"
    "sys.modules['assay_zygote'].main(*sys.argv[1:])\n";

// A folder or file of the host that is seen inside, read-only.
struct Bind {
  std::string path;
  bool device = false;
  std::string source = path;  // of the host
  int tree = -1;              // opened in the child
};

struct Symlink {
  std::string path, target;
};

// All that the child needs, made before it exists: between clone and exec it may not allocate.
struct Plan {
  bool namespaces = true;
  std::vector<Bind> binds;
  std::vector<std::string> folders;  // to be made in the new root, parents first
  std::vector<Symlink> links;
  std::vector<std::pair<std::string, std::string>> files;  // path, content
  std::vector<std::string> arguments, environment;
  std::vector<char*> argv, envp;
  int sources = -1, library = -1, control = -1, messages = -1, null = -1, go = -1, failure = -1;
};

struct Failure {
  const char* step;  // static text: the same address in parent and child
  int error;
};

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

void add_folder(Plan& plan, const std::string& path) {
  if (path.empty()) return;
  for (const std::string& known : plan.folders) {
    if (known == path) return;
  }
  add_folder(plan, folder_of(path));
  plan.folders.push_back(path);
}

void add_bind(Plan& plan, const std::string& path, bool device = false) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) return;
  if (S_ISDIR(found.st_mode)) {
    add_folder(plan, path);
  } else {
    add_folder(plan, folder_of(path));
    plan.files.emplace_back(path, "");
  }
  plan.binds.push_back({path, device, path});
}

void plan_root(Plan& plan, const Interpreter& python, const std::vector<std::string>& packages) {
  add_bind(plan, "/usr");
  for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    struct stat found;
    if (::lstat(name, &found) != 0) continue;
    if (!S_ISLNK(found.st_mode)) {
      add_bind(plan, name);
      continue;
    }
    char target[256];
    const ssize_t size = ::readlink(name, target, sizeof target);
    if (size > 0) plan.links.push_back({name, std::string(target, static_cast<size_t>(size))});
  }
  if (!python.prefix.empty() && !starts_with(python.prefix, "/usr/")) add_bind(plan, python.prefix);
  for (const std::string& folder : packages) {
    const bool seen =
        starts_with(folder, "/usr/") || (!python.prefix.empty() && starts_with(folder, python.prefix + "/"));
    if (!seen) add_bind(plan, folder);
  }
  for (const char* name :
       {"/etc/ld.so.cache", "/etc/alternatives", "/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/mono"}) {
    add_bind(plan, name);
  }
  for (const char* name : {"null", "zero", "full", "random", "urandom"})
    add_bind(plan, std::string("/dev/") + name, true);
  // Read, both give zeros; but a mapping of "zero" is memory that processes share, and no sum sees it all.
  for (Bind& bind : plan.binds) {
    if (bind.path == "/dev/zero") bind.source = "/dev/full";
  }
  for (const char* name : {"/proc", "/tmp", "/var", "/etc"}) add_folder(plan, name);
  plan.links.push_back({"/var/tmp", "/tmp"});
  plan.links.push_back({"/dev/shm", "/tmp"});
  plan.links.push_back({"/dev/fd", "/proc/self/fd"});
  plan.files.emplace_back("/etc/passwd", fmt::format("candidate:x:{0}:{0}::/tmp:/bin/sh\n", kInsideId));
  plan.files.emplace_back("/etc/group", fmt::format("candidate:x:{}:\n", kInsideId));
  plan.files.emplace_back("/etc/hosts", "127.0.0.1 localhost\n");
}

void plan_command(Plan& plan, const Interpreter& python, const std::vector<std::string>& packages,
                  const ZygoteOptions& options) {
  const Isolation isolation = options.checker ? kIsolationChecker : options.isolation;
  plan.arguments = {python.path,
                    "-I",
                    "-S",
                    "-c",
                    kBoot,
                    std::to_string(isolation),
                    python.prefix,
                    fmt::format("{}", fmt::join(options.preload, " ")),
                    fmt::format("{}", fmt::join(packages, ":"))};
  plan.environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                      "LANG=C.UTF-8",
                      "TZ=UTC",
                      "PYTHONHASHSEED=0",
                      "OMP_NUM_THREADS=1",
                      "OPENBLAS_NUM_THREADS=1"};
  const std::string home = options.folder.empty() ? "/tmp" : options.folder;
  plan.environment.push_back("HOME=" + home);
  plan.environment.push_back("TMPDIR=" + home);
  for (std::string& text : plan.arguments) plan.argv.push_back(text.data());
  for (std::string& text : plan.environment) plan.envp.push_back(text.data());
  plan.argv.push_back(nullptr);
  plan.envp.push_back(nullptr);
}

// ------------------------------------------------------------------------------------------------ in the cloned child

[[noreturn]] void fail(const Plan& plan, const char* step) {
  const Failure failure = {step, errno};
  [[maybe_unused]] ssize_t written = ::write(plan.failure, &failure, sizeof failure);
  ::_exit(1);
}

int open_tree(const char* path) {
  return static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
}

int set_mount_flags(int place, const char* path, uint64_t flags, unsigned how) {
  mount_attr attributes = {};
  attributes.attr_set = flags;
  return static_cast<int>(::syscall(SYS_mount_setattr, place, path, how, &attributes, sizeof attributes));
}

void open_binds(Plan& plan) {
  for (Bind& bind : plan.binds) {
    bind.tree = open_tree(bind.source.c_str());
    if (bind.tree < 0) fail(plan, "open_tree of a host folder");
    const uint64_t flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (bind.device ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV);
    if (set_mount_flags(bind.tree, "", flags, AT_EMPTY_PATH | AT_RECURSIVE) != 0) fail(plan, "mount_setattr read-only");
  }
}

void write_text(const Plan& plan, const char* path, const char* text, const char* step) {
  const int file = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) fail(plan, step);
  const size_t size = __builtin_strlen(text);
  if (size > 0 && ::write(file, text, size) != static_cast<ssize_t>(size)) fail(plan, step);
  ::close(file);
}

// Paths of the plan are absolute; the new root is the current folder.
const char* inner(const std::string& path) {
  return path.c_str() + 1;
}

void build_root(const Plan& plan) {
  if (::mount("tmpfs", kNewRoot, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") != 0) fail(plan, "mount a tmpfs");
  if (::chdir(kNewRoot) != 0) fail(plan, "chdir to the new root");
  for (const std::string& path : plan.folders) {
    if (::mkdir(inner(path), 0755) != 0 && errno != EEXIST) fail(plan, "mkdir in the new root");
  }
  for (const auto& [path, text] : plan.files) write_text(plan, inner(path), text.c_str(), "write in the new root");
  for (const Symlink& link : plan.links) {
    if (::symlink(link.target.c_str(), inner(link.path)) != 0) fail(plan, "symlink in the new root");
  }
  for (const Bind& bind : plan.binds) {
    if (::syscall(SYS_move_mount, bind.tree, "", AT_FDCWD, inner(bind.path), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      fail(plan, "move_mount into the new root");
    }
  }
  if (::mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) fail(plan, "mount /proc");
}

void enter_root(const Plan& plan) {
  if (::syscall(SYS_pivot_root, ".", ".") != 0) fail(plan, "pivot_root");
  if (::umount2(".", MNT_DETACH) != 0) fail(plan, "detach the old root");
  if (::chdir("/") != 0) fail(plan, "chdir to /");
  if (set_mount_flags(AT_FDCWD, "/", MOUNT_ATTR_RDONLY, 0) != 0) fail(plan, "make the root read-only");
}

// By the bare calls: libc's would tell every thread that it remembers, and those are not in this process.
void become_inside_user(const Plan& plan) {
  ::syscall(SYS_setgroups, 0, nullptr);  // refused to an ordinary user, whose groups mean nothing inside
  if (::syscall(SYS_setresgid, kInsideId, kInsideId, kInsideId) != 0) fail(plan, "setresgid");
  if (::syscall(SYS_setresuid, kInsideId, kInsideId, kInsideId) != 0) fail(plan, "setresuid");
}

// Capabilities over the own namespaces survive exec as ambient ones.
void keep_capabilities(const Plan& plan) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) fail(plan, "capget");
  for (__user_cap_data_struct& half : data) half.inheritable = half.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) fail(plan, "capset");
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
}

void place_descriptors(const Plan& plan) {
  // Above the final numbers first, so that none is overwritten before it has moved.
  const int from[] = {plan.null, plan.messages, plan.messages, plan.sources, plan.library, plan.control};
  int high[6];
  for (int i = 0; i < 6; ++i) {
    high[i] = ::fcntl(from[i], F_DUPFD, 64);
    if (high[i] < 0) fail(plan, "dup of a descriptor");
  }
  const int failure = ::fcntl(plan.failure, F_DUPFD_CLOEXEC, 64);
  for (int i = 0; i < 6; ++i) ::dup2(high[i], i);
  ::dup2(failure, kControlFd + 1);
  ::fcntl(kControlFd + 1, F_SETFD, FD_CLOEXEC);
  ::syscall(SYS_close_range, kControlFd + 2, ~0U, 0);
}

void reset_signals() {
  for (int number = 1; number < 65; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Short of memory, the kernel ends this before anything else of the machine. Not promised: a failure changes nothing.
void prefer_for_memory_killer() {
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t written = ::write(file, "1000", 4);
  ::close(file);
}

[[noreturn]] void child_main(Plan& plan) {
  char go = 0;
  if (::read(plan.go, &go, 1) != 1) ::_exit(1);
  reset_signals();
  prefer_for_memory_killer();
  if (plan.namespaces) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) fail(plan, "make mounts private");
    open_binds(plan);
    become_inside_user(plan);
  }
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(plan, "prctl PDEATHSIG");
  if (::setsid() < 0) fail(plan, "setsid");
  if (plan.namespaces) {
    build_root(plan);
    enter_root(plan);
    write_text(plan, "/proc/sys/user/max_user_namespaces", "0", "forbid user namespaces");
    keep_capabilities(plan);
  } else if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    fail(plan, "no_new_privs");
  }
  place_descriptors(plan);
  plan.failure = kControlFd + 1;
  ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
  fail(plan, "exec of the Python interpreter");
}

// --------------------------------------------------------------------------------------------------- in the supervisor

Fd memory_file(const char* name, std::string_view content) {
  Fd file(static_cast<int>(::syscall(SYS_memfd_create, name, MFD_CLOEXEC)));
  if (!file) throw_errno(name, "cannot make a file in memory", errno);
  for (size_t done = 0; done < content.size();) {
    const ssize_t written = ::write(file.get(), content.data() + done, content.size() - done);
    if (written < 0) throw_errno(name, "cannot write a file in memory", errno);
    done += static_cast<size_t>(written);
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

bool write_file(const std::string& path, const std::string& text) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

void map_user(pid_t pid, int slot) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  const bool root = ::geteuid() == 0;
  const unsigned user = root ? kFirstOuterId + static_cast<unsigned>(slot) : ::geteuid();
  const unsigned group = root ? user : ::getegid();
  auto write = [&](const char* name, const std::string& text) {
    if (!write_file(folder + name, text)) throw_errno(folder + name, "cannot map a user into a namespace", errno);
  };
  if (!root) write("setgroups", "deny");
  write("uid_map", fmt::format("{} {} 1", kInsideId, user));
  write("gid_map", fmt::format("{} {} 1", kInsideId, group));
}

pid_t clone_child(bool namespaces, Fd& pidfd) {
  int descriptor = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  if (namespaces) {
    arguments.flags |=
        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  }
  arguments.pidfd = reinterpret_cast<uint64_t>(&descriptor);
  arguments.exit_signal = SIGCHLD;
  const pid_t pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid > 0) pidfd.reset(descriptor);
  return pid;
}

std::string read_messages(int fd) {
  std::string text;
  char part[4096];
  pollfd ready = {fd, POLLIN, 0};
  while (text.size() < sizeof part && ::poll(&ready, 1, 100) > 0) {
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got <= 0) break;
    text.append(part, static_cast<size_t>(got));
  }
  return std::string(strip(text));
}

void wait_until_ready(const Zygote& zygote, int failure, const std::string& path) {
  pollfd ready = {zygote.control.get(), POLLIN, 0};
  const int count = ::poll(&ready, 1, kReadyTimeoutMs);
  char letter = 0;
  if (count > 0 && ::recv(zygote.control.get(), &letter, 1, 0) == 1 && letter == 'R') return;
  Failure why = {};
  ::fcntl(failure, F_SETFL, O_NONBLOCK);
  if (::read(failure, &why, sizeof why) == sizeof why)
    throw_errno("sandbox", fmt::format("cannot {}", why.step), why.error);
  if (count == 0) throw_world(path, "the interpreter did not get ready inside the sandbox");
  throw_world(path,
              "the interpreter ended while it started inside the sandbox: " + read_messages(zygote.messages.get()));
}

}  // namespace

Zygote launch_zygote(const Interpreter& python, const ZygoteOptions& options) {
  Plan plan;
  plan.namespaces = options.isolation == kIsolationNamespaces;
  const std::vector<std::string> packages = options.preload.empty() ? std::vector<std::string>{} : find_packages();
  if (plan.namespaces) plan_root(plan, python, packages);
  plan_command(plan, python, packages, options);
  const Fd sources = memory_file("assay-sources", embedded_sources());
  const Fd library = memory_file("assay-inside", embedded_library());
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int control[2], go[2], failure[2], messages[2];
  if (!null || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    throw_errno("sandbox", "cannot make a socket", errno);
  Zygote zygote;
  zygote.control.reset(control[0]);
  Fd inner_control(control[1]);
  if (::pipe2(go, O_CLOEXEC) != 0) throw_errno("sandbox", "cannot make a pipe", errno);
  const Fd go_read(go[0]);
  Fd go_write(go[1]);
  if (::pipe2(failure, O_CLOEXEC) != 0) throw_errno("sandbox", "cannot make a pipe", errno);
  const Fd failure_read(failure[0]);
  Fd failure_write(failure[1]);
  if (::pipe2(messages, O_CLOEXEC) != 0) throw_errno("sandbox", "cannot make a pipe", errno);
  zygote.messages.reset(messages[0]);
  Fd messages_write(messages[1]);
  ::fcntl(messages_write.get(), F_SETFL, O_NONBLOCK);  // nobody reads them later on, and none may wait
  plan.sources = sources.get(), plan.library = library.get(), plan.control = inner_control.get();
  plan.null = null.get(), plan.go = go_read.get(), plan.failure = failure_write.get(),
  plan.messages = messages_write.get();

  const pid_t pid = clone_child(plan.namespaces, zygote.pidfd);
  if (pid < 0) throw_errno("sandbox", "cannot make a process in new namespaces (clone3)", errno);
  if (pid == 0) child_main(plan);
  zygote.pid = pid;
  inner_control.reset();
  failure_write.reset();
  messages_write.reset();
  try {
    if (plan.namespaces) map_user(pid, options.slot);
    if (::write(go_write.get(), "g", 1) != 1) throw_errno("sandbox", "cannot start the zygote", errno);
    wait_until_ready(zygote, failure_read.get(), python.path);
    zygote.cpu_clock = open_cpu_clock(pid);
  } catch (const Error&) {
    end_zygote(zygote);
    throw;
  }
  return zygote;
}

void end_zygote(Zygote& zygote) {
  if (zygote.pid <= 0) return;
  ::kill(zygote.pid, SIGKILL);
  while (::waitpid(zygote.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  zygote = Zygote();
}

}  // namespace assay
