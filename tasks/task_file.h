// Task files -> Task and TaskGroup: the registry that `--tasks` selects from.
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// All tasks and groups known to a run.
struct TaskRegistry {
  std::vector<Task> tasks;         // in order of file name, then of appearance
  std::vector<TaskGroup> groups;   // tags included, with aggregate = false

  const Task* find_task(const std::string& key) const;
  const TaskGroup* find_group(const std::string& key) const;
};

// What `--tasks` asked for: leaves in a fixed order without repeats, and the groups to be aggregated over them.
struct TaskSelection {
  std::vector<const Task*> tasks;
  std::vector<const TaskGroup*> groups;  // every selected group and the groups inside it, outer first
};

// The built-in task files (compiled into the program from tasks/specs) and those under each `include` folder
// (**/*.yaml, lm-evaluation-harness's layout included). Throws Error(kInput) naming file and line for malformed YAML, an
// unknown field, an undefined name in a template, an include cycle, two tasks of one key, or a task that needs Python
// (`!function module.name`: named).
TaskRegistry load_registry(const std::vector<std::string>& include_folders);

// One task file, for `assay tasks --validate`: what it defines. Throws as load_registry does.
TaskRegistry load_task_file(const std::string& path);

// Comma-separated names: tasks, groups, tags, globs, each with an optional "@convention" (default: deepseek where it
// exists, else the only one there is). A name that matches nothing is an Error(kInput) that offers the nearest names.
TaskSelection select_tasks(const TaskRegistry& registry, const std::string& names);

}  // namespace assay
