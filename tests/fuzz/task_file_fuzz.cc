// YAML, then every field of a task file.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "tasks/task_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string folder = [] {
    std::string name = (std::filesystem::temp_directory_path() / "assay_task_file_fuzz.XXXXXX").string();
    return std::string(mkdtemp(name.data()));
  }();
  const std::string file = folder + "/task.yaml";
  try {
    assay::write_file_atomically(file, std::string_view(reinterpret_cast<const char*>(data), size));
    assay::load_task_file(file);
  } catch (const assay::Error&) {
  }
  return 0;
}
