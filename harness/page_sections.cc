#include "harness/page_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/text.h"
#include "harness/audit.h"
#include "harness/compare_sides.h"

namespace assay {
namespace {

constexpr const char* kBaselines[] = {"LLaMA-2 7B", "LLaMA-2 70B", "DeepSeek LLM 7B Base", "DeepSeek LLM 67B Base"};

// Labels in the order of their first runs, without those that have been asked for the audit only.
std::vector<std::string> labels_of(ResultsDb& db, const std::vector<StoredRun>& runs) {
  std::vector<std::string> labels;
  for (const StoredRun& run : runs) {
    if (std::find(labels.begin(), labels.end(), run.label) != labels.end()) continue;
    const auto records = db.tasks_of(run.id);
    const bool any = std::any_of(records.begin(), records.end(), [](const TaskRecord& record) {
      return !starts_with(record.convention, kAuditPrefix);
    });
    if (any) labels.push_back(run.label);
  }
  return labels;
}

TaskRegistry registry_of(const std::vector<StoredRun>& runs) {
  std::vector<std::string> include;
  for (const StoredRun& run : runs) {
    if (!run.settings.contains("include")) continue;
    for (const std::string& folder : run.settings["include"].get<std::vector<std::string>>()) {
      if (std::find(include.begin(), include.end(), folder) == include.end()) include.push_back(folder);
    }
  }
  return load_registry(include);
}

// The last checkpoint with the one before it.
Json comparisons(ResultsDb& db, const std::vector<std::string>& labels, const TaskRegistry& registry) {
  Json out = Json::array();
  if (labels.size() < 2) return out;
  const std::vector<CompareSide> sides = {find_side(&db, labels[labels.size() - 1]),
                                          find_side(&db, labels[labels.size() - 2])};
  CompareScope scope;
  scope.members = true;
  Json comparison = comparison_json(compare_sides(&db, sides, registry, scope), false);
  comparison["runs"] = {sides[0].runs.back().id, sides[1].runs.back().id};
  out.push_back(std::move(comparison));
  return out;
}

// Every checkpoint with audit forms, against the one with forms before it.
Json audits(ResultsDb& db, const std::vector<StoredRun>& runs, const TaskRegistry& registry) {
  std::vector<std::string> labels;  // in order of their first runs, whatever those asked
  std::set<std::string> asked;
  for (const StoredRun& run : runs) {
    if (std::find(labels.begin(), labels.end(), run.label) == labels.end()) labels.push_back(run.label);
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      if (starts_with(record.convention, kAuditPrefix)) asked.insert(run.label);
    }
  }
  Json out = Json::array();
  std::optional<AuditSubject> before;
  for (const std::string& label : labels) {
    if (!asked.count(label)) continue;
    AuditSubject subject = audit_subject(db, registry, label);
    out.push_back(to_json(audit(subject, before, {})));
    before = std::move(subject);
  }
  return out;
}

// Judged numbers: a row a checkpoint, task and judge, with what tells how far its words can be trusted.
Json judges(const std::vector<ReportRow>& rows) {
  static const std::map<std::string, const char*> kShown = {{"score", "score"},
                                                            {"judge_unparsed", "without a score"},
                                                            {"judge_spread", "spread over repeats"},
                                                            {"length_correlation", "correlation with length"},
                                                            {"human_agreement", "agreement with people"},
                                                            {"human_kappa", "kappa with people"}};
  std::map<std::tuple<std::string, std::string, std::string>, Json> table;
  for (const ReportRow& row : rows) {
    auto shown = kShown.find(row.metric);
    if (shown == kShown.end() || row.filter == "none" || row.is_group) continue;
    Json& line = table[{row.checkpoint, row.task, row.filter}];
    if (line.is_null()) line = {{"checkpoint", row.checkpoint}, {"task", row.task}, {"judge", row.filter}};
    line[shown->second] = or_null(row.value);
  }
  Json out = Json::array();
  for (auto& [unused, line] : table) {
    if (line.contains("without a score")) out.push_back(std::move(line));
  }
  return out;
}

Json baselines(const std::vector<ReportRow>& rows, const TaskRegistry& registry) {
  Json out = Json::array();
  std::set<std::string> done;
  for (const ReportRow& row : rows) {
    const std::string key = row.task + "@" + row.convention;
    if (row.metric != row.headline || !done.insert(key).second) continue;
    const std::vector<PublishedKey> keys = published_keys(registry, row.task, row.convention);
    if (keys.empty()) continue;
    for (const char* model : kBaselines) {
      const PublishedNumber* number = nullptr;
      try {
        number = find_published(published_of(model, ""), keys);
      } catch (const Error&) {
        continue;  // two numbers for one benchmark: `assay compare` asks for the source
      }
      if (!number) continue;
      Json marks = Json::array();
      if (row.shots != number->shots) {
        marks.push_back(fmt::format("published with {} shots, here {}",
                                    number->shots ? std::to_string(*number->shots) : "unstated",
                                    row.shots ? std::to_string(*row.shots) : "none"));
      }
      if (row.convention != "deepseek") marks.push_back("another convention than the published number's");
      out.push_back({{"model", model},
                     {"task", row.task},
                     {"convention", row.convention},
                     {"metric", row.metric},
                     {"value", number->value},
                     {"shots", or_null(number->shots)},
                     {"method", number->method},
                     {"source", number->source},
                     {"marks", std::move(marks)}});
    }
  }
  return out;
}

}  // namespace

Json whole_page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options) {
  Json page = page_data(db, runs, options);
  try {
    const TaskRegistry registry = registry_of(runs);
    std::vector<int64_t> ids;
    for (const StoredRun& run : runs) ids.push_back(run.id);
    const std::vector<ReportRow> rows = db.report_rows(ids);
    page["comparisons"] = comparisons(db, labels_of(db, runs), registry);
    page["audits"] = audits(db, runs, registry);
    page["judges"] = judges(rows);
    page["baselines"] = baselines(rows, registry);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::kInput) throw;
    page["left_out"].push_back(fmt::format("comparisons, audits, judges and baselines: {}", error.what()));
  }
  return page;
}

}  // namespace assay
