// What a system prompt does: the same items answered without and with it, judged alike, compared item by item (the
// DeepSeek LLM report's Table 14).
#pragma once

#include <string>

#include "reports/results_db.h"

namespace assay {

// A row a task and judge that both runs have: the two numbers, and the mean difference over the items that both have a
// score of, with its 95 % interval (normal, from the standard error of the differences).
std::string render_system_prompt_study(ResultsDb& db, int64_t without, int64_t with);

}  // namespace assay
