// What `assay compare` puts side by side: runs by id, checkpoints by label, published models.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "reports/comparison.h"
#include "reports/published.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace assay {

struct CompareSide {
  std::string name;  // as it was asked for
  std::vector<StoredRun> runs;
  std::vector<const PublishedNumber*> published;

  bool is_published() const { return !published.empty(); }
};

// "published:MODEL", "published:MODEL@SOURCE", the id of a run, or a checkpoint's label, whose runs are taken together.
// Throws Error(kInput) naming near names. `db` may be null where every side is published.
CompareSide find_side(ResultsDb* db, const std::string& selector);

// Whether a selector needs a database.
bool is_published_selector(const std::string& selector);

// The published rows that a task or group stands for, by its own file or that of its default convention.
std::vector<PublishedKey> published_keys(const TaskRegistry& registry, const std::string& task,
                                         const std::string& convention);

struct CompareScope {
  std::string tasks;     // glob; empty = all
  bool members = false;  // the tasks inside groups too
};

// The comparison with all tests and verdicts. Throws Error(kInput) where the first side has no task in common with any
// other. `registry`: which published rows a task stands for.
Comparison compare_sides(ResultsDb* db, const std::vector<CompareSide>& sides, const TaskRegistry& registry,
                         const CompareScope& scope);

}  // namespace assay
