// The task files that stored runs were made with, found again from any folder.
#pragma once

#include <string>
#include <vector>

#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace assay {

// What a run stores of a path: absolute and without links where it is there, else as it was given (a server's model).
std::string stored_path(const std::string& path);

struct StoredRegistry {
  TaskRegistry registry;
  std::vector<std::string> include;  // the folders that it was read from
  std::vector<std::string> notes;    // which folders were left out, and why
};

// The built-in tasks with those of `include`; where that is empty, with those of the folders that the runs were given.
// For numbers that are there without their files: a stored folder that is gone or contradicts the others is left out.
// Throws Error(kInput) only for folders in `include`.
StoredRegistry registry_of_runs(const std::vector<StoredRun>& runs, const std::vector<std::string>& include);

}  // namespace assay
