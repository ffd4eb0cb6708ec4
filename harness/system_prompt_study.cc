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

std::string render_system_prompt_study(ResultsDb& db, int64_t without, int64_t with) {
  TextTable table;
  table.columns = {{"task"},       {"metric"},           {"judge"},      {"without", true},
                   {"with", true}, {"difference", true}, {"items", true}};
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
      table.rows.push_back({task.task, column.first, column.second, fmt::format("{:.3f}", mean(a).value),
                            fmt::format("{:.3f}", mean(b).value), with_interval(mean(differences)),
                            std::to_string(differences.size())});
    }
  }
  return "System prompt (Table 14), the same items without and with it\n" + table.plain();
}

}  // namespace assay
