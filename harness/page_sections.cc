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
#include "harness/stored_registry.h"

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

bool is_audit_form(const TaskRecord& record) {
  return starts_with(record.convention, kAuditPrefix);
}

// Its newest run that was not made for the audit alone.
int64_t newest_without_audit(ResultsDb& db, const CompareSide& side) {
  for (auto run = side.runs.rbegin(); run != side.runs.rend(); ++run) {
    const auto records = db.tasks_of(run->id);
    if (!std::all_of(records.begin(), records.end(), is_audit_form)) return run->id;
  }
  return side.runs.back().id;
}

// The last checkpoint with the one before it; each row with the runs that its numbers come from.
Json comparisons(ResultsDb& db, const std::vector<std::string>& labels, const TaskRegistry& registry) {
  Json out = Json::array();
  if (labels.size() < 2) return out;
  const std::vector<CompareSide> sides = {find_side(&db, labels[labels.size() - 1]),
                                          find_side(&db, labels[labels.size() - 2])};
  CompareScope scope;
  scope.members = true;
  Json comparison = comparison_json(compare_sides(&db, sides, registry, scope), false);
  comparison["runs"] = {newest_without_audit(db, sides[0]), newest_without_audit(db, sides[1])};
  out.push_back(std::move(comparison));
  return out;
}

// The audits that were asked for, with their own scope; checkpoints with audit forms that none of these names, alone.
Json audits(ResultsDb& db, const std::vector<StoredRun>& runs, const TaskRegistry& registry) {
  std::set<std::string> known, asked;
  for (const StoredRun& run : runs) {
    known.insert(run.label);
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      if (is_audit_form(record)) asked.insert(run.label);
    }
  }
  Json out = Json::array();
  for (const StoredAudit& stored : db.audits()) {
    if (!known.count(stored.checkpoint) || (!stored.against.empty() && !known.count(stored.against))) continue;
    const AuditScope scope = read_audit_scope(stored.scope);
    std::optional<AuditSubject> against;
    if (!stored.against.empty()) against = audit_subject(db, registry, stored.against, scope);
    out.push_back(to_json(audit(audit_subject(db, registry, stored.checkpoint, scope), against, {})));
    asked.erase(stored.checkpoint), asked.erase(stored.against);
  }
  for (const std::string& label : asked) {
    out.push_back(to_json(audit(audit_subject(db, registry, label), std::nullopt, {})));
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

Json whole_page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options,
                     const std::vector<std::string>& include) {
  Json page = page_data(db, runs, options);
  // A section that can't be made leaves the others on the page.
  auto make = [&](const char* name, auto&& section) {
    try {
      page[name] = section();
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::kInput) throw;
      page["left_out"].push_back(fmt::format("{}: {}", name, error.what()));
    }
  };
  StoredRegistry stored;
  try {
    stored = registry_of_runs(runs, include);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::kInput) throw;
    page["left_out"].push_back(std::string("task files: ") + error.what());
    stored = registry_of_runs(runs, {});
  }
  const TaskRegistry& registry = stored.registry;
  for (const std::string& note : stored.notes) page["left_out"].push_back("task files: " + note);
  std::vector<int64_t> ids;
  for (const StoredRun& run : runs) ids.push_back(run.id);
  const std::vector<ReportRow> rows = db.report_rows(ids);
  make("comparisons", [&] { return comparisons(db, labels_of(db, runs), registry); });
  make("audits", [&] { return audits(db, runs, registry); });
  make("judges", [&] { return judges(rows); });
  make("baselines", [&] { return baselines(rows, registry); });
  return page;
}

}  // namespace assay
