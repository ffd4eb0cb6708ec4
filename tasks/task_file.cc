#include "tasks/task_file.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/audit_forms.h"
#include "tasks/embedded_specs.h"
#include "tasks/task_config.h"
#include "tasks/task_fields.h"
#include "tasks/task_groups.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool is_built_in(const std::string& file) {
  return starts_with(file, kBuiltIn);
}

class RegistryLoader {
 public:
  void add_built_in() {
    for (const EmbeddedSpec& spec : embedded_specs()) add_file(std::string(kBuiltIn) + std::string(spec.path));
  }

  void add_folder(const std::string& folder) {
    for (const std::string& file : task_files_in(folder)) add_file(file);
  }

  // Every file once. False for a file that only others include.
  bool add_file(const std::string& path) {
    const std::string file = fs::path(path).lexically_normal().string();
    const std::string identity = is_built_in(file) ? file : one_name(file);
    if (files_.count(identity)) return true;
    const TaskConfig config = load_config(file);
    if (!config.field("task") && !config.field("group")) return false;
    files_.insert(identity);
    const auto task = config.field("task");
    if (task && task->json().is_array()) {
      append(read_group_file(config));
    } else {
      check_field_names(config);
      add_tasks(config);
    }
    return true;
  }

  TaskRegistry finish() {
    tie_groups(std::move(groups_), configs_, registry_);
    return std::move(registry_);
  }

 private:
  // A file has one name here, however its folder was given: relative, absolute, through a link.
  static std::string one_name(const std::string& file) {
    std::error_code problem;
    const fs::path whole = fs::canonical(file, problem);
    return problem ? file : whole.string();
  }

  static std::vector<std::string> task_files_in(const std::string& folder) {
    std::error_code problem;
    std::vector<std::string> files;
    for (fs::recursive_directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
      const fs::path& path = it->path();
      std::error_code ignored;
      if (path.filename().string()[0] == '.') {
        if (it->is_directory(ignored)) it.disable_recursion_pending();
      } else if (path.extension() == ".yaml" && it->is_regular_file(ignored)) {
        files.push_back(path.string());
      }
    }
    if (problem) throw_input(folder, "cannot list the folder of task files: " + problem.message());
    std::sort(files.begin(), files.end());
    return files;
  }

  void append(std::vector<GroupDraft> drafts) {
    for (GroupDraft& draft : drafts) groups_.push_back(std::move(draft));
  }

  void add_tasks(const TaskConfig& config) {
    const std::vector<TaskConfig> configs = expand_foreach(config);
    std::vector<Task> tasks;
    for (const TaskConfig& one : configs) {
      auto name = one.field("task");
      if (!name) throw_input(config.path, "defines no task: `task` is missing");
      tasks.push_back(read_task(one, name->text()));
    }
    if (config.field("foreach")) {
      std::vector<ForeachTask> pairs;
      for (size_t i = 0; i < tasks.size(); ++i) pairs.push_back({&configs[i], &tasks[i]});
      append(read_foreach_groups(pairs));
    } else if (auto subgroup = config.field("subgroup")) {
      subgroup->fail("stands only beside foreach");
    } else if (auto group = config.field("group"); group && group->json().is_object()) {
      group->fail("a map stands only beside foreach");
    }
    for (size_t i = 0; i < tasks.size(); ++i) add_task(std::move(tasks[i]), configs[i]);
  }

  // Included tasks replace built-in ones, available ones those that are not.
  void add_task(Task task, const TaskConfig& config) {
    const std::string key = task.key();
    auto [it, is_new] = places_.emplace(key, registry_.tasks.size());
    if (is_new) {
      configs_.insert_or_assign(key, config);
      registry_.tasks.push_back(std::move(task));
      return;
    }
    Task& old = registry_.tasks[it->second];
    if (!task.unavailable.empty()) return;
    if (old.unavailable.empty() && is_built_in(old.file) == is_built_in(task.file)) {
      throw_input(task.file, "the task " + key + " is defined twice: also in " + old.file);
    }
    configs_.insert_or_assign(key, config);
    old = std::move(task);
  }

  std::set<std::string> files_;
  std::vector<GroupDraft> groups_;
  std::map<std::string, TaskConfig> configs_;  // task key -> what it was read from
  std::map<std::string, size_t> places_;       // task key -> index into registry_.tasks
  TaskRegistry registry_;
};

template <typename Entry>
std::vector<Entry> only_of_file(std::vector<Entry> entries, const std::string& file) {
  std::erase_if(entries, [&](const Entry& entry) { return entry.file != file; });
  for (const Entry& entry : entries) {
    if (!entry.unavailable.empty()) throw_input(entry.key(), "cannot be run: " + entry.unavailable);
  }
  return entries;
}

}  // namespace

TaskRegistry load_registry(const std::vector<std::string>& include_folders) {
  RegistryLoader loader;
  loader.add_built_in();
  for (const std::string& folder : include_folders) loader.add_folder(folder);
  TaskRegistry registry = loader.finish();
  add_audit_forms(registry);
  return registry;
}

TaskRegistry load_task_file(const std::string& path) {
  const std::string file = fs::path(path).lexically_normal().string();
  RegistryLoader loader;
  if (!loader.add_file(file)) throw_input(file, "defines no task: `task` is missing");
  const auto task = load_config(file).field("task");
  if (task && task->json().is_array()) {  // a group file: its members are defined elsewhere
    const std::string folder = fs::path(file).parent_path().string();
    loader.add_built_in();
    loader.add_folder(folder.empty() ? "." : folder);
  }
  TaskRegistry all = loader.finish();
  return {only_of_file(std::move(all.tasks), file), only_of_file(std::move(all.groups), file)};
}

std::string names_in_task_file(const std::string& path) {
  const TaskRegistry file = load_task_file(path);
  std::set<std::string> inner;
  for (const TaskGroup& group : file.groups) inner.insert(group.members.begin(), group.members.end());
  std::vector<std::string> names;
  for (const TaskGroup& group : file.groups) {
    if (group.aggregate && !inner.count(group.key())) names.push_back(group.key());
  }
  for (const Task& task : file.tasks) {
    if (!inner.count(task.key())) names.push_back(task.key());
  }
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ",") + name;
  return all;
}

}  // namespace assay
