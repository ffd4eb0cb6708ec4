#include "harness/stored_registry.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace assay {
namespace fs = std::filesystem;

std::string stored_path(const std::string& path) {
  std::error_code problem;
  const fs::path whole = fs::canonical(path, problem);
  return problem ? path : whole.string();
}

std::vector<std::string> stored_includes(const std::vector<StoredRun>& runs) {
  std::vector<std::string> folders;
  for (const StoredRun& run : runs) {
    if (!run.settings.contains("include")) continue;
    for (const std::string& stored : run.settings["include"].get<std::vector<std::string>>()) {
      const std::string folder = stored_path(stored);
      if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
    }
  }
  return folders;
}

TaskRegistry registry_of_runs(const std::vector<StoredRun>& runs, const std::vector<std::string>& include,
                              std::vector<std::string>& notes) {
  if (!include.empty()) return load_registry(include);
  std::vector<std::string> usable;
  TaskRegistry registry = load_registry({});
  for (const std::string& folder : stored_includes(runs)) {
    usable.push_back(folder);
    try {
      registry = load_registry(usable);
    } catch (const Error& error) {
      notes.push_back(std::string(error.what()) + " (--include names the folder of a run's task files)");
      usable.pop_back();
    }
  }
  return registry;
}

}  // namespace assay
