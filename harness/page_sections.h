// The page with everything on it: what reports/page reads by itself, and the sections that need task files:
// comparisons, audits, judges, baselines.
#pragma once

#include <vector>

#include "reports/page/page_data.h"
#include "reports/results_db.h"

namespace assay {

// As page_data(), with
//   comparisons  the newest checkpoint with the one before it
//   audits       the audits that were asked for; checkpoints with audit forms that none of them names, alone
//   judges       of each judged number the share of words without a score, spread, agreement
//   baselines    published numbers of a few well-known models for the tasks on the page
// A section that can't be made is left out, and `left_out` says why; task files that are gone leave the built-in ones.
// `include`: folders of task files; empty = those of the runs.
Json whole_page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options,
                     const std::vector<std::string>& include = {});

}  // namespace assay
