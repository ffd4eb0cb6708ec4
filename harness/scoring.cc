#include "harness/scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "harness/judge_scores.h"
#include "tasks/fewshot.h"
#include "tasks/metrics.h"
#include "tasks/programs.h"

namespace assay {
namespace {

const MetricSpec& spec_of(const Task& task, const std::string& metric) {
  for (const MetricSpec& spec : task.metrics) {
    if (spec.metric == metric) return spec;
  }
  ASSAY_ASSERT(false, "a score's metric is one of its task's");
}

std::string aggregation_of(const Task& task, const MetricSpec& spec) {
  return spec.aggregation.empty() ? default_aggregation(spec.metric, task.output_type) : spec.aggregation;
}

// What aggregate_scores reads of a score.
Score number_of(const Score& score) {
  Score out;
  out.metric = score.metric, out.filter = score.filter, out.cluster = score.cluster;
  out.outcome = score.outcome, out.value = score.value, out.weight = score.weight;
  return out;
}

// Scores regrouped: (metric, filter) -> scores of all items, in order of first appearance.
std::vector<std::vector<Score>> by_metric(const std::vector<std::vector<Score>>& by_position) {
  std::map<std::pair<std::string, std::string>, size_t> place;
  std::vector<std::vector<Score>> columns;
  for (const auto& scores : by_position) {
    for (const Score& score : scores) {
      auto [it, added] = place.try_emplace({score.metric, score.filter}, columns.size());
      if (added) columns.emplace_back();
      columns[it->second].push_back(number_of(score));
    }
  }
  return columns;
}

// All at once, so that every slot has work; then each item's own.
void run_programs(const Task& task, std::vector<AnsweredItem>& items, ProgramExecution& execution,
                  const std::atomic<bool>& cancelled) {
  std::vector<std::vector<std::optional<ProgramJob>>> jobs;
  for (const AnsweredItem& item : items) jobs.push_back(make_programs(task, item.prompt, item.responses));
  for (const auto& of_item : jobs) execution.prefetch(of_item);
  for (size_t i = 0; i < items.size(); ++i) items[i].outcomes = execution.run(jobs[i], cancelled);
}

std::vector<std::vector<std::optional<ProgramOutcome>>> outcomes_of(const std::vector<AnsweredItem>& items) {
  std::vector<std::vector<std::optional<ProgramOutcome>>> out;
  for (const AnsweredItem& item : items) out.push_back(item.outcomes);
  return out;
}

std::string shown_note(const Task& task, const Json& settings, const TaskScores& scores) {
  std::string out = task.note;
  auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  const auto asked = settings.find("num_fewshot");
  if (task.fewshot.always_zero && asked != settings.end() && asked->is_number_integer() && *asked != 0) {
    add("no examples: the task's file says num_fewshot: 0, which --num-fewshot leaves alone");
  }
  if (scores.too_long > 0) add(fmt::format("{} prompts were longer than the context: missing", scores.too_long));
  if (scores.programs > 0) {
    add(fmt::format("{} programs run in sandbox mode {}, {} of them inline", scores.programs, scores.sandbox,
                    scores.inline_programs));
  }
  if (!scores.not_installed.empty()) add(scores.not_installed + ": missing");
  if (scores.truncated > 0) add(fmt::format("{} prompts were cut from the left to fit the context", scores.truncated));
  return out;
}

}  // namespace

std::string cluster_of(const Task& task, const PackedJson& packed) {
  if (task.cluster.empty()) return "";
  const Json fields = packed.json();
  if (!fields.is_object() || !fields.contains(task.cluster)) return "";
  const Json& value = fields[task.cluster];
  const std::string text = value.is_string() ? value.get<std::string>() : dump_json(value);
  // Passages are long: their hash serves.
  return text.size() <= 40 ? text : sha256_hex(text).substr(0, 16);
}

void note_unasked_turns(AnsweredItem& item) {
  const size_t turns = item.prompt.next_turns.size() + 1;
  if (turns > 1 && item.responses.size() < turns) item.responses.resize(turns);
}

TaskScores score_task(const Task& task, const ItemSource& items) {
  TaskScores out;
  out.by_position.reserve(items.count);
  for (size_t i = 0; i < items.count; ++i) {
    const AnsweredItem item = items.at(i);
    out.by_position.push_back(task.program ? score_programs(task, item.prompt, item.outcomes)
                                           : score_item(task, item.prompt, item.responses));
    const std::string cluster = cluster_of(task, item.prompt.fields);
    for (Score& score : out.by_position.back()) score.cluster = cluster;
    bool missing = false, too_long = false, truncated = false;
    for (const auto& response : item.responses) {
      missing = missing || !response || response->status != ResponseStatus::kAnswered;
      too_long = too_long || (response && response->status == ResponseStatus::kTooLong);
      truncated = truncated || (response && response->truncated);
    }
    for (const auto& outcome : item.outcomes) {
      if (!outcome) continue;
      missing = missing || outcome->verdict == Verdict::kSandboxError || outcome->verdict == Verdict::kNotInstalled;
      ++out.programs;
      out.inline_programs += outcome->mode == ProgramMode::kInline;
      out.sandbox = outcome->sandbox;
      if (outcome->verdict == Verdict::kNotInstalled) out.not_installed = outcome->reason;
    }
    out.missing += missing;
    out.too_long += too_long;
    out.truncated += truncated;
  }
  for (const std::vector<Score>& column : by_metric(out.by_position)) {
    const MetricSpec& spec = spec_of(task, column.front().metric);
    out.aggregates.push_back(aggregate_scores(column, aggregation_of(task, spec), spec.higher_is_better));
  }
  return out;
}

namespace {

// Tasks inside the group, each once, in order.
void add_leaves(const TaskGroup& group, const TaskRegistry& registry, std::vector<std::string>& leaves) {
  for (const std::string& key : group.members) {
    if (const TaskGroup* inner = registry.find_group(key)) {
      add_leaves(*inner, registry, leaves);
    } else if (std::find(leaves.begin(), leaves.end(), key) == leaves.end()) {
      leaves.push_back(key);
    }
  }
}

}  // namespace

std::vector<Aggregate> score_group(const TaskGroup& group, const TaskRegistry& registry,
                                   const std::map<std::string, std::vector<Aggregate>>& numbers) {
  const bool is_lm_eval = group.convention == "lm-eval";
  std::vector<std::string> keys = group.members;
  if (is_lm_eval) keys.clear(), add_leaves(group, registry, keys);
  std::map<std::pair<std::string, std::string>, std::vector<Aggregate>> columns;
  size_t members = 0;
  for (const std::string& key : keys) {
    auto found = numbers.find(key);
    if (found == numbers.end()) continue;
    ++members;
    for (const Aggregate& aggregate : found->second) {
      columns[{aggregate.metric, aggregate.filter}].push_back(aggregate);
    }
  }
  std::vector<Aggregate> out;
  for (const auto& [column, aggregates] : columns) {
    bool wanted = group.metrics.empty();
    for (const std::string& metric : group.metrics) wanted = wanted || metric == column.first;
    const bool partly = is_lm_eval && !group.metrics.empty();
    if (wanted && (partly || aggregates.size() == members))
      out.push_back(aggregate_group(aggregates, group.weight_by_size));
  }
  return out;
}

std::vector<TaskRecord> task_records(const TaskSelection& selection, const TaskRegistry& registry,
                                     const std::optional<int>& num_fewshot) {
  std::set<std::string> selected, placed;
  for (const Task* task : selection.tasks) selected.insert(task->key());
  for (const TaskGroup* group : selection.groups) selected.insert(group->key());
  std::vector<TaskRecord> records;

  auto place_task = [&](const Task& task, int depth) {
    if (!placed.insert(task.key()).second) return;
    TaskRecord record;
    record.position = static_cast<int>(records.size());
    record.task = task.name, record.convention = task.convention;
    record.alias = task.alias.empty() ? task.name : task.alias;
    record.depth = depth, record.version = task.version;
    if (task.output_type != OutputType::kRolling) record.shots = shots_of(task, num_fewshot);
    record.headline = task.metrics.front().metric;
    record.note = task.note;
    records.push_back(std::move(record));
  };
  auto place_group = [&](auto&& self, const TaskGroup& group, int depth) -> void {
    if (!placed.insert(group.key()).second) return;
    size_t index = records.size();
    TaskRecord record;
    record.position = static_cast<int>(index);
    record.task = group.name, record.convention = group.convention;
    record.alias = group.alias.empty() ? group.name : group.alias;
    record.is_group = true, record.depth = depth, record.version = group.version;
    record.weighting = group.weight_by_size ? "items" : "members";
    record.note = group.note;
    records.push_back(std::move(record));
    for (const std::string& key : group.members) {
      if (!selected.count(key)) continue;
      if (const TaskGroup* inner = registry.find_group(key)) {
        self(self, *inner, depth + 1);
      } else if (const Task* task = registry.find_task(key)) {
        place_task(*task, depth + 1);
      }
    }
    // A group is shown by what its members are shown by.
    if (index + 1 < records.size()) {
      records[index].headline = records[index + 1].headline;
      records[index].shots = records[index + 1].shots;
    }
    for (const std::string& metric : group.metrics) {
      records[index].headline = metric;
      break;
    }
  };
  std::set<std::string> inner;
  for (const TaskGroup* group : selection.groups) inner.insert(group->members.begin(), group->members.end());
  for (const TaskGroup* group : selection.groups) {
    if (!inner.count(group->key())) place_group(place_group, *group, 0);
  }
  for (const Task* task : selection.tasks) place_task(*task, 0);
  return records;
}

TaskRegistry load_registry_of(const StoredRun& run, std::vector<std::string> include) {
  if (include.empty() && run.settings.contains("include")) {
    include = run.settings["include"].get<std::vector<std::string>>();
  }
  return load_registry(include);
}

bool has_programs(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry) {
  for (const TaskRecord& record : db.tasks_of(run.id)) {
    const Task* task = record.is_group ? nullptr : registry.find_task(record.task + "@" + record.convention);
    if (task && task->program) return true;
  }
  return false;
}

namespace {

std::vector<Aggregate> stored_numbers(ResultsDb& db, int64_t run, const TaskRecord& task) {
  std::vector<Aggregate> out;
  for (const ReportRow& row : db.report_rows({run})) {
    if (row.task != task.task || row.convention != task.convention) continue;
    Aggregate number;
    number.metric = row.metric, number.filter = row.filter, number.higher_is_better = row.higher_is_better;
    number.has_value = row.value.has_value();
    number.estimate.value = row.value.value_or(0), number.estimate.stderr_ = row.stderr_;
    number.items = row.n, number.unparsed = row.unparsed, number.missing = row.missing;
    out.push_back(std::move(number));
  }
  return out;
}

}  // namespace

int64_t score_stored_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, ProgramExecution* execution,
                         const std::atomic<bool>& cancelled, const ItemsInMemory& in_memory) {
  std::map<std::string, std::vector<Aggregate>> numbers;
  std::vector<TaskRecord> records = db.tasks_of(run.id);
  int64_t missing = 0;
  for (TaskRecord& record : records) {
    if (record.is_group) continue;
    const std::string key = record.task + "@" + record.convention;
    const Task* task = registry.find_task(key);
    if (!task) {
      throw_input(key, fmt::format("run {} has this task, the task files do not", run.id),
                  "give the folder that defines it with --include");
    }
    if (task->program && !execution) {
      numbers[key] = stored_numbers(db, run.id, record);
      if (!numbers[key].empty()) missing += numbers[key].front().missing;
      continue;
    }
    std::optional<ItemSource> source;
    if (in_memory && task->judge.empty()) source = in_memory(*task);
    std::vector<StoredItem> stored;
    if (!source) {
      stored = db.items_of(run.id, record.task, record.convention);
      source = ItemSource{stored.size(), [&stored](size_t i) {
                            AnsweredItem item{stored[i].prompt, stored[i].responses, {}};
                            note_unasked_turns(item);
                            return item;
                          }};
    }
    std::vector<AnsweredItem> items;
    if (task->program) {
      for (size_t i = 0; i < source->count; ++i) items.push_back(source->at(i));
      run_programs(*task, items, *execution, cancelled);
      db.put_verdicts(run.id, record.task, record.convention, outcomes_of(items));
      source->at = [&items](size_t i) { return items[i]; };
    }
    TaskScores scores = score_task(*task, *source);
    const JudgeSummary judged = add_judge_scores(db, run.id, *task, stored, scores);
    db.put_scores(run.id, record.task, record.convention, scores.by_position);
    db.put_aggregates(run.id, record.task, record.convention, scores.aggregates);
    record.note = shown_note(*task, run.settings, scores);
    if (!judged.note.empty()) record.note += (record.note.empty() ? "" : "; ") + judged.note;
    record.headline = task->metrics.front().metric;
    db.put_task(run.id, record);
    numbers[key] = std::move(scores.aggregates);
    missing += scores.missing;
  }
  // Inner groups come after the groups that hold them.
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (!record->is_group) continue;
    const std::string key = record->task + "@" + record->convention;
    const TaskGroup* group = registry.find_group(key);
    if (!group) throw_input(key, fmt::format("run {} has this group, the task files do not", run.id));
    numbers[key] = score_group(*group, registry, numbers);
    db.put_aggregates(run.id, record->task, record->convention, numbers[key]);
  }
  return missing;
}

}  // namespace assay
