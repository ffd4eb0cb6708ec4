// What the page shows, read from the database.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "reports/curve.h"
#include "reports/report.h"
#include "reports/results_db.h"
#include "reports/scaling_fit.h"

namespace assay {

struct PageOptions {
  std::string title;
  std::string software;              // "assay 0.1.0"
  const Compute* compute = nullptr;  // with it: scaling fits
  std::string items;                 // address of the items page; empty = none
  // By label of checkpoint: what curves are drawn against instead of the step.
  const std::map<std::string, double>* tokens = nullptr;
};

// Results, curves, fits and runs of these runs: aggregates only, one headline metric a task. Comparisons, audits,
// judges and baselines are the caller's to add.
Json page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options);

// Items for a file: of the newest `most_runs` runs, the first `items_per_task` of every task, the same ones of every
// run.
//   {title, runs: [{run, checkpoint}], tasks: [{task, convention, metric, runs: [run]}], heads: [text],
//    items: [{task: index, position, item, gold, prompts: [{head: index or absent, text}],
//             answers: [{run, outcome, value, extracted, responses: [...], status}]}], left_out}
Json items_data(ResultsDb& db, const std::vector<StoredRun>& runs, int64_t items_per_task, size_t most_runs);

// The same without items and heads, for the live items page.
Json items_frame(ResultsDb& db, const std::vector<StoredRun>& runs);

// One page of a run's items for the live view, filtered; the same shape of items, with one answer of `run` and, where
// `against` is given, one of that.
struct ItemsQuery {
  int64_t run = 0;
  std::string task, convention;
  int64_t against = 0;  // run; 0 = none
  std::string verdict;  // "", right, wrong, unparsed, flip (needs against)
  std::string text;     // in the item's id, extracted answer or gold
  int64_t first = 0;    // of the filtered items
  int64_t count = 50;   // 1 to 200
};
// {total, items: [...]}; total counts the filtered items. Throws Error(kInput) for a run or task that is not there.
Json items_page(ResultsDb& db, const ItemsQuery& query);

}  // namespace assay
