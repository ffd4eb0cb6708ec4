// Answer and gold -> Score; the metric table; Scores -> one number.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/task.h"

namespace assay {

// Every metric of the task, under every filter, for one item. `responses` in order of part, as make_requests gave the
// requests; an entry is nullopt, or not kAnswered, where no answer came: then all scores of the item are kMissing.
std::vector<Score> score_item(const Task& task, const Prompt& prompt,
                              const std::vector<std::optional<Response>>& responses);

// How the scores of one metric become the task's number.
//   mean            mean of values, standard error sd/sqrt(n)
//   bits_per_byte   sum(value) / sum(weight) over documents (value: bits, weight: bytes), error by the ratio estimator
//   byte_perplexity, word_perplexity, perplexity   as lm-evaluation-harness defines them
struct MetricInfo {
  std::string name;         // "acc"
  std::string aggregation;  // default
  bool higher_is_better = true;
};
const MetricInfo* find_metric(const std::string& name);

}  // namespace assay
