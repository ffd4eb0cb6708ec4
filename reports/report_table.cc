#include "reports/report.h"

namespace assay {
namespace {

constexpr ReportFormat kFormats[] = {
    {"table", render_table},
    {"markdown", render_markdown},
    {"csv", render_csv},
    {"json", render_json},
    {"lm-eval", render_lm_eval},
    {"judged", render_judged},
    {"lm-eval-json", render_lm_eval_json},
    {"model-index", render_model_index},
};

}  // namespace

const ReportFormat* find_report_format(const std::string& name) {
  for (const ReportFormat& format : kFormats) {
    if (name == format.name) return &format;
  }
  return nullptr;
}

std::vector<std::string> report_format_names() {
  std::vector<std::string> names;
  for (const ReportFormat& format : kFormats) names.emplace_back(format.name);
  return names;
}

}  // namespace assay
