#include "sandbox/scratch.h"

#include <errno.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHead = "assay-job-";

std::string base_folder() {
  const char* named = std::getenv("TMPDIR");
  return named && *named ? named : "/tmp";
}

// Field 22 of /proc/PID/stat: clock ticks from boot to the process's start; empty when there is no such process.
std::string start_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return "";
  const std::vector<std::string> fields = split(text.substr(name_end + 2), ' ');
  return fields.size() > 19 ? fields[19] : "";
}

void make_writable_and_remove(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_symlink(path, ignored) && fs::is_directory(path, ignored)) {
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::add, ignored);
  }
  for (fs::recursive_directory_iterator it(path, fs::directory_options::skip_permission_denied, ignored), end;
       it != end; it.increment(ignored)) {
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) {
      fs::permissions(it->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
    }
  }
  fs::remove_all(path, ignored);
}

void sweep(const std::string& base) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(base, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!starts_with(name, kHead)) continue;
    const std::vector<std::string> parts = split(name.substr(std::string(kHead).size()), '-');
    if (parts.size() == 3 && start_of(parts[0]) != parts[1]) make_writable_and_remove(entry.path());
  }
}

}  // namespace

ScratchFolder::ScratchFolder(int slot) {
  const std::string base = base_folder(), pid = std::to_string(::getpid());
  sweep(base);
  path_ = fmt::format("{}/{}{}-{}-{}", base, kHead, pid, start_of(pid), slot);
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw_errno(path_, "cannot make the folder of a job", errno, "free some space, or set TMPDIR to another folder");
  }
}

ScratchFolder::~ScratchFolder() {
  make_writable_and_remove(path_);
}

void ScratchFolder::clear() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) make_writable_and_remove(entry.path());
}

}  // namespace assay
