// The forms for other programs: lm-evaluation-harness's results JSON and the hub's model-index.
#include <catch2/catch.hpp>

#include "core/yaml.h"
#include "reports/report.h"
#include "tests/support.h"

namespace assay {
namespace {

ReportRow row(const std::string& task, int depth, bool group, double value) {
  ReportRow out;
  out.run = 1, out.checkpoint = "step: 100", out.task = task, out.alias = task, out.convention = "lm-eval";
  out.depth = depth, out.is_group = group, out.shots = 5, out.metric = "acc", out.headline = "acc";
  out.filter = "none", out.value = value, out.stderr_ = 0.01, out.n = 100;
  return out;
}

std::vector<ReportRow> exam() {
  return {row("exam", 0, true, 0.5), row("exam_a", 1, false, 0.25), row("exam_b", 1, false, 0.75),
          row("alone", 0, false, 1)};
}

}  // namespace

TEST_CASE("lm-eval-json has that harness's keys: metric and filter, groups and their members, shots, versions") {
  const Json out = parse_json(render_lm_eval_json(exam(), {}), "export");
  CHECK(out["results"]["exam_a"]["acc,none"] == 0.25);
  CHECK(out["results"]["exam_a"]["acc_stderr,none"] == 0.01);
  CHECK(out["results"]["exam_a"]["alias"] == " - exam_a");
  CHECK(out["groups"]["exam"]["acc,none"] == 0.5);
  CHECK(out["group_subtasks"]["exam"] == Json({"exam_a", "exam_b"}));
  CHECK(out["n-shot"]["alone"] == 5);
  CHECK(out["versions"]["alone"] == 1);
  CHECK(out["higher_is_better"]["exam_b"]["acc"] == true);
  CHECK(out["n-samples"]["alone"]["effective"] == 100);
  CHECK(out["configs"].size() == 3);  // plain tasks
  const Json& config = out["configs"]["exam_b"];
  CHECK(config["task"] == "exam_b");
  CHECK(config["num_fewshot"] == 5);
  CHECK(config["metric_list"] ==
        Json::array({{{"metric", "acc"}, {"aggregation", "mean"}, {"higher_is_better", true}}}));
  CHECK(config["filter_list"][0]["name"] == "none");
  CHECK(config["metadata"]["version"] == 1);
}

TEST_CASE("lm-eval-json holds one run") {
  auto rows = exam();
  rows.back().run = 2;
  CHECK(testing::error_of([&] { render_lm_eval_json(rows, {}); }).find("--run") != std::string::npos);
}

TEST_CASE("model-index is YAML that reads back: one model, a result for each task") {
  const YamlDocument document = parse_yaml(render_model_index(exam(), {}), "export");
  const Json& models = document.value["model-index"];
  REQUIRE(models.size() == 1);
  CHECK(models[0]["name"] == "step: 100");
  REQUIRE(models[0]["results"].size() == 4);
  const Json& result = models[0]["results"][1];
  CHECK(result["dataset"]["type"] == "exam_a");
  CHECK(result["task"]["type"] == "text-generation");
  CHECK(result["metrics"][0]["type"] == "accuracy");
  CHECK(result["metrics"][0]["value"] == 0.25);
}

TEST_CASE("model-index of nothing is an empty list") {
  CHECK(parse_yaml(render_model_index({}, {}), "export").value["model-index"].empty());
}

}  // namespace assay
