// The audit: which forms of which tasks, the runs that lack are made, and what the database then holds for them.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "harness/run_config.h"
#include "reports/audit.h"
#include "reports/results_db.h"
#include "tasks/task_file.h"

namespace assay {

struct AuditConfig {
  // places, backend, limit, seed, num_fewshot of the runs that are made; tasks: empty = the tasks with an audit block
  // that the checkpoint has been scored on; model: the checkpoint's, empty = as stored with its runs
  RunConfig run;
  std::string subject;        // A: run id, label, a checkpoint's path, or published:MODEL (then B too)
  std::string against;        // B; empty = none
  std::string against_model;  // as run.model, for B
  // Files or folders of text that A was trained on: .jsonl (the strings of each object are one document), any other
  // name is one document of plain text. Empty: not known.
  std::vector<std::string> training_text;
};

// Runs what is missing, then reads and judges, and notes in the database that this pair was asked for. Throws
// Error(kInput) where a label is not known and no model is given, or no task can be audited.
AuditResult audit_checkpoint(const AuditConfig& config, const AuditRules& rules, const std::atomic<bool>& cancelled);

// Which of the stored answers an audit looks at: those to these tasks, from runs with these settings.
struct AuditScope {
  std::vector<std::string> tasks;  // keys; held-out exams too. Empty: all.
  int64_t limit = 0;               // 0 = all items
  uint64_t seed = 1234;
  std::optional<int> num_fewshot;
};
// {tasks, limit, seed, num_fewshot}, as in the database.
Json to_json(const AuditScope& scope);
AuditScope read_audit_scope(const Json& json);

// What the database holds for a checkpoint's audit forms: the newest run of each task and form, in the scope where one
// is given. Empty parts are left out.
AuditSubject audit_subject(ResultsDb& db, const TaskRegistry& registry, const std::string& label,
                           const std::optional<AuditScope>& scope = std::nullopt);

// Looks the subject's items up in the texts at `paths` (AuditConfig::training_text) and notes which stand there.
// Throws Error(kInput) for a path that is not there or a bad line.
void look_up_in_training_text(ResultsDb& db, const TaskRegistry& registry, const std::vector<std::string>& paths,
                              const std::optional<AuditScope>& scope, AuditSubject& subject);

}  // namespace assay
