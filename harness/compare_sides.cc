#include "harness/compare_sides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr const char* kNoItems = "none: two published numbers have no items";
constexpr const char* kConservativeMark =
    "few items, clusters, right or wrong answers: its interval is a conservative one";
constexpr std::string_view kPublished = "published:";

// A task or group of one side, with the number that a report would show.
struct SideTask {
  int64_t run = 0;
  ReportRow number;
  std::vector<TaskRecord> leaves;  // a plain task: itself; a group: all tasks below it
};

using SideTasks = std::vector<SideTask>;

std::string key_of(const SideTask& task) {
  return task.number.task + "@" + task.number.convention;
}

// The headline number of each task of a run; of several filters the one that the task file names first.
std::vector<ReportRow> headline_rows(ResultsDb& db, int64_t run, const TaskRegistry& registry) {
  std::vector<ReportRow> headlines;
  for (ReportRow& row : db.report_rows({run})) {
    if (row.metric != row.headline || !row.value) continue;
    const bool again =
        !headlines.empty() && headlines.back().task == row.task && headlines.back().convention == row.convention;
    if (!again) {
      headlines.push_back(std::move(row));
      continue;
    }
    const Task* task = registry.find_task(row.task + "@" + row.convention);
    if (task && !task->filters.empty() && task->filters.front().name == row.filter) headlines.back() = std::move(row);
  }
  return headlines;
}

// The leaves of the task or group at `index`: those that follow it more deeply.
std::vector<TaskRecord> leaves_of(const std::vector<TaskRecord>& records, size_t index) {
  if (!records[index].is_group) return {records[index]};
  std::vector<TaskRecord> leaves;
  for (size_t i = index + 1; i < records.size() && records[i].depth > records[index].depth; ++i) {
    if (!records[i].is_group) leaves.push_back(records[i]);
  }
  return leaves;
}

// All tasks of a side's runs; where two runs have one task the later run counts.
SideTasks tasks_of(ResultsDb& db, const CompareSide& side, const TaskRegistry& registry) {
  SideTasks tasks;
  for (const StoredRun& run : side.runs) {
    const std::vector<TaskRecord> records = db.tasks_of(run.id);
    for (ReportRow& row : headline_rows(db, run.id, registry)) {
      auto record = std::find_if(records.begin(), records.end(), [&](const TaskRecord& candidate) {
        return candidate.task == row.task && candidate.convention == row.convention;
      });
      ASSAY_ASSERT(record != records.end(), "a report's row is a task of the run");
      SideTask task{run.id, std::move(row), leaves_of(records, static_cast<size_t>(record - records.begin()))};
      auto earlier = std::find_if(tasks.begin(), tasks.end(),
                                  [&](const SideTask& other) { return key_of(other) == key_of(task); });
      if (earlier != tasks.end()) {
        *earlier = std::move(task);
      } else {
        tasks.push_back(std::move(task));
      }
    }
  }
  return tasks;
}

// The task of `tasks` to be put beside `wanted`: of its convention, else the only other one of its name.
const SideTask* counterpart(const SideTasks& tasks, const SideTask& wanted) {
  const SideTask* of_name = nullptr;
  for (const SideTask& task : tasks) {
    if (task.number.task != wanted.number.task) continue;
    if (task.number.convention == wanted.number.convention) return &task;
    if (of_name) return nullptr;
    of_name = &task;
  }
  return of_name;
}

ComparedScores scores_of(ResultsDb& db, const SideTask& task) {
  ComparedScores scores;
  scores.by_members = task.number.weighting == "members";
  for (const TaskRecord& leaf : task.leaves) {
    scores.members.push_back(
        {leaf.task, db.item_scores(task.run, leaf.task, leaf.convention, task.number.metric, task.number.filter)});
  }
  return scores;
}

Estimate estimate_of(const ReportRow& row) {
  return {row.value.value_or(0), row.stderr_};
}

CompareCell run_cell(const SideTask& task) {
  CompareCell cell;
  const ReportRow& row = task.number;
  cell.value = *row.value;
  cell.interval = interval_of(row.metric, estimate_of(row), row.n, row.units);
  if (cell.interval && cell.interval->conservative) cell.marks.push_back(kConservativeMark);
  cell.convention = row.convention;
  cell.shots = row.shots;
  cell.run = task.run;
  cell.missing = row.missing;
  if (!row.complete) cell.marks.push_back(fmt::format("run {} is incomplete", row.run));
  return cell;
}

