// Responses -> scores -> numbers, for a run and for `assay score`: needs tasks and a database, never a model.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "harness/execution.h"
#include "reports/aggregate.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace assay {

// An item with what came back for it; `responses` in order of part.
struct AnsweredItem {
  Prompt prompt;
  std::vector<std::optional<Response>> responses;
  std::vector<std::optional<ProgramOutcome>> outcomes;  // tasks with programs: one a sample
};

// Turns of a conversation that were never asked are missing like those that were not answered.
void note_unasked_turns(AnsweredItem& item);

struct TaskScores {
  std::vector<std::vector<Score>> by_position;
  std::vector<Aggregate> aggregates;          // one a metric and filter
  int64_t missing = 0;                        // items without an answer
  int64_t too_long = 0;                       // of these, those that did not fit the context
  int64_t truncated = 0;                      // items whose prompt was cut
  int64_t programs = 0, inline_programs = 0;  // programs run; those whose tests ran in the same process
  std::string sandbox;                        // mode that they ran in
  std::string not_installed;                  // the tool that is missing
};

// Items in order of position, each made when it is asked for: a long run is never in memory twice.
struct ItemSource {
  size_t count = 0;
  std::function<AnsweredItem(size_t)> at;
};

// The label of an item's cluster, from the column that the task names; empty: none. `fields`: of its document.
std::string cluster_of(const Task& task, const PackedJson& fields);

TaskScores score_task(const Task& task, const ItemSource& items);

// Numbers of one group from those of its members (keys "name@convention" -> numbers). Only metrics that every member
// has. In the lm-eval convention, as there, from the tasks inside it, however deep, and a metric that the group names
// from those of them that have it.
std::vector<Aggregate> score_group(const TaskGroup& group, const TaskRegistry& registry,
                                   const std::map<std::string, std::vector<Aggregate>>& numbers);

// The rows that a report shows for a selection, groups before their members, in order of position.
std::vector<TaskRecord> task_records(const TaskSelection& selection, const TaskRegistry& registry,
                                     const std::optional<int>& num_fewshot);

// Scores every task that the stored run has, again, with today's patterns and metrics, and its groups.
// Answers that are programs are run by `execution`; where it is null, tasks that have any keep their stored scores.
// Throws Error(kInput) when a task of the run is not in the registry any more. Gives the number of missing items.
// `in_memory`: the items of a task that need not be read from the database; nothing = read them.
using ItemsInMemory = std::function<std::optional<ItemSource>(const Task& task)>;
int64_t score_stored_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, ProgramExecution* execution,
                         const std::atomic<bool>& cancelled, const ItemsInMemory& in_memory = {});

// The task files of a stored run: the given folders, or where there are none those it was made with.
TaskRegistry load_registry_of(const StoredRun& run, std::vector<std::string> include);

// Whether any task of the stored run has answers that are programs.
bool has_programs(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry);

}  // namespace assay
