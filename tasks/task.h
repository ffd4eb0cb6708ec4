// A task: which documents, how they are shown to a model, and how answers are judged. All of it is data, read from one
// YAML file (docs/formats/task_file.md). Field names are lm-evaluation-harness's wherever the meaning is the same, so
// its pure-YAML tasks load as they are.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/program_runner.h"
#include "core/records.h"

namespace assay {

enum class OutputType {
  kMultipleChoice,  // log-likelihood of each choice after the context
  kLoglikelihood,   // log-likelihood of the one target
  kRolling,         // log-likelihood of a whole text ("loglikelihood_rolling")
  kGenerate,        // free text ("generate_until")
};

// Where documents come from and how their files are read.
struct DataSpec {
  std::string source;  // name in the catalogue of distributions that `assay fetch` knows; empty = local files only
  std::string format;  // a row of the format table in documents.cc: json jsonl csv tsv text hellaswag_text ...
  std::vector<std::string> columns;  // names for headerless csv/tsv; empty = first row is the header
  std::map<std::string, std::vector<std::string>> files;  // split -> paths (globs allowed), relative to `base`
  // Folder that relative paths start from: empty = the data folder (--data); else the folder of the task file.
  std::string base;
  bool in_current_folder = false;  // relative paths that are in neither are looked for there, as `dataset_path` does
  std::string rows_at;             // json: pointer to the list of rows, e.g. "/examples"; empty = the top
  std::map<std::string, std::pair<int64_t, int64_t>> rows;  // split -> half-open range of rows; absent = all
  // split -> file whose lines are the rows' labels, for data sets that ship them apart; the rows get a column `label`.
  std::map<std::string, std::string> labels;
  // As the loaders behind lm-eval's `dataset_path` do. csv, tsv: columns of numbers give numbers, empty cells null;
  // json: every row has every column, null where it has none.
  bool typed_columns = false;
};

// How one field of a document is turned into text: exactly one of these.
struct FieldTemplate {
  enum class Kind { kAbsent, kColumn, kTemplate, kList, kInteger };
  Kind kind = Kind::kAbsent;
  // kColumn: its name (convention lm-eval: a document without that column gives this text itself); kTemplate: Jinja
  // source
  std::string text;
  std::vector<std::string> list;  // kList: each a Jinja source
  bool is_literal = false;        // kList: the texts are what they are, no templates
  int integer = 0;                // kInteger
};

struct FewshotSpec {
  int count = 0;  // num_fewshot
  // `num_fewshot: 0` of a file written for lm-evaluation-harness stands whatever the command line asks for, as there.
  bool always_zero = false;
  // Convention lm-eval: whether an item is kept out of its own examples, by that harness's rule (tasks/fewshot.h).
  // Everywhere else it always is.
  bool guards_item = true;
  std::string split;  // where shots are taken from
  enum class Sampler { kFirstN, kStableHash, kLmEvalRandom, kSameCluster } sampler = Sampler::kFirstN;
  std::vector<int> indices;   // fixed rows of the split, in this order; overrides the sampler
  std::vector<Json> samples;  // shots written in the task file; overrides split
  // Overrides for shots only; absent = as the item's own.
  FieldTemplate doc_to_text, doc_to_target, doc_to_choice;
};

// One step of an answer filter: a row of the table in extract.cc with its options.
struct FilterStep {
  std::string function;  // "regex", "take_first", "remove_whitespace", "multi_choice_regex", "majority_vote", ...
  Json options = Json::object();
};
struct FilterPipeline {
  std::string name = "none";
  std::vector<FilterStep> steps;
  int version = 1;  // of the pattern: stored with every score
};

// How the log-likelihoods of choices are made comparable before the largest wins.
enum class Normalization { kNone, kToken, kByte, kCharacter, kUnconditional };

struct MetricSpec {
  std::string metric;       // a row of the table in metrics.cc
  std::string aggregation;  // "mean", "bits_per_byte", ...; empty = the metric's default
  bool higher_is_better = true;
  std::optional<Normalization> normalization;  // multiple choice: overrides the metric's own (acc_norm: characters)
  Json options = Json::object();               // exact_match: ignore_case, ignore_punctuation, regexes_to_ignore, ...
};

// Answers that are programs: how one becomes a job (core/program_runner.h). The texts are Jinja over the document's
// fields and `answer`, the text that the first filter leaves; all but `text` may be empty.
struct ProgramSpec {
  Language language = Language::kPython;
  std::string text, tests, setup, entry_point, stub;
  ProgramMode mode = ProgramMode::kSplit;
  std::string name;                       // names an item in `inline_items`
  std::vector<std::string> inline_items;  // these run inline, whatever `mode` is
  ProgramLimits limits;
  std::vector<std::string> preload;  // Python modules
};

// Where the parts of an item stand in its document, so that it can be asked in other forms (tasks/audit_forms.h).
struct AuditSpec {
  FieldTemplate question;       // a column's name where `solution` is given
  FieldTemplate options;        // multiple choice: a list of texts, in the order of the task's own
  std::string solution;         // word problems: the column of the worked solution; else empty
  std::string language = "en";  // of the forms' wording: "en" or "zh"
};

// An exam that cannot have been practised, beside public benchmarks of the same skill (reports/audit.h).
struct HeldOutSpec {
  std::vector<std::string> beside;  // tasks
  std::string date, stratum;        // columns: when the item became public (compared as text), its difficulty; or empty
};

// Published rows that this task stands for (baselines).
struct PublishedRow {
  std::string benchmark, metric, method, source;
  std::optional<int> shots;
};

struct Task {
  std::string name;                     // "mmlu_anatomy"
  std::string convention = "deepseek";  // "deepseek", "lm-eval", ...; "mmlu_anatomy@lm-eval" names both
  std::string alias;                    // shown name; empty = name
  std::vector<std::string> tags;
  std::string suite;  // folder under specs/, or "included"
  std::string file;   // for messages: the task file
  int version = 1;    // metadata.version
  std::string note;   // shown beside the number: what differs from the original protocol