void mark_differences(const ReportRow& a, const SideTask& other, CompareCell& cell) {
  const ReportRow& b = other.number;
  if (a.convention != b.convention) {
    cell.marks.push_back(fmt::format("convention {}, A's is {}", b.convention, a.convention));
  }
  if (a.shots != b.shots) {
    cell.marks.push_back(fmt::format("{} shots, A's has {}", b.shots.value_or(0), a.shots.value_or(0)));
  }
  if (a.filter != b.filter) cell.marks.push_back(fmt::format("answers read by {}, A's by {}", b.filter, a.filter));
  if (a.version != b.version) cell.marks.push_back(fmt::format("task version {}, A's is {}", b.version, a.version));
}

std::string method_words(const std::string& method) {
  if (method == "ppl-lennorm") return "perplexity of options, by length";
  if (method == "ppl-uncond") return "perplexity of options, less the unconditional one";
  if (method == "gen") return "generated text";
  if (method == "lm") return "language modelling";
  return method;
}

CompareCell published_cell(const PublishedNumber& number) {
  CompareCell cell;
  cell.value = number.value;
  cell.source = number.source;
  cell.shots = number.shots;
  return cell;
}

// How a published number differs from the task that it stands beside.
void mark_published(const ReportRow& a, const std::vector<PublishedKey>& keys, const PublishedNumber& number,
                    CompareCell& cell) {
  if (a.convention != "deepseek") {
    cell.marks.push_back(fmt::format("published under another convention than A's {}", a.convention));
  }
  if (number.shots && a.shots && *number.shots != *a.shots) {
    cell.marks.push_back(fmt::format("{} shots, A's has {}", *number.shots, *a.shots));
  }
  const bool same_metric = std::any_of(keys.begin(), keys.end(), [&](const PublishedKey& key) {
    return to_lower_ascii(key.metric) == to_lower_ascii(number.metric);
  });
  if (!same_metric) cell.marks.push_back(fmt::format("metric {}, A's is {}", number.metric, a.metric));
  const bool same_method = number.method.empty() || std::any_of(keys.begin(), keys.end(), [&](const PublishedKey& key) {
                             return key.method == number.method;
                           });
  if (!same_method) cell.marks.push_back("method: " + method_words(number.method));
  if (!number.setting.empty()) cell.marks.push_back("setting: " + number.setting);
}

// Whether the published number's scale is that of the metric (bits per byte is; points of 100 are not).
std::optional<double> on_our_scale(const PublishedNumber& number, const std::string& metric) {
  const bool bits = number.metric == "bpb" || number.metric == "BPB";
  if (bits != (metric == "bits_per_byte")) return std::nullopt;
  if (is_percent(metric) && number.value > 1) return std::nullopt;
  return number.value;
}

class Comparer {
 public:
  Comparer(ResultsDb* db, const std::vector<CompareSide>& sides, const TaskRegistry& registry,
           const CompareScope& scope)
      : db_(db), sides_(sides), registry_(registry), scope_(scope) {}

  Comparison compare() {
    for (const CompareSide& side : sides_) {
      comparison_.columns.push_back(side.name);
      tasks_.push_back(side.is_published() ? SideTasks{} : tasks_of(*db_, side, registry_));
    }
    // Rows follow the first side that was run.
    const auto lead = std::find_if(sides_.begin(), sides_.end(), [](const auto& side) { return !side.is_published(); });
    if (lead == sides_.end()) {
      add_published_rows();
    } else {
      for (const SideTask& task : tasks_[static_cast<size_t>(lead - sides_.begin())]) add_run_row(task);
    }
    if (comparison_.rows.empty()) fail_without_rows();
    add_not_compared();
    judge(comparison_);
    add_notes();
    return std::move(comparison_);
  }

 private:
  bool is_wanted(const std::string& task, const std::string& convention) const {
    return scope_.tasks.empty() || glob_match(scope_.tasks, task) || glob_match(scope_.tasks, task + "@" + convention);
  }

