#include "sandbox/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "sandbox/fd.h"

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

int64_t field_kib(const std::string& text, const char* name) {
  const size_t place = text.find(name);
  return place == std::string::npos ? 0 : std::strtoll(text.c_str() + place + std::strlen(name), nullptr, 10);
}

// utime, stime, cutime, cstime are fields 14 to 17; the name in field 2 may hold anything, but ends at the last ')'.
double cpu_seconds(pid_t pid) {
  const std::string text = read_small(fmt::format("/proc/{}/stat", pid));
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  const char* at = text.c_str() + name_end + 1;
  int64_t ticks = 0;
  for (int field = 3; field <= 17 && *at; ++field) {
    while (*at == ' ') ++at;
    if (field >= 14) ticks += std::strtoll(at, nullptr, 10);
    while (*at && *at != ' ') ++at;
  }
  static const double per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return static_cast<double>(ticks) / per_second;
}

int64_t resident_bytes(pid_t pid) {
  const std::string text = read_small(fmt::format("/proc/{}/status", pid));
  return (field_kib(text, "RssAnon:") + field_kib(text, "RssShmem:")) << 10;
}

int64_t proportional_bytes(pid_t pid) {
  const std::string text = read_small(fmt::format("/proc/{}/smaps_rollup", pid));
  if (text.empty()) return resident_bytes(pid);
  return (field_kib(text, "Pss_Anon:") + field_kib(text, "Pss_Shmem:")) << 10;
}

}  // namespace

Usage usage_below(pid_t parent, int64_t exact_above) {
  std::vector<pid_t> all;
  add_children(parent, all);
  for (size_t i = 0; i < all.size() && i < kMostProcesses; ++i) add_children(all[i], all);
  Usage usage;
  usage.processes = static_cast<int>(all.size());
  for (pid_t pid : all) {
    usage.cpu_s += cpu_seconds(pid);
    usage.memory_bytes += resident_bytes(pid);
  }
  if (usage.memory_bytes <= exact_above) return usage;
  usage.memory_bytes = 0;
  for (pid_t pid : all) usage.memory_bytes += proportional_bytes(pid);
  return usage;
}

}  // namespace assay
