#include "harness/system_prompt_study.h"

#include <fmt/format.h>

#include <map>

#include "reports/stats.h"
#include "reports/text_table.h"

namespace assay {
namespace {

constexpr double kZ95 = 1.959963985;

// (metric, judge or filter) -> item -> value, scored ones only.
using Columns = std::map<std::pair<std::string, std::string>, std::map<std::string, double>>;

Columns columns_of(ResultsDb& db, int64_t run, const TaskRecord& task) {
  Columns columns;
  for (const auto& item : db.scores_of(run, task.task, task.convention)) {
    for (const Score& score : item) {
      if (score.outcome != Outcome::kMissing) columns[{score.metric, score.filter}][score.item_id] = score.value;
    }
  }
  return columns;
}

std::string with_interval(const Estimate& estimate) {
  if (!estimate.stderr_) return fmt::format("{:+.3f}", estimate.value);
  return fmt::format("{:+.3f} ± {:.3f}", estimate.value, kZ95 * *estimate.stderr_);
}

}  // namespace

std::vector<SystemPromptRow> compare_system_prompt(ResultsDb& db, int64_t without, int64_t with) {
  std::vector<SystemPromptRow> rows;
  for (const TaskRecord& task : db.tasks_of(without)) {
    if (task.is_group) continue;
    const Columns before = columns_of(db, without, task), after = columns_of(db, with, task);
    for (const auto& [column, values] : before) {
      const auto other = after.find(column);
      if (other == after.end()) continue;
      std::vector<double> a, b, differences;
      for (const auto& [item, value] : values) {
        const auto same = other->second.find(item);
        if (same == other->second.end()) continue;
        a.push_back(value), b.push_back(same->second), differences.push_back(same->second - value);
      }
      if (differences.empty()) continue;
      rows.push_back({task.task, column.first, column.second, mean(a).value, mean(b).value, mean(differences),
                      differences.size()});
    }
  }
  return rows;
}

std::string render_system_prompt_study(const std::vector<SystemPromptRow>& rows) {
  TextTable table;
  table.columns = {{"task"},       {"metric"},           {"judge"},      {"without", true},
                   {"with", true}, {"difference", true}, {"items", true}};
  for (const SystemPromptRow& row : rows) {
    table.rows.push_back({row.task, row.metric, row.judge, fmt::format("{:.3f}", row.without),
                          fmt::format("{:.3f}", row.with), with_interval(row.difference), std::to_string(row.items)});
  }
  return "System prompt (Table 14), the same items without and with it\n" + table.plain();
}

Json to_json(const std::vector<SystemPromptRow>& rows) {
  Json out = Json::array();
  for (const SystemPromptRow& row : rows) {
    Json interval = nullptr;
    if (const auto& error = row.difference.stderr_)
      interval = {row.difference.value - kZ95 * *error, row.difference.value + kZ95 * *error};
    out.push_back({{"task", row.task},
                   {"metric", row.metric},
                   {"judge", row.judge},
                   {"without", row.without},
                   {"with", row.with},
                   {"difference", row.difference.value},
                   {"ci95", interval},
                   {"n", row.items}});
  }
  return out;
}

}  // namespace assay