  void add_run_row(const SideTask& lead) {
    const ReportRow& number = lead.number;
    if (number.depth > 0 && !scope_.members && scope_.tasks.empty()) return;
    if (!is_wanted(number.task, number.convention)) return;
    CompareRow row;
    row.task = number.task, row.convention = number.convention;
    row.metric = number.metric, row.filter = number.filter;
    row.higher_is_better = number.higher_is_better;
    row.depth = number.depth;
    row.shots = number.shots;
    row.cells.resize(sides_.size());
    row.tests.resize(sides_.size());
    std::vector<const SideTask*> beside(sides_.size(), nullptr);
    std::set<size_t> other_texts;  // columns
    const std::vector<PublishedKey> keys = published_keys(registry_, number.task, number.convention);
    for (size_t i = 0; i < sides_.size(); ++i) {
      if (sides_[i].is_published()) {
        const PublishedNumber* found = keys.empty() ? nullptr : find_published(sides_[i].published, keys);
        if (!found || !on_our_scale(*found, number.metric)) continue;
        row.cells[i] = published_cell(*found);
        mark_published(number, keys, *found, *row.cells[i]);
        if (of_own_texts(number)) {
          row.cells[i]->marks.push_back(found->benchmark + " is over other texts than A's: not tested");
          other_texts.insert(i);
        }
        used_benchmarks_.insert(found->benchmark);
      } else {
        beside[i] = counterpart(tasks_[i], lead);
        if (!beside[i] || beside[i]->number.metric != number.metric) continue;
        row.cells[i] = run_cell(*beside[i]);
        mark_differences(number, *beside[i], *row.cells[i]);
      }
    }
    test_row(row, beside, other_texts);
    const auto filled = std::count_if(row.cells.begin(), row.cells.end(), [](const auto& cell) { return !!cell; });
    if (filled < 2) return;
    if (beside[1] && row.cells[1]) shown_of_second_.insert(key_of(*beside[1]));
    comparison_.rows.push_back(std::move(row));
  }

  // What B was run on and A was not.
  void add_not_compared() {
    if (sides_[0].is_published()) return;
    for (const SideTask& task : tasks_[1]) {
      const ReportRow& number = task.number;
      if (shown_of_second_.count(key_of(task)) || !is_wanted(number.task, number.convention)) continue;
      if (number.depth > 0 && !scope_.members && scope_.tasks.empty()) continue;
      CompareRow& row = comparison_.not_compared.emplace_back();
      row.task = number.task, row.convention = number.convention;
    }
  }

  // A against every other column. Where A is published and the other was run, the same test with its sides changed.
  void test_row(CompareRow& row, const std::vector<const SideTask*>& beside, const std::set<size_t>& other_texts) {
    if (!row.cells[0]) return;
    std::optional<ComparedScores> own;
    if (beside[0]) own = scores_of(*db_, *beside[0]);
    for (size_t i = 1; i < row.cells.size(); ++i) {
      if (!row.cells[i]) continue;
      if (other_texts.count(i) || (other_texts.count(0) && beside[i])) {
        row.tests[i] = untested(*row.cells[0], *row.cells[i], "none: other texts");
      } else if (is_of_all_together(row)) {
        row.tests[i] = untested(*row.cells[0], *row.cells[i], "none: a number of all items together");
      } else if (own && beside[i]) {
        row.tests[i] = compare_scores(*own, scores_of(*db_, *beside[i]), row.metric, row.cells[i]->marks);
        if (!row.tests[i]) row.cells[i]->marks.push_back("no item in common: not compared");
      } else if (own) {
        row.tests[i] = compare_with_published(*own, estimate_of(beside[0]->number), row.metric, row.cells[i]->value);
      } else if (beside[i]) {
        CompareTest test = compare_with_published(scores_of(*db_, *beside[i]), estimate_of(beside[i]->number),
                                                  row.metric, row.cells[0]->value);
        std::swap(test.a, test.b);
        test.difference = -test.difference;
        if (test.interval)
          test.interval = Interval{-test.interval->high, -test.interval->low, test.interval->conservative};
        row.tests[i] = test;
      } else {
        row.tests[i] = untested(*row.cells[0], *row.cells[i], kNoItems);
      }
    }
  }

