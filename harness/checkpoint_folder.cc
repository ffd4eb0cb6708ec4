#include "harness/checkpoint_folder.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool is_being_written(const std::string& name) {
  return starts_with(name, ".") || ends_with(name, ".tmp") || ends_with(name, ".partial") ||
         ends_with(name, ".incomplete");
}

// The files of one entry, sorted; empty when it vanished.
std::vector<std::string> files_of(const fs::path& path) {
  std::vector<std::string> files;
  std::error_code problem;
  if (fs::is_regular_file(path, problem)) return {path.string()};
  for (fs::directory_iterator it(path, problem), end; !problem && it != end; it.increment(problem)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) files.push_back(it->path().string());
  }
  if (problem) return {};
  std::sort(files.begin(), files.end());
  return files;
}

bool looks_like_checkpoint(const fs::path& path) {
  std::error_code problem;
  if (fs::is_regular_file(path, problem)) return path.extension() == ".gguf";
  if (!fs::is_directory(path, problem)) return false;
  for (const std::string& file : files_of(path)) {
    const std::string name = fs::path(file).filename().string();
    if (name == "config.json" || ends_with(name, ".safetensors") || ends_with(name, ".safetensors.index.json"))
      return true;
  }
  return false;
}

double seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Fills fingerprint and time; false when files vanished meanwhile.
bool look_at(FolderEntry& entry) {
  FieldHash hash;
  const std::vector<std::string> files = files_of(entry.path);
  for (const std::string& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return false;
    const bool single = file == entry.path;
    hash.add(single ? "" : fs::path(file).filename().string()).add_number(info.st_size);
    hash.add_number(static_cast<int64_t>(info.st_ino)).add_number(info.st_mtim.tv_sec).add_number(info.st_mtim.tv_nsec);
    entry.changed = std::max(entry.changed, seconds(info.st_mtim));
  }
  entry.fingerprint = hash.hex();
  return !files.empty();
}

}  // namespace

std::vector<FolderEntry> scan_checkpoints(const std::string& folder) {
  std::error_code problem;
  std::vector<FolderEntry> entries;
  for (fs::directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
    FolderEntry entry;
    entry.name = it->path().filename().string();
    entry.path = it->path().string();
    entry.step = training_step(entry.name);
    if (is_being_written(entry.name) || !looks_like_checkpoint(it->path()) || !look_at(entry)) continue;
    entries.push_back(std::move(entry));
  }
  if (problem) throw_world(folder, "cannot list the folder of checkpoints: " + problem.message());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

std::string defect_of(const FolderEntry& entry, const std::string& marker) {
  std::error_code ignored;
  if (!marker.empty() && !fs::exists(fs::path(entry.path) / marker, ignored)) {
    return entry.path + ": the marker file " + marker + " is not there";
  }
  try {
    Checkpoint::open(entry.path);
    load_tokenizer(entry.path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::optional<int64_t> training_step(const std::string& label) {
  static const std::regex kStep("(?:step|checkpoint|ckpt|iter|global_step)[-_]?([0-9]{1,15})");
  std::smatch match;
  if (!std::regex_search(label, match, kStep)) return std::nullopt;
  return std::stoll(match[1]);
}

FolderWatch::FolderWatch(const std::string& folder)
    : folder_(folder), inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  watch_new_folders();
}

FolderWatch::~FolderWatch() {
  if (inotify_ >= 0) ::close(inotify_);
}

// Adding a watch twice changes nothing.
void FolderWatch::watch_new_folders() {
  if (inotify_ < 0) return;
  constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
  ::inotify_add_watch(inotify_, folder_.c_str(), kEvents);
  std::error_code problem;
  for (fs::directory_iterator it(folder_, problem), end; !problem && it != end; it.increment(problem)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) ::inotify_add_watch(inotify_, it->path().c_str(), kEvents);
  }
}

void FolderWatch::wait(double seconds) {
  watch_new_folders();
  pollfd events{inotify_, POLLIN, 0};
  ::poll(&events, inotify_ >= 0 ? 1 : 0, static_cast<int>(std::max(0.0, seconds) * 1000));
  char unread[4096];
  while (inotify_ >= 0 && ::read(inotify_, unread, sizeof unread) > 0) {
  }
}

}  // namespace assay
