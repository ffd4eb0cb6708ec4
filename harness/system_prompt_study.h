// What a system prompt does: the same items answered without and with it, judged alike, compared item by item (the
// DeepSeek LLM report's Table 14).
#pragma once

#include <string>
#include <vector>

#include "reports/results_db.h"

namespace assay {

// A task under one metric and judge that both runs have.
struct SystemPromptRow {
  std::string task, metric, judge;
  double without = 0, with = 0;  // means over the items below
  Estimate difference;           // mean of `with` - `without`, its error from the differences
  size_t items = 0;              // that both runs have a score of
};

std::vector<SystemPromptRow> compare_system_prompt(ResultsDb& db, int64_t without, int64_t with);

// Differences with their 95 % interval (normal).
std::string render_system_prompt_study(const std::vector<SystemPromptRow>& rows);
// [{task, metric, judge, without, with, difference, ci95: [low, high] or null, n}]
Json to_json(const std::vector<SystemPromptRow>& rows);

}  // namespace assay