  // Whether the task takes any texts that it is given (--text): no benchmark's.
  bool of_own_texts(const ReportRow& row) const {
    const Task* task = registry_.find_task(row.task + "@" + row.convention);
    return task && task->data.format == "text";
  }

  // Whether the number is no mean of items' values: of choices, mcc and f1 come from the table of all of them.
  bool is_of_all_together(const CompareRow& row) const {
    const Task* task = registry_.find_task(row.task + "@" + row.convention);
    const bool of_choices = task && task->output_type == OutputType::kMultipleChoice;
    return row.metric == "mcc" || (row.metric == "f1" && of_choices);
  }

  static CompareTest untested(const CompareCell& a, const CompareCell& b, const char* why) {
    CompareTest test;
    test.a = a.value, test.b = b.value, test.difference = a.value - b.value;
    test.test = why;
    return test;
  }

  // Published models only: a row a benchmark that the first has, in its source's order.
  void add_published_rows() {
    std::set<std::pair<std::string, std::string>> seen;
    for (const PublishedNumber* first : sides_[0].published) {
      if (!seen.insert({first->benchmark, first->metric}).second) continue;
      const std::string task = task_of(first->benchmark);
      if (!is_wanted(task.empty() ? first->benchmark : task, "deepseek")) continue;
      CompareRow row;
      row.task = task.empty() ? first->benchmark : task, row.convention = "deepseek";
      row.metric = first->metric, row.filter = "none";
      row.higher_is_better = first->metric != "bpb" && first->metric != "BPB" && first->metric.find("loss") != 0;
      row.shots = first->shots;
      row.cells.resize(sides_.size());
      row.tests.resize(sides_.size());
      const std::vector<PublishedKey> keys = {{first->benchmark, first->metric, first->method, "", first->shots}};
      for (size_t i = 0; i < sides_.size(); ++i) {
        const PublishedNumber* found = find_published(sides_[i].published, keys);
        if (!found || found->metric != first->metric) continue;
        row.cells[i] = published_cell(*found);
        if (found->shots != first->shots) row.cells[i]->marks.push_back("other shots than A's");
        if (!found->setting.empty()) row.cells[i]->marks.push_back("setting: " + found->setting);
        if (i > 0) row.tests[i] = untested(*row.cells[0], *row.cells[i], kNoItems);
      }
      if (task.empty()) row.cells[0]->marks.push_back("no such task yet");
      const auto filled = std::count_if(row.cells.begin(), row.cells.end(), [](const auto& cell) { return !!cell; });
      if (filled > 1) comparison_.rows.push_back(std::move(row));
    }
  }

  std::string task_of(const std::string& benchmark) const {
    auto stands_for = [&](const auto& candidate) {
      return candidate.convention == "deepseek" &&
             std::any_of(candidate.published.begin(), candidate.published.end(),
                         [&](const PublishedRow& row) { return row.benchmark == benchmark; });
    };
    for (const TaskGroup& group : registry_.groups) {
      if (stands_for(group)) return group.name;
    }
    for (const Task& task : registry_.tasks) {
      if (stands_for(task)) return task.name;
    }
    return "";
  }

  void add_notes() {
    auto& notes = comparison_.notes;
    const bool several = sides_.size() > 2;
    notes.push_back(
        fmt::format("Intervals and tests are at 95 %; q is Benjamini-Hochberg's over the {} tests shown; "
                    "flips: items that {} has better / worse; mde80: smallest difference that these items "
                    "would have shown in 80 % of experiments.",
                    test_count(), several ? "column 1" : "A"));
    for (const CompareSide& side : sides_) {
      if (side.is_published()) add_published_notes(side);
    }
  }

  size_t test_count() const {
    size_t count = 0;
    for (const CompareRow& row : comparison_.rows) {
      for (const auto& test : row.tests) count += test && test->p;
    }
    return count;
  }

