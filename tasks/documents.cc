#include "tasks/documents.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/audit_forms.h"
#include "tasks/data_file.h"
#include "tasks/data_folder.h"
#include "tasks/transforms.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool has_wildcard(std::string_view name) {
  return name.find_first_of("*?") != std::string_view::npos;
}

// Files that a path with wildcards means, in sorted order. Empty when there are none.
std::vector<std::string> expand(const fs::path& pattern) {
  std::vector<fs::path> found = {pattern.root_path()};
  for (const fs::path& part : pattern.relative_path()) {
    std::vector<fs::path> next;
    for (const fs::path& folder : found) {
      std::error_code ignored;
      if (!has_wildcard(part.string())) {
        if (fs::exists(folder / part, ignored)) next.push_back(folder / part);
        continue;
      }
      const fs::path listed = folder.empty() ? fs::path(".") : folder;
      std::error_code problem;
      for (fs::directory_iterator it(listed, problem), end; !problem && it != end; it.increment(problem)) {
        const std::string name = it->path().filename().string();
        if (name[0] != '.' && glob_match(part.string(), name)) next.push_back(folder / name);
      }
      check_listed(listed.string(), problem);
    }
    found = std::move(next);
  }
  std::vector<std::string> files;
  for (const fs::path& path : found) {
    if (std::error_code ignored; fs::is_regular_file(path, ignored)) files.push_back(path.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string join(const std::string& folder, const std::string& path) {
  return (fs::path(folder) / path).string();
}

// The first of the alternatives "a | b" that is there, looked for in the task's folder, then in the data folder, last
// in the current one where the task's data say so.
std::vector<std::string> find_files(const DataSpec& data, const std::string& path, const DataRoot& root) {
  for (const std::string& alternative : split(path, '|')) {
    const std::string name(strip(alternative));
    if (!data.base.empty()) {
      if (auto files = expand(join(data.base, name)); !files.empty()) return files;
    }
    if (auto files = expand(join(root.folder, name)); !files.empty()) return files;
    if (data.in_current_folder) {
      if (auto files = expand(name); !files.empty()) return files;
    }
  }
  return {};
}

void append_folder(const std::string& path, std::vector<std::string>& files) {
  std::error_code problem;
  if (!fs::is_directory(path, problem)) {
    files.push_back(path);
    return;
  }
  std::vector<std::string> inside;
  for (fs::recursive_directory_iterator it(path, problem), end; it != end; it.increment(problem)) {
    if (problem) break;
    if (it->path().filename().string()[0] == '.') {
      if (it->is_directory(problem)) it.disable_recursion_pending();
    } else if (it->is_regular_file(problem)) {
      inside.push_back(it->path().string());
    }
  }
  if (problem) throw_errno(path, "cannot list the folder", problem.value());
  std::sort(inside.begin(), inside.end());
  files.insert(files.end(), inside.begin(), inside.end());
}

// Texts given on the command line take the place of files that the task does not name.
bool reads_given_texts(const Task& task) {
  return task.data.files.empty() && task.data.format == "text";
}

std::vector<std::string> given_texts(const DataRoot& root) {
  std::vector<std::string> files;
  for (const std::string& path : root.texts) append_folder(path, files);
  return files;
}

const std::vector<std::string>& paths_of(const Task& task, const std::string& split) {
  auto it = task.data.files.find(split);
  if (it == task.data.files.end()) {
    throw_input(task.file, "task " + task.key() + " has no files for the split \"" + split + "\"");
  }
  return it->second;
}

[[noreturn]] void throw_missing(const Task& task, const std::string& path, const DataRoot& root) {
  const std::string first(strip(assay::split(path, '|').front()));
  const std::string next = task.data.source.empty()
                               ? "the task file " + task.file + " names it" +
                                     (task.data.in_current_folder ? "; it is not in the current folder either" : "")
                               : "`assay fetch " + task.data.source + "` brings it";
  throw_input(join(task.data.base.empty() ? root.folder : task.data.base, first), "no such file", next);
}

std::vector<std::string> files_of_split(const Task& task, const std::string& split, const DataRoot& root) {
  if (reads_given_texts(task)) {
    if (root.texts.empty()) throw_input(task.key(), "no texts were given", "say which with --text PATH");
    return given_texts(root);
  }
  std::vector<std::string> files;
  for (const std::string& path : paths_of(task, split)) {
    const std::vector<std::string> found = find_files(task.data, path, root);
    if (found.empty()) throw_missing(task, path, root);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

std::string stem_of(const std::string& path) {
  fs::path name = fs::path(path).filename();
  if (name.extension() == ".gz") name = name.stem();
  return name.stem().string();
}

// Length of the folders that all paths begin with, up to and with the last '/'.
size_t common_folders(const std::vector<std::string>& files) {
  std::string_view common = files.empty() ? std::string_view() : files.front();
  for (const std::string& file : files) {
    while (!starts_with(file, common)) common.remove_suffix(1);
  }
  return common.rfind('/') == std::string_view::npos ? 0 : common.rfind('/') + 1;
}

// The middle part of item ids: the stem, or as much more of the path as tells the files of a split apart.
std::vector<std::string> file_labels(const std::vector<std::string>& files) {
  std::map<std::string, int> stems, names;
  for (const std::string& file : files) {
    ++stems[stem_of(file)];
    ++names[fs::path(file).filename().string()];
  }
  const size_t common = common_folders(files);
  std::vector<std::string> labels;
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename().string();
    if (stems[stem_of(file)] == 1) {
      labels.push_back(stem_of(file));
    } else if (names[name] == 1) {
      labels.push_back(name);
    } else {
      labels.push_back(replace_all(file.substr(common), "/", "."));
    }
  }
  return labels;
}

std::vector<std::string> labels_of_split(const Task& task, const std::string& split, const DataRoot& root) {
  const std::string& path = task.data.labels.at(split);
  const std::vector<std::string> found = find_files(task.data, path, root);
  if (found.empty()) throw_missing(task, path, root);
  std::vector<std::string> labels;
  for (const std::string& line : assay::split(read_file(found.front()), '\n'))
    if (!strip(line).empty()) labels.emplace_back(strip(line));
  return labels;
}

// The rows of the split's one file, each with its label.
std::vector<DataRow> labelled_rows(const Task& task, const std::string& split, const DataRoot& root,
                                   const std::string& path) {
  std::vector<DataRow> rows;
  read_data_file(path, task.data, [&](DataRow row) { rows.push_back(std::move(row)); });
  const std::vector<std::string> labels = labels_of_split(task, split, root);
  if (labels.size() != rows.size()) {
    throw_input(path, std::to_string(rows.size()) + " rows, and " + std::to_string(labels.size()) + " labels in " +
                          task.data.labels.at(split));
  }
  for (size_t row = 0; row < rows.size(); ++row) rows[row].fields["label"] = labels[row];
  return rows;
}

bool is_wanted_row(const DataSpec& data, const std::string& split, int64_t row) {
  auto range = data.rows.find(split);
  return range == data.rows.end() || (row >= range->second.first && row < range->second.second);
}

// Every row is read, so that a bad one is never met later, whatever the limit.
void each_row_document(const Task& task, const std::string& split, const DataRoot& root, int64_t limit,
                       const std::function<void(Document)>& document) {
  const Transform* transform = nullptr;
  if (!task.process_docs.empty()) {
    transform = find_transform(task.process_docs);
    ASSAY_ASSERT(transform, "the loader lets no unknown process_docs through");
  }
  const std::vector<std::string> files = files_of_split(task, split, root);
  const std::vector<std::string> names = file_labels(files);
  int64_t count = 0;
  for (size_t f = 0; f < files.size(); ++f) {
    size_t rows = 0;
    const auto take = [&](DataRow row) {
      const size_t number = rows++;
      if (!is_wanted_row(task.data, split, static_cast<int64_t>(number))) return;
      if (transform && !transform->apply(row.fields, row.where)) return;
      ++count;
      if (limit > 0 && count > limit) return;
      document({split + "/" + names[f] + "/" + std::to_string(number), std::move(row.fields)});
    };
    if (task.data.labels.count(split)) {
      for (DataRow& row : labelled_rows(task, split, root, files[f])) take(std::move(row));
    } else {
      read_data_file(files[f], task.data, take);
    }
  }
  if (count == 0) {
    throw_input(files.empty() ? task.file : files.front(),
                "the split \"" + split + "\" of " + task.key() + " is empty");
  }
}

}  // namespace

void each_document(const Task& task, const std::string& split, const DataRoot& root, int64_t limit,
                   const std::function<void(Document)>& document) {
  if (task.form_of) {
    for (Document& one : load_documents(task, split, root, limit)) document(std::move(one));
  } else {
    each_row_document(task, split, root, limit, document);
  }
}

std::vector<Document> load_documents(const Task& task, const std::string& split, const DataRoot& root, int64_t limit) {
  std::vector<Document> documents;
  each_row_document(task, split, root, limit, [&](Document one) { documents.push_back(std::move(one)); });
  if (task.form_of) documents = form_documents(task, std::move(documents), split == task.test_split);
  return documents;
}

std::vector<std::string> document_files(const Task& task, const std::string& split, const DataRoot& root) {
  if (reads_given_texts(task)) return given_texts(root);
  std::vector<std::string> files;
  auto it = task.data.files.find(split);
  if (it == task.data.files.end()) return {};
  for (const std::string& path : it->second) {
    const std::vector<std::string> found = find_files(task.data, path, root);
    if (found.empty()) return {};
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace assay
