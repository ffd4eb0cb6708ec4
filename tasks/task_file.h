// Task files -> Task and TaskGroup: the registry that `--tasks` selects from.
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// All tasks and groups known to a run.
struct TaskRegistry {
  std::vector<Task> tasks;        // in order of file name, then of appearance; audit forms behind them
  std::vector<TaskGroup> groups;  // tags included, with aggregate = false

  const Task* find_task(const std::string& key) const;
  const TaskGroup* find_group(const std::string& key) const;
};

// What `--tasks` asked for: leaves in a fixed order without repeats, and the groups to be aggregated over them.
struct TaskSelection {
  std::vector<const Task*> tasks;
  std::vector<const TaskGroup*> groups;  // every selected group and the groups inside it, outer first
};

// The built-in task files (compiled into the program from tasks/specs) and those under each `include` folder
// (**/*.yaml, lm-evaluation-harness's layout included; an included task replaces the built-in one of its key). Throws
// Error(kInput) naming file and line for malformed YAML, an unknown field, a template with a syntax error, an include
// cycle, two tasks of one key. What we cannot run (Python, a data set on a hub, a metric of that harness that we lack)
// stays in the registry with Task::unavailable, so that a whole folder of that harness can be included.
TaskRegistry load_registry(const std::vector<std::string>& include_folders);

// One task file, for `assay tasks --validate`: what it defines, its members in other files of its folder found but left
// out. Throws as load_registry does, and for anything unavailable.
TaskRegistry load_task_file(const std::string& path);

// What `--tasks FILE.yaml` stands for: the keys of the file's outermost groups, or of its tasks where it has no group,
// separated by commas. Throws as load_task_file does.
std::string names_in_task_file(const std::string& path);

// Comma-separated names: tasks, groups, tags, globs, each with an optional "@convention" (default: deepseek where it
// exists, else the only one there is). A name that matches nothing is an Error(kInput) that offers the nearest names;
// so is an unavailable task or group that was named, or is a member of a group that was; globs and tags pass it over
// unless nothing else is left.
TaskSelection select_tasks(const TaskRegistry& registry, const std::string& names);

}  // namespace assay
