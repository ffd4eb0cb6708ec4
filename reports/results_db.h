// The report database: one SQLite file in write-ahead mode, and all the SQL that reads and writes it.
//
// Durability. Responses are collected in memory and written by one thread in one short transaction at least every half
// second, so a response is on disk within a second of its arrival, and a second run on the same file never waits long.
// Everything else is written in one transaction a call. A process killed at any moment loses at most the last half
// second of responses, which the resumed run asks for again.
//
// Every function throws Error(kWorld) with the file's path when the disk is full, the file read-only or locked for more
// than 30 s; the file stays valid. All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/program_runner.h"
#include "core/records.h"
#include "reports/aggregate.h"
#include "reports/report.h"
#include "reports/stored_json.h"

namespace assay {

struct CheckpointRecord {
  std::string identity, label, model, weights_hash, tokenizer_hash, numerics;
  std::optional<int64_t> step;
};

struct RunRecord {
  std::string run_key;  // equal keys = the same run
  CheckpointRecord checkpoint;
  Json settings;         // object
  std::string software;  // "assay 0.1.0"
};

// A task or group as a run has it.
struct TaskRecord {
  int position = 0;
  std::string task, convention, alias;
  bool is_group = false;
  int depth = 0;
  int version = 1;
  std::optional<int> shots;
  std::string headline;   // metric
  std::string weighting;  // groups: "items" or "members"
  std::string note;
  std::string definition;  // hash
};

// One item of a task in a run: its prompt and its requests with their hashes.
struct ItemRecord {
  int64_t position = 0;
  Prompt prompt;
  std::vector<Request> requests;
  std::vector<std::string> request_hashes;  // one each
};

// An item read back, for scoring again and for `samples`.
struct StoredItem {
  int64_t position = 0;
  Prompt prompt;  // messages are not kept; context is whole
  std::vector<Request> requests;
  std::vector<std::optional<Response>> responses;  // one a request
  std::vector<std::string> request_hashes;         // one a request
};

// What a judge is asked about one answer of a run.
struct JudgeQuestionRecord {
  int64_t position = 0;
  int part = 0;
  std::string presentation = "single";
  int64_t against = 0;  // run; 0 = no pair
  std::string request_hash, prompt_version;
  bool canonical = false;
};

// A judge's word. Its key: response, sample, judge, judge_version, prompt_version, presentation, repetition.
struct Judgement {
  std::string request_hash;
  int sample = 0;
  std::string judge, judge_version, prompt_version, presentation;
  int repetition = 0;
  std::optional<double> score;
  std::string label, problem, text, answered_by;
  int prompt_tokens = 0, completion_tokens = 0;
};

// A person's label.
struct Grade {
  std::string request_hash, task, annotator, label, note;
};

// An item's score under one metric and filter.
struct ItemScore {
  int64_t position = 0;
  std::string item;
  double value = 0, weight = 1;
  std::string cluster;  // empty: on its own
};

// What an item's first request was, to be compared with another run's.
struct ItemIdentity {
  int64_t position = 0;
  std::string item;
  int64_t content = 0;        // equal numbers: the same prompt, choices and golds
  int64_t prompt_tokens = 0;  // 0: not answered
  std::string answer;         // raw, JSON
};

struct StoredRun {
  int64_t id = 0;
  std::string label;
  Json settings;
  bool complete = false;
};

// What became of a checkpoint that `assay watch` met.
struct WatchedCheckpoint {
  std::string fingerprint;  // of its files
  std::string path, state;  // state: scored, incomplete, failed
  std::string reason;
  std::optional<int64_t> run;
};

// An audit that was asked for.
struct StoredAudit {
  std::string checkpoint, against;  // labels; against: empty = none
  Json scope;                       // docs/formats/audit.md
};

// What a run was made of, for people.
struct RunFacts {
  int64_t id = 0;
  CheckpointRecord checkpoint;
  std::string software, started, finished;  // times in UTC, ISO 8601; finished: empty while it goes on
  bool complete = false;
  Json settings, stats;
  int64_t requests = 0, answered = 0;  // of an incomplete run; else both 0
};

class ResultsDb {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens; kReadWrite creates the file and migrates an older schema forward, kReadOnly needs both to be done already.
  // Throws Error(kInput) when it is not a database of ours, has a newer schema, or (kReadOnly) does not exist.
  static std::unique_ptr<ResultsDb> open(const std::string& path, Mode mode);
  // Writes what is still in memory; failures are swallowed here, so call flush() first where they matter.
  ~ResultsDb();

