// The fields of one task file -> Task.
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"
#include "tasks/task_config.h"

namespace assay {

// One task; `name` is the value of its field "task". Throws Error(kInput) naming file and line. What only
// lm-evaluation-harness can run is no error: Task::unavailable.
Task read_task(const TaskConfig& config, const std::string& name);

// Error(kInput) for the first field that no task or group has.
void check_field_names(const TaskConfig& config);

// Folder under tasks/specs, or "included".
std::string suite_of(const std::string& path);

// The parts that groups share with tasks.
std::vector<PublishedRow> read_published(const ConfigNode& node);
int read_version(const ConfigNode& node);

}  // namespace assay
