// Reports: rows read from the database -> text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/records.h"

namespace assay {

// One number of a run.
struct ReportRow {
  int64_t run = 0;
  std::string checkpoint;
  std::optional<int64_t> step;
  std::string task, convention, alias;
  bool is_group = false;
  int depth = 0;  // 1 = shown inside a group
  int version = 1;
  std::optional<int> shots;
  std::string metric, filter, headline;
  bool higher_is_better = true;
  std::optional<double> value, stderr_;  // absent: no item was scored; no error can be given
  int64_t n = 0, unparsed = 0, missing = 0;
  int64_t units = 0;      // independent items among the n: clusters, or the items again; 0: not known, as many as n
  std::string weighting;  // groups: "items" or "members"
  std::string note;       // how the task differs from the protocol it is named after
  bool complete = true;   // of the run
};

struct ReportOptions {
  bool headline_only = true;  // one row a task, not every metric
  bool with_members = true;   // rows of tasks inside groups too
};

// A way to print rows. New ones: a function in <name>_report.cc and a row in report_table.cc.
struct ReportFormat {
  const char* name;  // "table", "markdown", "csv", "json", "lm-eval"
  std::string (*render)(const std::vector<ReportRow>& rows, const ReportOptions& options);
};
const ReportFormat* find_report_format(const std::string& name);
std::vector<std::string> report_format_names();

std::string render_table(const std::vector<ReportRow>& rows, const ReportOptions& options);
std::string render_markdown(const std::vector<ReportRow>& rows, const ReportOptions& options);
std::string render_csv(const std::vector<ReportRow>& rows, const ReportOptions& options);
std::string render_json(const std::vector<ReportRow>& rows, const ReportOptions& options);
// Judged tasks with their categories, and what the judging is worth; see judged_report.cc.
std::string render_judged(const std::vector<ReportRow>& rows, const ReportOptions& options);
// lm-evaluation-harness's results table, column for column: Tasks (and Groups), Version, Filter, n-shot, Metric, arrow,
// Value, plus-minus, Stderr.
std::string render_lm_eval(const std::vector<ReportRow>& rows, const ReportOptions& options);

// lm-evaluation-harness's results JSON (results_*.json) of one run; Error(kInput) where there are several.
std::string render_lm_eval_json(const std::vector<ReportRow>& rows, const ReportOptions& options);
// The `model-index` block of a Hugging Face model card, YAML: one entry a checkpoint.
std::string render_model_index(const std::vector<ReportRow>& rows, const ReportOptions& options);

// What a judge said about one answer of an item.
struct SampleWord {
  std::string judge, order;     // order: "single"; pairs: "a-first", "b-first"
  int part = 0;                 // of the item's answers (turn)
  std::optional<double> score;  // absent: `problem` says why
  std::string label, problem, text;
};

// What became of the program in one of an item's texts.
struct SampleProgram {
  int sample = 0;
  std::string verdict, reason, output;  // output: head and tail
};

// One item with everything that led to its scores.
struct Sample {
  std::string task, convention;
  int64_t doc_id = 0;  // position of the item in the task
  Prompt prompt;
  std::vector<Request> requests;
  std::vector<std::optional<Response>> responses;
  std::vector<Score> scores;
  std::vector<SampleWord> words;
  std::vector<SampleProgram> programs;
};

// format: table, jsonl, lm-eval-jsonl. Throws Error(kInput) for another.
std::string render_samples(const std::vector<Sample>& samples, const std::string& format);

}  // namespace assay