  // The run of this key: made, or found again (then `complete` is taken back until finish_run).
  int64_t begin_run(const RunRecord& run);
  // Replaces what the run had under this task, but responses.
  void put_task(int64_t run, const TaskRecord& task);
  void put_items(int64_t run, const TaskRecord& task, const std::vector<ItemRecord>& items);
  // As above, without a copy of the items: each is asked for once, in order, and let go.
  void put_items(int64_t run, const TaskRecord& task, size_t count, const std::function<ItemView(size_t)>& item_at);

  // Responses known for any of these hashes, from whatever run.
  std::unordered_map<std::string, Response> known_responses(const std::vector<std::string>& hashes);
  // The same by place, for many.
  std::vector<std::pair<size_t, Response>> known_among(size_t count, const std::function<std::string(size_t)>& hash_at);
  // Lengths in tokens of texts that were generated for this task, in the last complete run of it but `run`.
  std::vector<int> text_lengths(const std::string& task, const std::string& convention, int64_t run);
  // Queues a response; returns at once, unless very many wait that the disk did not take yet. The first of two
  // with one hash stays. kFailed ones are not stored: a lost request is asked again. It is on disk within a second, and
  // with `soon` as quickly as the disk takes it. Throws what the writing thread ran into.
  void store_response(std::string request_hash, Response response, bool soon = false);
  // Returns when everything queued is on disk. Throws what the writing thread ran into.
  void flush();

  // Replaces the task's scores and numbers in this run.
  void put_scores(int64_t run, const std::string& task, const std::string& convention,
                  const std::vector<std::vector<Score>>& scores_by_position);
  // Replaces what became of the task's programs in this run: [position][sample], nothing where there was no program.
  void put_verdicts(int64_t run, const std::string& task, const std::string& convention,
                    const std::vector<std::vector<std::optional<ProgramOutcome>>>& outcomes);
  // By position of the item, in order of sample.
  std::map<int64_t, std::vector<SampleProgram>> programs_of(int64_t run, const std::string& task,
                                                            const std::string& convention);
  void put_aggregates(int64_t run, const std::string& task, const std::string& convention,
                      const std::vector<Aggregate>& aggregates);
  void finish_run(int64_t run, bool complete, const Json& stats);

  // Replaces what is known of this fingerprint.
  void put_watched(const WatchedCheckpoint& one);
  std::vector<WatchedCheckpoint> watched();

  // Reading.
  // Runs whose id, label or settings' name is `selector`; empty selector = all. In order of id.
  std::vector<StoredRun> find_runs(const std::string& selector);
  std::vector<TaskRecord> tasks_of(int64_t run);
  // Items at the positions [first, last] of a task.
  std::vector<StoredItem> items_of(int64_t run, const std::string& task, const std::string& convention,
                                   int64_t first = 0, int64_t last = INT64_MAX);
  std::vector<std::vector<Score>> scores_of(int64_t run, const std::string& task, const std::string& convention);
  // Judging. Questions replace those of the run, task and `against`.
  void put_judge_questions(int64_t run, const std::string& task, const std::string& convention, int64_t against,
                           const std::vector<JudgeQuestionRecord>& questions);
  std::vector<JudgeQuestionRecord> judge_questions_of(int64_t run, const std::string& task,
                                                      const std::string& convention);
  // On disk when it returns. The first of two with one key stays.
  void store_judgement(const Judgement& judgement);
  // All words on this response, of whatever judge, in order of judge, question and repetition.
  std::vector<Judgement> judgements_of(const std::string& request_hash);
  // The later of two by one annotator on one answer stays.
  void put_grades(const std::vector<Grade>& grades);
  std::vector<Grade> grades_of(const std::string& task);

  // For comparisons: what was answered under one metric and filter (missing ones left out), in order of position.
  std::vector<ItemScore> item_scores(int64_t run, const std::string& task, const std::string& convention,
                                     const std::string& metric, const std::string& filter);
  std::vector<ItemIdentity> item_identities(int64_t run, const std::string& task, const std::string& convention);

  // Rows of a report over the given runs, in order of run and task position; audit forms only where asked for.
  std::vector<ReportRow> report_rows(const std::vector<int64_t>& runs, bool audit_forms = false);
  // Takes back that checkpoints at this path had failed: it has been scored since.
  void forget_failed(const std::string& path);
  // Replaces an earlier one of the same pair. In order of their last time.
  void put_audit(const StoredAudit& audit);
  std::vector<StoredAudit> audits();
  std::vector<RunFacts> run_facts(const std::vector<int64_t>& runs);
  // Changes whenever another program has written to the file since the last call.
  int64_t data_version();

  const std::string& path() const;

 private:
  struct Implementation;
  explicit ResultsDb(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace assay
