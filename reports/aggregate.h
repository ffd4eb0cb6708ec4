// Scores of items -> one number a task, and numbers of tasks -> one number a group.
#pragma once

#include <string>
#include <vector>

#include "core/records.h"
#include "reports/stats.h"

namespace assay {

// One cell of a report: a task or group under one metric and one answer filter.
struct Aggregate {
  std::string metric;
  std::string filter = "none";
  bool higher_is_better = true;
  bool has_value = false;  // false when no item was scored
  Estimate estimate;
  int64_t items = 0;     // items that entered the value (unparsed ones among them)
  int64_t units = 0;     // independent ones among them: clusters, or the items again; of a group its members' in all
  int64_t unparsed = 0;  // answered, but no answer was found in the text: counted as wrong
  int64_t missing = 0;   // never answered: not in the value
};

// `aggregation`: mean | bits_per_byte | byte_perplexity | word_perplexity | perplexity | matthews_corrcoef | f1.
// `scores`: all of one metric and filter; the error takes scores of one cluster together (reports/clusters.h). Throws
// Error(kInput) for an unknown aggregation.
//   bits_per_byte     sum(value) / sum(weight): value = bits of a document, weight = its bytes
//   *_perplexity      exp(sum(value) / sum(weight)), value in nats, with the error of the delta method
//   matthews_corrcoef, f1   weight = choice_pair() (core/records.h). Gorodkin's coefficient for any number of choices;
//                     F1 of choice 1 against all others. 0 where the formula has no value. The error is the spread of
//                     1000 resamples of the independent units, the same ones every time.
Aggregate aggregate_scores(const std::vector<Score>& scores, const std::string& aggregation, bool higher_is_better);

// by_size: weights are the members' item counts (mean over items), else every member weighs the same.
// Members without a value add to `missing` only. Precondition: all of one metric and filter, at least one.
Aggregate aggregate_group(const std::vector<Aggregate>& members, bool by_size);

}  // namespace assay
