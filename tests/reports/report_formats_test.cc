#include <catch2/catch.hpp>

#include "reports/report.h"
#include "reports/text_table.h"
#include "tests/support.h"

namespace assay {
namespace {

ReportRow row(const std::string& task, int depth, double value, std::optional<double> error) {
  ReportRow out;
  out.run = 1, out.checkpoint = "step-00100", out.step = 100, out.task = task, out.alias = task;
  out.convention = "deepseek", out.depth = depth, out.metric = out.headline = "acc", out.filter = "none";
  out.value = value, out.stderr_ = error, out.n = 40, out.shots = 5;
  return out;
}

std::vector<ReportRow> rows() {
  ReportRow group = row("mmlu", 0, 0.25, 0.01);
  group.is_group = true, group.weighting = "items", group.version = 2, group.shots.reset();
  ReportRow member = row("anatomy", 1, 0.3, 0.04);
  ReportRow text = row("bpb", 0, 1.23456, std::nullopt);
  text.metric = text.headline = "bits_per_byte", text.higher_is_better = false, text.shots = 0;
  text.missing = 2, text.note = "two files";
  return {group, member, text};
}

}  // namespace

TEST_CASE("the terminal table shows what a reader needs beside the number") {
  CHECK(render_table(rows(), {}) ==
        "checkpoint  task       convention  shots  metric          value  ± stderr     95 % interval   items  unparsed "
        " missing\n"
        "──────────  ─────────  ──────────  ─────  ─────────────  ──────  ────────  ─────────────────  ─────  ──────── "
        " ───────\n"
        "step-00100  mmlu       deepseek           acc            0.2500  ± 0.0100  0.2299 to 0.2709*     40         0 "
        "       0\n"
        "              anatomy  deepseek        5  acc            0.3000  ± 0.0400  0.2208 to 0.3891*     40         0 "
        "       0\n"
        "            bpb        deepseek        0  bits_per_byte  1.2346         -                  -     40         0 "
        "       2\n"
        "\n"
        "*: few items or clusters, or nearly all right or wrong: wider than 95 % needs\n"
        "mmlu@deepseek: mean over items\n"
        "bpb@deepseek: two files\n");
}

TEST_CASE("a note that several tasks share comes once") {
  std::vector<ReportRow> all = {row("anatomy", 0, 0.3, 0.04), row("law", 0, 0.4, 0.04), row("bpb", 0, 0.5, 0.04)};
  all[0].note = all[1].note = "another data file";
  const std::string text = render_table(all, {});
  CHECK(text.substr(text.find("needs\n")) == "needs\nanatomy@deepseek and 1 more: another data file\n");
}

TEST_CASE("the lm-eval format has that harness's columns") {
  CHECK(render_lm_eval(rows(), {}) ==
        "|  Tasks   |Version|Filter|n-shot|   Metric    |   |Value |   |Stderr|\n"
        "|----------|------:|------|-----:|-------------|---|-----:|---|-----:|\n"
        "|mmlu      |      2|none  |     5|acc          |↑  |0.2500|±  |  0.01|\n"
        "| - anatomy|      1|none  |     5|acc          |↑  |0.3000|±  |  0.04|\n"
        "|bpb       |      1|none  |     0|bits_per_byte|↓  |1.2346|±  |   N/A|\n"
        "\n"
        "|Groups|Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n"
        "|------|------:|------|-----:|------|---|----:|---|-----:|\n"
        "|mmlu  |      2|none  |     5|acc   |↑  | 0.25|±  |  0.01|\n");
}

TEST_CASE("the lm-eval format sorts groups, tasks and metrics by name, and whole texts have no error") {
  ReportRow text = row("bpb", 0, 1.5, 0.1), word = row("bpb", 0, 9.5, 0.1);
  text.metric = "word_perplexity", word.metric = "bits_per_byte", text.shots.reset(), word.shots.reset();
  ReportRow group = row("zoo", 0, 0.25, 0.5), b = row("b", 1, 0.5, 0.5), a = row("a", 1, 0.5, 0.5);
  group.is_group = true, a.shots = 0;
  CHECK(render_lm_eval({text, word, group, b, a}, {}) ==
        "|Tasks|Version|Filter|n-shot|    Metric     |   |Value|   |Stderr|\n"
        "|-----|------:|------|-----:|---------------|---|----:|---|-----:|\n"
        "|zoo  |      1|none  |      |acc            |↑  | 0.25|±  |   0.5|\n"
        "| - a |      1|none  |     0|acc            |↑  | 0.50|±  |   0.5|\n"
        "| - b |      1|none  |     5|acc            |↑  | 0.50|±  |   0.5|\n"
        "|bpb  |      1|none  |     0|bits_per_byte  |↑  | 9.50|±  |   N/A|\n"
        "|     |       |none  |     0|word_perplexity|↑  | 1.50|±  |   N/A|\n"
        "\n"
        "|Groups|Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n"
        "|------|------:|------|------|------|---|----:|---|-----:|\n"
        "|zoo   |      1|none  |      |acc   |↑  | 0.25|±  |   0.5|\n");
}

TEST_CASE("JSON rows have the agreed names, fractions and nulls") {
  Json json = Json::parse(render_json(rows(), {}));
  CHECK(json["schema"] == 1);
  REQUIRE(json["results"].size() == 3);
  CHECK(json["results"][0]["value"] == 0.25);
  CHECK(json["results"][0]["shots"].is_null());
  CHECK(json["results"][2]["stderr"].is_null());
  CHECK(json["results"][2]["ci95"].is_null());
  CHECK(json["results"][0]["ci95"][0].get<double>() == Approx(0.2299).margin(1e-4));
  CHECK(json["results"][0]["ci95"][1].get<double>() == Approx(0.2709).margin(1e-4));
  CHECK(json["results"][0]["conservative"] == true);
  CHECK(json["results"][2]["missing"] == 2);
}

TEST_CASE("CSV fields are quoted where they must be") {
  std::vector<ReportRow> quoted = {row("a,\"b\"", 0, 0.5, 0.1)};
  CHECK(render_csv(quoted, {}) ==
        "run,checkpoint,step,task,convention,shots,metric,filter,value,stderr,n,unparsed,missing,ci95_low,ci95_high\n"
        "1,step-00100,100,\"a,\"\"b\"\"\",deepseek,5,acc,none,0.5,0.1,40,0,0,0.2889691480121874,0.7110308519878124\n");
}

TEST_CASE("wide characters take two columns") {
  CHECK(display_width("中文a") == 5);
  CHECK(pad("中", 4, true) == "  中");
}

TEST_CASE("an unknown sample format is refused by name") {
  CHECK(testing::error_of([] { render_samples({}, "xml"); }) ==
        "--format xml: unknown format for samples (known: table jsonl lm-eval-jsonl)");
}

}  // namespace assay
