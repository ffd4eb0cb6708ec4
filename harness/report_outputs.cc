#include "harness/report_outputs.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/text.h"
#include "harness/compute_file.h"
#include "harness/page_sections.h"
#include "harness/version.h"
#include "reports/curve_svg.h"
#include "reports/page/page.h"
#include "reports/page/page_data.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostRunsWithItems = 10;  // in the items file: all would be hundreds of megabytes

std::optional<Compute> compute_of(const ReportOutputs& outputs) {
  if (outputs.compute.empty()) {
    if (outputs.x == "tokens") throw_input("--x tokens", "needs --compute FILE, which tells the tokens");
    if (!outputs.predict.empty()) throw_input("--predict", "needs --compute FILE");
    return std::nullopt;
  }
  Compute compute = read_compute_file(outputs.compute);
  compute.budgets.insert(compute.budgets.end(), outputs.predict.begin(), outputs.predict.end());
  return compute;
}

std::map<std::string, double> tokens_of(const std::vector<ReportRow>& rows, const Compute& compute) {
  std::map<std::string, double> tokens;
  for (const ReportRow& row : rows) {
    if (auto spent = compute.find(row.checkpoint, row.step)) tokens[row.checkpoint] = spent->tokens;
  }
  return tokens;
}

}  // namespace

void add_output_flags(CLI::App& command, ReportOutputs& outputs) {
  command.add_flag("--curve", outputs.curve, "Scores against training steps, with trend, noise and significant drops");
  command.add_option("--x", outputs.x, "Of curves: step, or tokens (needs --compute)")
      ->check(CLI::IsMember({"step", "tokens"}))
      ->capture_default_str();
  command.add_option("--compute", outputs.compute, "File with tokens and FLOPs of checkpoints: adds scaling fits");
  command.add_option("--predict", outputs.predict, "FLOPs to predict from the scaling fit")->check(CLI::PositiveNumber);
  command.add_option("--svg", outputs.svg, "Write the curves as one SVG file");
  command.add_option("--html", outputs.html, "Write the report as one HTML file, and its items beside it");
  command.add_option("--items", outputs.items, "Of --html: items of each task; 0 writes no file of items")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

std::string curves_output(const std::vector<ReportRow>& rows, const ReportOutputs& outputs, bool json) {
  const std::optional<Compute> compute = compute_of(outputs);
  std::map<std::string, double> tokens;
  if (outputs.x == "tokens") tokens = tokens_of(rows, *compute);
  CurveSet set = make_curves(rows, outputs.x == "tokens" ? &tokens : nullptr);
  std::vector<CurveFit> fits;
  if (compute) fits = fit_curves(set, rows, *compute, set.left_out);
  if (!outputs.svg.empty()) write_file_atomically(outputs.svg, curves_svg_file(set, fits));
  if (!json) return render_curves(set) + render_fits(fits);
  Json out = to_json(set);
  out["fits"] = to_json(fits);
  return dump_json(out, 2) + "\n";
}

std::vector<std::string> write_report_page(ResultsDb& db, const std::vector<StoredRun>& runs,
                                           const ReportOutputs& outputs, const std::vector<std::string>& include) {
  const std::optional<Compute> compute = compute_of(outputs);
  const fs::path page(outputs.html);
  const fs::path items = page.parent_path() / (page.stem().string() + "-items.html");
  PageOptions options;
  options.title = fs::path(db.path()).filename().string();
  options.software = std::string("assay ") + kVersion;
  options.compute = compute ? &*compute : nullptr;
  std::map<std::string, double> tokens;
  if (outputs.x == "tokens") {
    std::vector<int64_t> ids;
    for (const StoredRun& run : runs) ids.push_back(run.id);
    tokens = tokens_of(db.report_rows(ids), *compute);
    options.tokens = &tokens;
  }
  std::vector<std::string> written = {page.string()};
  if (outputs.items > 0) {
    Json data = items_data(db, runs, outputs.items, kMostRunsWithItems);
    data["report"] = page.filename().string();
    write_file_atomically(items.string(), items_page_html(data, false));
    written.push_back(items.string());
    options.items = items.filename().string();
  }
  write_file_atomically(page.string(), page_html(whole_page_data(db, runs, options, include), false));
  return written;
}

}  // namespace assay