  DataSpec data;
  std::string test_split;    // the items
  std::string process_docs;  // a row of the table in transforms.cc; empty = none

  OutputType output_type = OutputType::kGenerate;
  std::string description;  // Jinja
  FieldTemplate doc_to_text, doc_to_target, doc_to_choice;
  std::string target_delimiter = " ";
  std::string fewshot_delimiter = "\n\n";
  std::string gen_prefix;  // Jinja
  // Multiple choice whose choices are contexts and whose target is the one shared continuation (WinoGrande).
  // As in lm-evaluation-harness doc_to_text then gives the gold index.
  bool reversed = false;
  std::string unconditional_context;  // neutral context of Normalization::kUnconditional
  bool truncate_left = false;         // prompts longer than the context are cut from the left, and counted

  FewshotSpec fewshot;
  GenerateSettings generation;
  // Conversations: what is asked after each answer (Jinja, "{{turns[1]}}").
  std::vector<std::string> next_turns;
  // Sampling temperature by a field of the document ("category" -> value); empty = generation.temperature for all.
  std::string temperature_field;
  std::map<std::string, double> temperatures;
  // How a judge grades the answers: a row of the table in tasks/judge/protocol.cc; empty = nobody judges.
  std::string judge;
  std::vector<FilterPipeline> filters;  // never empty for kGenerate: "none" with take_first
  std::vector<MetricSpec> metrics;      // the first is the task's headline
  std::string cluster;  // column whose value items share that are not independent: a passage, a stem; empty = none
  std::optional<ProgramSpec> program;  // generated answers that are run
  // Generated answers: name -> Jinja; the numbers of the first filter apart for each value that the text takes.
  std::vector<std::pair<std::string, std::string>> by;
  std::optional<AuditSpec> audit;       // items that can be asked in other forms
  std::optional<HeldOutSpec> held_out;  // an exam of the audit's
  std::shared_ptr<const Task> form_of;  // an audit form: the task that it was made from; else null
  std::vector<PublishedRow> published;
  bool word_counts = false;  // kRolling: unused by scores, kept for lm-eval's word_perplexity

  // Why this task can be listed but not run ("`!function utils.f` needs Python", a data set on a hub); empty = it can.
  // When set, only name, convention, alias, tags, suite, file, version and output_type are filled.
  std::string unavailable;

  // "mmlu_anatomy@deepseek": unique in a registry.
  std::string key() const { return name + "@" + convention; }
};

// Several tasks reported together.
struct TaskGroup {
  std::string name;  // "mmlu"
  std::string convention = "deepseek";
  std::string alias;
  std::vector<std::string> members;  // keys of tasks or of groups, in the order of the file
  bool weight_by_size = true;        // true: mean over items (micro); false: mean over members (macro)
  std::vector<std::string> metrics;  // empty = those that all members share
  bool aggregate = true;             // false: a tag, it only selects
  std::vector<PublishedRow> published;
  int version = 1;
  std::string suite, file, note;
  std::string unavailable;  // as in Task: a member that nobody defines, an aggregation in Python

  std::string key() const { return name + "@" + convention; }
};

}  // namespace assay
