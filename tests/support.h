// What every test may use: where the real inputs lie, and throw-away folders.
#pragma once

#include <optional>
#include <string>

namespace assay::testing {

// The folder of real inputs ($ASSAY_SHARED, else ../shared beside the source tree), or nothing.
std::optional<std::string> shared_folder();

// Path under shared_folder(). Where it is absent prints "SKIPPED <test>: <path> is not there" and gives nothing, so
// that no test is skipped in silence:
//   auto path = shared_file("tokenizers/golden/gpt2.json");
//   if (!path) return;
std::optional<std::string> shared_file(const std::string& relative);

// Prints "SKIPPED: <reason>" for the running test.
void skip(const std::string& reason);

// Bytes of a file, unzipped when its name ends in .gz (through the system's gzip).
std::string slurp(const std::string& path);

// A folder under the system's temporary folder that is removed with its content when this object dies.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file (making its parent folders) and gives its path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

// The message of the assay::Error that `action` throws; fails the test when it throws none.
template <typename Action>
std::string error_of(Action&& action);

}  // namespace assay::testing

#include "core/error.h"

template <typename Action>
std::string assay::testing::error_of(Action&& action) {
  try {
    action();
  } catch (const assay::Error& error) {
    return error.what();
  }
  return "(no error)";
}
