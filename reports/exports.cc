// Results in the forms that other programs read: lm-evaluation-harness's results JSON, and the model-index block of a
// model card on the Hugging Face hub.

#include <fmt/format.h>

#include <map>

#include "core/error.h"
#include "core/text.h"
#include "reports/report.h"

namespace assay {
namespace {

std::string task_name(const ReportRow& row) {
  return row.convention == "lm-eval" || row.convention == "own" ? row.task : row.task + "@" + row.convention;
}

// A YAML scalar in double quotes, which JSON's form is.
std::string yaml_text(const std::string& text) {
  return dump_json(Json(text));
}

std::string aggregation_of(const std::string& metric) {
  return metric == "bits_per_byte" || ends_with(metric, "perplexity") ? metric : "mean";
}

// What a run stores of a task, under that harness's names; plain tasks only, as there.
void add_config(const ReportRow& row, const std::string& name, Json& configs) {
  Json& config = configs[name];
  if (config.is_null()) {
    config = {{"task", name},
              {"task_alias", row.alias},
              {"num_fewshot", row.shots.value_or(0)},
              {"repeats", 1},
              {"metric_list", Json::array()},
              {"filter_list", Json::array()},
              {"metadata", {{"version", row.version}}}};
  }
  auto add_once = [](Json& list, const char* key, Json entry) {
    for (const Json& known : list) {
      if (known[key] == entry[key]) return;
    }
    list.push_back(std::move(entry));
  };
  add_once(config["metric_list"], "metric",
           {{"metric", row.metric},
            {"aggregation", aggregation_of(row.metric)},
            {"higher_is_better", row.higher_is_better}});
  add_once(config["filter_list"], "name", {{"name", row.filter}});
}

// The hub's names of metrics.
std::string hub_metric(const std::string& metric) {
  if (starts_with(metric, "acc")) return "accuracy";
  return metric;
}

}  // namespace

std::string render_lm_eval_json(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  Json results = Json::object(), groups = Json::object(), subtasks = Json::object(), versions = Json::object(),
       shots = Json::object(), better = Json::object(), samples = Json::object(), configs = Json::object();
  std::vector<std::pair<int, std::string>> open_groups;  // depth and name of those around the current row
  for (const ReportRow& row : rows) {
    if (row.run != rows.front().run) {
      throw_input("--format lm-eval-json", "holds one run, this would be several", "choose one with --run");
    }
    if (!options.with_members && row.depth > 0) continue;
    const std::string name = task_name(row);
    const bool first = !results.contains(name);
    Json& entry = results[name];
    if (first) {
      entry["alias"] = std::string(static_cast<size_t>(row.depth), ' ') + (row.depth > 0 ? "- " : "") + row.alias;
      while (!open_groups.empty() && open_groups.back().first >= row.depth) open_groups.pop_back();
      if (!open_groups.empty()) subtasks[open_groups.back().second].push_back(name);
      if (row.is_group) {
        open_groups.push_back({row.depth, name});
        subtasks[name] = Json::array();
      }
      versions[name] = row.version;
      if (row.shots) shots[name] = *row.shots;
      if (!row.is_group) samples[name] = {{"original", row.n + row.missing}, {"effective", row.n}};
    }
    entry[row.metric + "," + row.filter] = or_null(row.value);
    entry[row.metric + "_stderr," + row.filter] = row.stderr_ ? Json(*row.stderr_) : Json("N/A");
    better[name][row.metric] = row.higher_is_better;
    if (row.is_group) groups[name] = entry;
    if (!row.is_group) add_config(row, name, configs);
  }
  Json out = {{"results", results}};
  if (!groups.empty()) out["groups"] = groups;
  out["group_subtasks"] = subtasks;
  out["configs"] = configs;
  out["versions"] = versions;
  out["n-shot"] = shots;
  out["higher_is_better"] = better;
  out["n-samples"] = samples;
  const std::string model = rows.empty() ? "" : rows.front().checkpoint;
  out["config"] = {{"model", "assay"}, {"model_args", "pretrained=" + model}};
  out["model_name"] = model;
  return dump_json(out, 2) + "\n";
}

std::string render_model_index(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  std::string out = "model-index:\n";
  std::string checkpoint;
  bool any = false;
  for (const ReportRow& row : rows) {
    if (options.headline_only && row.metric != row.headline) continue;
    if ((!options.with_members && row.depth > 0) || !row.value) continue;
    if (!any || row.checkpoint != checkpoint) {
      out += fmt::format("- name: {}\n  results:\n", yaml_text(row.checkpoint));
      checkpoint = row.checkpoint;
      any = true;
    }
    std::string metric = row.metric;
    if (row.filter != "none") metric += ", " + row.filter;
    if (row.shots) metric += fmt::format(", {}-shot", *row.shots);
    if (row.stderr_) metric += fmt::format(", stderr {:.4f}", *row.stderr_);
    out += fmt::format(
        "  - task:\n      type: text-generation\n    dataset:\n      name: {}\n      type: {}\n    metrics:\n"
        "    - type: {}\n      name: {}\n      value: {}\n      verified: false\n",
        yaml_text(row.alias), yaml_text(row.task), yaml_text(hub_metric(row.metric)), yaml_text(metric), *row.value);
  }
  return any ? out : "model-index: []\n";
}

}  // namespace assay
