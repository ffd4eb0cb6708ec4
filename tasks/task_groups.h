// Groups of tasks: read from their files first, tied to their members once all files are read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tasks/task.h"
#include "tasks/task_config.h"
#include "tasks/task_file.h"

namespace assay {

// A group whose members are still names.
struct GroupDraft {
  struct Member {
    std::string name;  // "name" or "name@convention"
    ConfigNode place;
    bool is_override;  // `place` is a map of fields to put over those of task `name`
  };
  TaskGroup group;
  bool has_convention = false;  // said in the file, or built-in
  std::vector<Member> members;
};

// The groups of a file with `foreach`: the outer one, after its subgroups. `tasks` holds each task and its config.
struct ForeachTask {
  const TaskConfig* config;
  const Task* task;
};
std::vector<GroupDraft> read_foreach_groups(const std::vector<ForeachTask>& tasks);

// The groups of a file whose `task` is a list: nested ones, then the outer one.
std::vector<GroupDraft> read_group_file(const TaskConfig& config);

// Turns names into keys, adds tasks that group files define by overriding (`configs`: task key -> config) to the
// registry, and the tags of all tasks. A member that nobody defines, or that is unavailable, makes its group
// unavailable.
void tie_groups(std::vector<GroupDraft> drafts, const std::map<std::string, TaskConfig>& configs,
                TaskRegistry& registry);

}  // namespace assay
