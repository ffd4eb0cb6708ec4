#include "tasks/data_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/error.h"
#include "core/text.h"
#include "tasks/data_file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using Splits = std::map<std::string, std::vector<std::string>>;

constexpr std::array<std::pair<std::string_view, const char*>, 10> kSplitWords = {{{"train", "train"},
                                                                                   {"training", "train"},
                                                                                   {"validation", "validation"},
                                                                                   {"valid", "validation"},
                                                                                   {"dev", "validation"},
                                                                                   {"val", "validation"},
                                                                                   {"test", "test"},
                                                                                   {"testing", "test"},
                                                                                   {"eval", "test"},
                                                                                   {"evaluation", "test"}}};

// The split that a word of `name` says; empty = none.
std::string split_in(const std::string& name) {
  size_t at = 0;
  while (at < name.size()) {
    const size_t begin = name.find_first_not_of("-._ 0123456789", at);
    if (begin == std::string::npos) break;
    at = std::min(name.find_first_of("-._ 0123456789", begin), name.size());
    const std::string_view word = std::string_view(name).substr(begin, at - begin);
    for (const auto& [known, split] : kSplitWords) {
      if (word == known) return split;
    }
  }
  return "";
}

bool is_data(const fs::path& path, const std::string& format) {
  const std::string found = format_of_path(path.string());
  if (ends_with(path.string(), ".md")) return false;
  const std::string loader = found == "jsonl" ? "json" : found == "tsv" ? "csv" : found;
  return !found.empty() && (format.empty() || format == loader);
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& format) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::path at = folder;
  for (fs::recursive_directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
    at = it->path();
    if (it->path().filename().string()[0] == '.') {
      if (std::error_code ignored; it->is_directory(ignored)) it.disable_recursion_pending();
    } else if (std::error_code ignored; it->is_regular_file(ignored) && is_data(it->path(), format)) {
      files.push_back(it->path().lexically_relative(folder));
    }
  }
  check_listed(at.string(), problem);
  std::sort(files.begin(), files.end());
  return files;
}

std::string split_of_folders(const fs::path& file) {
  for (const fs::path& part : file.parent_path()) {
    if (std::string split = split_in(part.string()); !split.empty()) return split;
  }
  return "";
}

}  // namespace

void check_listed(const std::string& folder, const std::error_code& problem) {
  const bool is_there = problem != std::errc::no_such_file_or_directory && problem != std::errc::not_a_directory;
  if (problem && is_there) throw_errno(folder, "cannot be listed", problem.value());
}

Splits splits_of_folder(const std::string& folder, const std::string& format) {
  const std::vector<fs::path> files = files_in(folder, format);
  Splits by_folder, by_name, all;
  for (const fs::path& file : files) {
    all["train"].push_back(file.string());
    if (const std::string split = split_of_folders(file); !split.empty()) by_folder[split].push_back(file.string());
    const std::string split = split_in(file.filename().string());
    if (!split.empty()) by_name[split].push_back(file.string());
  }
  return !by_folder.empty() ? by_folder : !by_name.empty() ? by_name : all;
}

}  // namespace assay