  void add_published_notes(const CompareSide& side) {
    std::set<std::string> sources;
    for (const CompareRow& row : comparison_.rows) {
      const size_t column = static_cast<size_t>(&side - sides_.data());
      if (row.cells[column]) sources.insert(row.cells[column]->source);
    }
    std::vector<std::string> citations;
    for (const std::string& source : sources) citations.push_back(published_sources().at(source));
    comparison_.notes.push_back(
        fmt::format("{}: {}. One-sample: weaker than a paired test, and the published number is taken as exact.",
                    side.name, fmt::join(citations, "; ")));
    if (std::all_of(sides_.begin(), sides_.end(), [](const auto& other) { return other.is_published(); })) return;
    std::vector<std::string> absent;
    std::set<std::string> seen;
    for (const PublishedNumber* number : side.published) {
      if (sources.count(number->source) == 0 || used_benchmarks_.count(number->benchmark) > 0) continue;
      if (!seen.insert(number->benchmark).second) continue;
      const std::string task = task_of(number->benchmark);
      absent.push_back(fmt::format("{} ({})", number->benchmark, task.empty() ? "no such task yet" : "task " + task));
    }
    if (!absent.empty()) {
      comparison_.notes.push_back(fmt::format("{}: also published: {}", side.name, fmt::join(absent, ", ")));
    }
  }

  [[noreturn]] void fail_without_rows() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < sides_.size(); ++i) {
      std::set<std::string> own;
      for (const SideTask& task : tasks_[i]) own.insert(key_of(task));
      for (const PublishedNumber* number : sides_[i].published) own.insert(number->benchmark);
      std::vector<std::string> first(own.begin(), own.end());
      if (first.size() > 8) first.resize(8), first.push_back("...");
      names.push_back(fmt::format("{} has {}", sides_[i].name, fmt::join(first, ", ")));
    }
    throw_input("compare", fmt::format("no task in common: {}", fmt::join(names, "; ")),
                scope_.tasks.empty() ? "run both on the same tasks" : "--task " + scope_.tasks + " may be too narrow");
  }

  ResultsDb* db_;
  const std::vector<CompareSide>& sides_;
  const TaskRegistry& registry_;
  const CompareScope& scope_;
  std::vector<SideTasks> tasks_;  // one a side
  std::set<std::string> used_benchmarks_;
  std::set<std::string> shown_of_second_;  // keys of B's tasks
  Comparison comparison_;
};

}  // namespace

std::vector<PublishedKey> published_keys(const TaskRegistry& registry, const std::string& task,
                                         const std::string& convention) {
  std::vector<PublishedKey> keys;
  auto add = [&](const std::vector<PublishedRow>& rows) {
    for (const PublishedRow& row : rows) {
      keys.push_back({row.benchmark, row.metric, row.method, row.source, row.shots});
    }
  };
  for (const std::string& key : {task + "@" + convention, task + "@deepseek"}) {
    if (const Task* found = registry.find_task(key)) add(found->published);
    if (const TaskGroup* found = registry.find_group(key)) add(found->published);
    if (!keys.empty()) break;
  }
  return keys;
}

bool is_published_selector(const std::string& selector) {
  return starts_with(selector, kPublished);
}

CompareSide find_side(ResultsDb* db, const std::string& selector) {
  CompareSide side;
  side.name = selector;
  if (is_published_selector(selector)) {
    std::string model = selector.substr(kPublished.size()), source;
    if (size_t at = model.rfind('@'); at != std::string::npos) {
      source = model.substr(at + 1);
      model.resize(at);
    }
    side.published = published_of(model, source);
    return side;
  }
  ASSAY_ASSERT(db, "runs are read from a database");
  side.runs = db->find_runs(selector);
  if (side.runs.empty()) {
    std::vector<std::string> known;
    for (const StoredRun& run : db->find_runs("")) {
      if (std::find(known.begin(), known.end(), run.label) == known.end()) known.push_back(run.label);
    }
    std::vector<std::string> near = near_names(selector, known);
    throw_input(db->path(), "has no run or checkpoint \"" + selector + "\"",
                near.empty() ? "`assay report` lists all; a published model is \"published:MODEL\""
                             : fmt::format("near names: {}", fmt::join(near, ", ")));
  }
  return side;
}

Comparison compare_sides(ResultsDb* db, const std::vector<CompareSide>& sides, const TaskRegistry& registry,
                         const CompareScope& scope) {
  return Comparer(db, sides, registry, scope).compare();
}

}  // namespace assay
