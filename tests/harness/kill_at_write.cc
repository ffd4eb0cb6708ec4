// Preloaded into assay by kill_test.cc: ends the process with SIGKILL at the n-th write to a kind of file, so that the
// database is tried at exact places that a timer would rarely meet.
//   ASSAY_KILL_KIND  "wal": the write-ahead log (responses, migrations)   "db": the database file itself, which is
//                    written only when the log is checkpointed into it
//   ASSAY_KILL_AT    n, counted from 1. The n-th write is done by half before the process dies.

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace {

using PwriteFunction = ssize_t (*)(int, const void*, size_t, off64_t);

bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool is_watched(int fd) {
  const char* kind = std::getenv("ASSAY_KILL_KIND");
  if (!kind) return false;
  char path[4096];
  ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  if (size <= 0) return false;
  return ends_with(std::string(path, static_cast<size_t>(size)), std::string(kind) == "wal" ? ".db-wal" : ".db");
}

ssize_t watched_pwrite(int fd, const void* bytes, size_t count, off64_t offset) {
  static const auto real = reinterpret_cast<PwriteFunction>(::dlsym(RTLD_NEXT, "pwrite64"));
  static std::atomic<int> seen{0};
  const char* at = std::getenv("ASSAY_KILL_AT");
  if (at && is_watched(fd) && ++seen == std::atoi(at)) {
    [[maybe_unused]] ssize_t ignored = real(fd, bytes, count / 2, offset);
    ::kill(::getpid(), SIGKILL);
  }
  return real(fd, bytes, count, offset);
}

}  // namespace

extern "C" ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  return watched_pwrite(fd, bytes, count, offset);
}

extern "C" ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  return watched_pwrite(fd, bytes, count, offset);
}
