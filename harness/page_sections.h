// The page with everything on it: what reports/page reads by itself, and the sections that need task files:
// comparisons, audits, judges, baselines.
#pragma once

#include <vector>

#include "reports/page/page_data.h"
#include "reports/results_db.h"

namespace assay {

// As page_data(), with
//   comparisons  the newest checkpoint with the one before it
//   audits       every checkpoint whose items the audit has asked in other forms, against the one before it
//   judges       of each judged number the share of words without a score, spread, agreement
//   baselines    published numbers of a few well-known models for the tasks on the page
// A section that can't be made (a task file is gone) is left out, and `left_out` says why.
Json whole_page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options);

}  // namespace assay
