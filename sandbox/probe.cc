// Which mode this machine gives: each is tried whole, since what forbids one (a security module, a container's filter)
// often lets its first steps pass.
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "sandbox/inside/landlock.h"
#include "sandbox/sandbox.h"
#include "sandbox/slot.h"
#include "sandbox/usage.h"

namespace assay {
namespace {

// Runs a tiny program in the mode; the reason when it does not pass.
std::string defect_of(Isolation isolation) {
  ProgramJob job;
  job.program = "def f(x):\n    return x + 1\n";
  job.tests = "def check(candidate):\n    assert candidate(1) == 2\n";
  job.entry_point = "f";
  Slot slot(0, isolation);
  const ProgramOutcome out = slot.run(job);
  return out.verdict == Verdict::kPass ? "" : out.reason.empty() ? to_string(out.verdict) : out.reason;
}

std::string setting(const char* path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  return text;
}

// What is known to forbid user namespaces, as the kernel names it.
std::string namespace_hint() {
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return " (kernel.apparmor_restrict_unprivileged_userns=1; \"sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0\" as "
           "root allows them, or run as root)";
  }
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    return " (kernel.unprivileged_userns_clone=0; \"sysctl kernel.unprivileged_userns_clone=1\" as root allows them, "
           "or run "
           "as root)";
  }
  if (setting("/proc/sys/user/max_user_namespaces") == "0") {
    return " (user.max_user_namespaces=0; \"sysctl user.max_user_namespaces=10000\" as root allows them)";
  }
  return "";
}

void describe(SandboxState& state, const std::string& namespaces_defect, const std::string& landlock_defect) {
  const bool namespaces = state.mode == SandboxMode::kNamespaces;
  const bool landlock = state.mode == SandboxMode::kLandlock;
  const int abi = landlock_abi();
  auto add = [&](const char* name, bool on, const std::string& why) {
    state.mechanisms.push_back({name, on, on ? "" : why});
  };
  const std::string no_namespaces = namespaces_defect.empty() ? "not asked for" : namespaces_defect;
  for (const char* name : {"user namespace", "process namespace", "mount namespace and read-only system",
                           "network namespace", "file system of a job with a size"}) {
    add(name, namespaces, no_namespaces);
  }
  add("filter of system calls", namespaces || landlock, "the mode none has no filter");
  add("no new privileges", true, "");
  add("limits of a process (address space, CPU, files)", true, "");
  add("limit on the number of processes and threads", namespaces,
      "without a user namespace the kernel counts all of the user's; those of a job are counted every 20 ms, and the "
      "job "
      "is ended above the limit");
  if (namespaces) {
    add("landlock", false, "not needed in this mode: the mount namespace holds nothing that a program may not read");
  } else {
    add("landlock", landlock, abi == 0 ? "the kernel has no Landlock" : landlock_defect);
    if (landlock && abi < 4)
      add("landlock: TCP", false, fmt::format("ABI {} of the kernel lacks it; the filter refuses sockets", abi));
    if (landlock && abi < 6) add("landlock: signals", false, fmt::format("ABI {} of the kernel lacks it", abi));
  }
  const bool clock = static_cast<bool>(open_cpu_clock(::getpid()));
  const std::string refusal = clock ? "" : std::strerror(errno);
  add("clock of a job's CPU time", clock,
      fmt::format("perf_event_open: {} (kernel.perf_event_paranoid={}); CPU time is added up from /proc instead, and a "
                  "program's handler for SIGCHLD has no effect",
                  refusal, setting("/proc/sys/kernel/perf_event_paranoid")));
  add("memory controller", false,
      "not used: the sum over a job's processes is watched every 20 ms and ended above the limit by a tenth");
}

}  // namespace

const char* to_string(SandboxMode mode) {
  switch (mode) {
    case SandboxMode::kNamespaces:
      return "namespaces";
    case SandboxMode::kLandlock:
      return "landlock";
    case SandboxMode::kNone:
      return "none";
  }
  ASSAY_ASSERT(false, "every mode has a name");
}

std::string SandboxState::headline() const {
  switch (mode) {
    case SandboxMode::kNamespaces:
      return "sandbox: namespaces; the sum of a job's memory is watched, not capped by the kernel";
    case SandboxMode::kLandlock:
      return "sandbox: landlock, weaker than namespaces: programs cannot start processes, and disk use of a job is not "
             "limited "
             "as a whole. Namespaces: " +
             mechanisms.front().why;
    case SandboxMode::kNone:
      return "sandbox: NONE, as asked for by --unsafe-no-sandbox: programs can read, write and send whatever you can. "
             "Namespaces: " +
             mechanisms.front().why;
  }
  ASSAY_ASSERT(false, "every mode has a headline");
}

SandboxState probe_sandbox(bool unsafe, SandboxMode strongest) {
  SandboxState state;
  const Interpreter& python = find_python();
  state.python = fmt::format("{} ({})", python.path, python.version);
  std::string namespaces_defect, landlock_defect;
  if (strongest == SandboxMode::kNamespaces) {
    namespaces_defect = defect_of(kIsolationNamespaces);
    if (!namespaces_defect.empty()) namespaces_defect += namespace_hint();
    if (namespaces_defect.empty()) state.mode = SandboxMode::kNamespaces;
  }
  const bool found = strongest == SandboxMode::kNamespaces && namespaces_defect.empty();
  if (!found && strongest != SandboxMode::kNone) {
    landlock_defect = landlock_abi() == 0 ? "the kernel has no Landlock" : defect_of(kIsolationLandlock);
    state.mode = landlock_defect.empty() ? SandboxMode::kLandlock : SandboxMode::kNone;
  }
  if (!found && strongest == SandboxMode::kNone) state.mode = SandboxMode::kNone;
  if (state.mode == SandboxMode::kNone && !unsafe) {
    throw_world("sandbox",
                fmt::format("programs cannot be held here. namespaces: {}; landlock: {}",
                            namespaces_defect.empty() ? "not asked for" : namespaces_defect, landlock_defect),
                "allow one of them, or run programs unprotected with --unsafe-no-sandbox");
  }
  describe(state, namespaces_defect, landlock_defect);
  return state;
}

}  // namespace assay
