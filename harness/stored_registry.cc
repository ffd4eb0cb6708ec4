#include "harness/stored_registry.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/error.h"

namespace assay {
namespace fs = std::filesystem;

std::string stored_path(const std::string& path) {
  std::error_code problem;
  const fs::path whole = fs::canonical(path, problem);
  return problem ? path : whole.string();
}

namespace {

// The folders that these runs were given, each once, with links followed.
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

}  // namespace

StoredRegistry registry_of_runs(const std::vector<StoredRun>& runs, const std::vector<std::string>& include) {
  if (!include.empty()) return {load_registry(include), include, {}};
  StoredRegistry out;
  std::optional<TaskRegistry> registry;
  for (const std::string& folder : stored_includes(runs)) {
    out.include.push_back(folder);
    try {
      registry = load_registry(out.include);
    } catch (const Error& error) {
      out.notes.push_back(std::string(error.what()) + " (--include names the folder of a run's task files)");
      out.include.pop_back();
    }
  }
  out.registry = registry ? std::move(*registry) : load_registry({});
  return out;
}

}  // namespace assay
