// What `assay report` makes beside its table: curves, scaling fits, the HTML page.
#pragma once

#include <string>
#include <vector>

#include "reports/results_db.h"

namespace CLI {
class App;
}

namespace assay {

struct ReportOutputs {
  bool curve = false;           // --curve
  std::string x = "step";       // --x step|tokens
  std::string compute;          // --compute FILE
  std::vector<double> predict;  // --predict FLOPs
  std::string svg;              // --svg FILE
  std::string html;             // --html FILE
  int64_t items = 20;           // --items N: of each task, in the page's items file; 0 = no such file
};

void add_output_flags(CLI::App& command, ReportOutputs& outputs);

// Curves of the rows, as text or JSON for stdout; writes the SVG file where one is asked for.
// Throws Error(kInput) where --x tokens or --predict lacks a compute file.
std::string curves_output(const std::vector<ReportRow>& rows, const ReportOutputs& outputs, bool json);

// Writes the page and, beside it, NAME-items.html; gives the files' paths. `include`: as for whole_page_data().
std::vector<std::string> write_report_page(ResultsDb& db, const std::vector<StoredRun>& runs,
                                           const ReportOutputs& outputs, const std::vector<std::string>& include);

}  // namespace assay
