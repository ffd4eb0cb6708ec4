#include "sandbox/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/inside/filter.h"

namespace assay {
namespace {

constexpr int kMostProcesses = 4096;

// Empty when the process is gone.
std::string read_small(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return "";
  std::string text(8192, '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string read_whole(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char part[8192];
  for (ssize_t got; file && (got = ::read(file.get(), part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(got));
  return text;
}

void add_children(pid_t pid, std::vector<pid_t>& found) {
  const std::string folder = fmt::format("/proc/{}/task", pid);
  DIR* tasks = ::opendir(folder.c_str());
  if (!tasks) return;
  while (const dirent* entry = ::readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    const std::string children = read_small(folder + "/" + entry->d_name + "/children");
    const char* text = children.c_str();
    char* end = nullptr;
    for (long child = std::strtol(text, &end, 10); end != text; child = std::strtol(text, &end, 10)) {
      found.push_back(static_cast<pid_t>(child));
      text = end;
    }
  }
  ::closedir(tasks);
}

// The number in the line of `name`. The first line holds the process's own name, which may be anything but a line end.
int64_t field(const std::string& text, const char* name) {
  const std::string head = std::string("\n") + name + ":";
  const size_t place = text.find(head);
  return place == std::string::npos ? 0 : std::strtoll(text.c_str() + place + head.size(), nullptr, 10);
}

// Of the process and of the children that it has waited for. Its own to the nanosecond, theirs to the clock tick.
double cpu_seconds(pid_t pid) {
  const std::string text = read_small(fmt::format("/proc/{}/stat", pid));
  // utime, stime, cutime, cstime are fields 14 to 17; the name in field 2 may hold anything, but ends at the last ')'.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  const char* at = text.c_str() + name_end + 1;
  int64_t own = 0, children = 0;
  for (int field = 3; field <= 17 && *at; ++field) {
    while (*at == ' ') ++at;
    if (field >= 14) (field < 16 ? own : children) += std::strtoll(at, nullptr, 10);
    while (*at && *at != ' ') ++at;
  }
  static const double per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  double own_s = static_cast<double>(own) / per_second;
  clockid_t clock;
  timespec now;
  if (::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &now) == 0) {
    own_s = std::max(own_s, static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9);
  }
  return own_s + static_cast<double>(children) / per_second;
}

int64_t resident_bytes(const std::string& status) {
  return (field(status, "RssAnon") + field(status, "RssShmem")) << 10;
}

int64_t proportional_bytes(pid_t pid, const std::string& status) {
  const std::string text = read_small(fmt::format("/proc/{}/smaps_rollup", pid));
  if (text.empty()) return resident_bytes(status);
  return (field(text, "Pss_Anon") + field(text, "Pss_Shmem")) << 10;
}

// Memory that processes share without a file, by inode: how much of it is mapped at least. It stays while anybody has a
// part of it mapped, though it be in nobody's page tables.
void add_shared(pid_t pid, std::map<uint64_t, int64_t>& shared) {
  const std::string text = read_whole(fmt::format("/proc/{}/maps", pid));
  constexpr std::string_view kName = "/dev/zero (deleted)\n";
  for (size_t place = text.find(kName); place != std::string::npos; place = text.find(kName, place + 1)) {
    const size_t line = text.rfind('\n', place) + 1;  // 0 where there is none: the first line
    unsigned long long start = 0, end = 0, offset = 0, inode = 0;
    if (std::sscanf(text.c_str() + line, "%llx-%llx %*s %llx %*s %llu", &start, &end, &offset, &inode) != 4) continue;
    int64_t& extent = shared[inode];
    extent = std::max(extent, static_cast<int64_t>(offset + end - start));
  }
}

// Honest programs have a few of them. From so many on each is taken to be whole, however little of it is mapped.
constexpr size_t kManyShared = 32;

}  // namespace

Usage usage_below(pid_t parent, int64_t exact_above) {
  std::vector<pid_t> all;
  add_children(parent, all);
  for (size_t i = 0; i < all.size() && i < kMostProcesses; ++i) add_children(all[i], all);
  Usage usage;
  usage.processes = static_cast<int>(all.size());
  std::map<uint64_t, int64_t> shared;
  std::vector<std::string> status;
  int64_t in_page_tables = 0;
  for (pid_t pid : all) {
    usage.cpu_s += cpu_seconds(pid);
    status.push_back(read_small(fmt::format("/proc/{}/status", pid)));
    usage.tasks += std::max(1, static_cast<int>(field(status.back(), "Threads")));
    usage.memory_bytes += resident_bytes(status.back());
    in_page_tables += field(status.back(), "RssShmem") << 10;
    if (exact_above != kCpuAlone) add_shared(pid, shared);
  }
  if (usage.memory_bytes > exact_above) {
    usage.memory_bytes = 0;
    for (size_t i = 0; i < all.size(); ++i) usage.memory_bytes += proportional_bytes(all[i], status[i]);
  }
  int64_t not_in_page_tables = -in_page_tables;
  for (const auto& [inode, extent] : shared) {
    not_in_page_tables += shared.size() > kManyShared ? std::max<int64_t>(extent, kMostSharedBytes) : extent;
  }
  usage.memory_bytes += std::max<int64_t>(0, not_in_page_tables);
  return usage;
}

Fd open_cpu_clock(pid_t pid) {
  perf_event_attr wanted = {};
  wanted.size = sizeof wanted;
  wanted.type = PERF_TYPE_SOFTWARE;
  wanted.config = PERF_COUNT_SW_TASK_CLOCK;
  wanted.inherit = 1;
  // What an ordinary user may ask for; this clock counts the kernel's part all the same.
  wanted.exclude_kernel = wanted.exclude_hv = 1;
  return Fd(static_cast<int>(::syscall(SYS_perf_event_open, &wanted, pid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

double cpu_clock_seconds(const Fd& clock) {
  uint64_t nanoseconds = 0;
  return ::read(clock.get(), &nanoseconds, sizeof nanoseconds) == sizeof nanoseconds
             ? static_cast<double>(nanoseconds) / 1e9
             : 0;
}

}  // namespace assay
