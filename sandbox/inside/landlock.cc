#include "sandbox/inside/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace assay {
namespace {

// The kernel's structure as of ABI 6; older headers end after the first field.
struct Ruleset {
  uint64_t files, network, scoped;
};
constexpr uint64_t kNetBindTcp = 1, kNetConnectTcp = 2, kScopeAbstractUnix = 1, kScopeSignal = 2;

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr uint64_t kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr uint64_t kRefer = 1 << 13, kTruncate = 1 << 14, kIoctlDevice = 1 << 15;

const char* const kSystemFolders[] = {
    "/usr",       "/lib",      "/lib64",      "/bin",         "/sbin", "/etc/ld.so.cache", "/etc/alternatives",
    "/proc/self", "/dev/full", "/dev/random", "/dev/urandom", nullptr};

uint64_t handled_files(int abi) {
  uint64_t rights = kAbi1;
  if (abi >= 2) rights |= kRefer;
  if (abi >= 3) rights |= kTruncate;
  if (abi >= 5) rights |= kIoctlDevice;
  return rights;
}

int allow(int ruleset, const char* path, uint64_t rights) {
  const int place = ::open(path, O_PATH | O_CLOEXEC);
  if (place < 0) return errno == ENOENT ? 0 : -errno;
  struct stat found;
  if (::fstat(place, &found) == 0 && !S_ISDIR(found.st_mode)) {
    rights &= kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;
  }
  const landlock_path_beneath_attr rule = {rights, place};
  const int failed = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0 ? -errno : 0;
  ::close(place);
  return failed;
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

int restrict_files(const char* job_folder, const char* const* readable) {
  const int abi = landlock_abi();
  if (abi == 0) return -ENOSYS;
  Ruleset rules = {handled_files(abi), kNetBindTcp | kNetConnectTcp, kScopeAbstractUnix | kScopeSignal};
  const size_t size = abi >= 6 ? sizeof rules : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
  const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0));
  if (ruleset < 0) return -errno;
  int failed = 0;
  for (const char* const* path = kSystemFolders; *path && !failed; ++path) failed = allow(ruleset, *path, kRead);
  for (const char* const* path = readable; path && *path && !failed; ++path) failed = allow(ruleset, *path, kRead);
  if (!failed) failed = allow(ruleset, "/dev/null", kRead | LANDLOCK_ACCESS_FS_WRITE_FILE);
  if (!failed && job_folder) failed = allow(ruleset, job_folder, rules.files & ~kIoctlDevice);
  if (!failed && ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) failed = -errno;
  ::close(ruleset);
  return failed;
}

}  // namespace assay
