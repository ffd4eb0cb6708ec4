// A folder into which training writes checkpoints: what lies there, and what of it is whole.
//
// A checkpoint is a folder in Hugging Face layout or a .gguf file directly under the watched folder. Names that begin
// with "." or end in ".tmp", ".partial" or ".incomplete" are still being written. A checkpoint is known by its files
// (names, sizes, inodes, times of change), not by its own name: renamed it stays the same, written anew it is another.
//
// Whole means: everything that Checkpoint::open checks holds (every shard of the index is there in full length, by the
// shards' own headers), the tokenizer reads, and the marker file exists where one is asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct FolderEntry {
  std::string name, path;
  std::string fingerprint;      // of its files
  std::optional<int64_t> step;  // where the name tells it
  double changed = 0;           // newest time of change of its files, seconds since 1970
};

// Every entry that looks like a checkpoint, in order of name. Entries that vanish while they are looked at are left
// out. Throws Error(kWorld) when the folder can't be read.
std::vector<FolderEntry> scan_checkpoints(const std::string& folder);

// What is missing, or empty: it is whole. Never throws.
std::string defect_of(const FolderEntry& entry, const std::string& marker);

// "step-01200", "checkpoint_500", "global_step77" -> the number.
std::optional<int64_t> training_step(const std::string& label);

// Wakes when something under the folder changes: inotify on the folder and on the folders in it; on file systems
// without it (network) only the time-out wakes.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  // Returns after a change or the time-out; early after a signal.
  void wait(double seconds);

 private:
  void watch_new_folders();
  std::string folder_;
  int inotify_ = -1;  // < 0: none
};

}  // namespace assay
