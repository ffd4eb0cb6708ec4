// The folder of a slot's jobs on the host, for the modes in which a job has no file system of its own.
#pragma once

#include <string>

namespace assay {

// Made under $TMPDIR (else /tmp); its name carries the process and its start, so that folders of a process that was
// killed are known and removed by the next one. Removed with its content at the end. Throws Error(kWorld).
class ScratchFolder {
 public:
  explicit ScratchFolder(int slot);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }
  // Removes the content.
  void clear();

 private:
  std::string path_;
};

}  // namespace assay
