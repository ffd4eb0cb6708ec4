// Curves: known answers (tests/golden/curve/make_curve_goldens.py), error rates by simulation, texts.

#include "reports/curve.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "reports/curve_svg.h"
#include "reports/intervals.h"

namespace assay {
namespace {

Json goldens() {
  return read_json_file(ASSAY_SOURCE_DIR "/tests/golden/curve/curve.json");
}

ReportRow row(const std::string& label, std::optional<int64_t> step, double value, std::optional<double> error,
              const std::string& task = "sample") {
  ReportRow out;
  static int64_t run = 0;
  out.run = ++run;
  out.checkpoint = label, out.step = step, out.task = task, out.convention = "deepseek";
  out.metric = out.headline = "acc", out.filter = "none", out.value = value, out.stderr_ = error, out.n = 400;
  return out;
}

std::vector<ReportRow> rows_of(const std::vector<double>& values, double error) {
  std::vector<ReportRow> rows;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t step = 100 * static_cast<int64_t>(i + 1);
    rows.push_back(row("step-" + std::to_string(step), step, values[i], error));
  }
  return rows;
}

}  // namespace

TEST_CASE("the noise floor is the spread about the line through a point's neighbours") {
  const Json golden = goldens()["noise"];
  const auto noise = noise_floor(golden["x"], golden["y"]);
  REQUIRE(noise);
  CHECK(noise->sd == Approx(golden["sd"].get<double>()).epsilon(1e-10));
  CHECK(noise->df == Approx(6 * 18.0 / 35));
  CHECK_FALSE(noise_floor({1, 2, 3, 4}, {1, 2, 3, 4}));
}

TEST_CASE("one steep phase is no noise of the rest of the curve") {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 0.005);
  std::vector<double> x, y, flat;
  for (int i = 0; i < 40; ++i) {
    x.push_back(i - 20);  // not all positive: its own scale
    flat.push_back(0.3 + normal(random));
    y.push_back(flat.back() + (i < 20 ? 0 : i == 20 ? 0.25 : 0.5));
  }
  CHECK(noise_floor(x, flat)->sd == Approx(0.005).epsilon(0.3));
  CHECK(noise_floor(x, y)->sd == Approx(0.005).epsilon(0.3));
}

TEST_CASE("a point's interval knows its clusters and says when it is a conservative one") {
  std::vector<ReportRow> rows = rows_of({0.3, 0.5}, 0.05);
  for (ReportRow& each : rows) each.units = 12;
  const CurveSet set = make_curves(rows);
  const CurvePoint& point = set.curves[0].points[1];
  const Interval expected = *unit_interval({0.5, 0.05}, 400, 12);
  CHECK(*point.low == expected.low);
  CHECK(*point.high == expected.high);
  CHECK(point.conservative);
  CHECK(to_json(set)["curves"][0]["points"][1]["conservative"] == true);
  CHECK(curve_svg(set, 0).find("a conservative interval") != std::string::npos);
  CHECK_FALSE(make_curves(rows_of({0.3, 0.5}, 0.05)).curves[0].points[1].conservative);
}

TEST_CASE("the noise floor of a straight line with known noise is that noise") {
  std::mt19937 random(11);
  std::normal_distribution<double> normal(0, 0.02);
  double variance = 0;
  constexpr int kTrials = 400;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> x, y;
    for (int i = -10; i < 10; ++i) x.push_back(i), y.push_back(0.01 * i + normal(random));
    const double sd = noise_floor(x, y)->sd;
    variance += sd * sd / kTrials;
  }
  CHECK(std::sqrt(variance) == Approx(0.02).epsilon(0.03));
}

TEST_CASE("the trend's tau and p agree with scipy's") {
  const Json all = goldens();
  for (const Json& golden : all["trend"]) {
    const Trend trend = mann_kendall(golden["y"]);
    CHECK(trend.tau == Approx(golden["tau"].get<double>()).epsilon(1e-10));
    CHECK(trend.p == Approx(golden["p"].get<double>()).epsilon(1e-8));
  }
  CHECK(mann_kendall({0.5, 0.5, 0.5, 0.5}).p == 1);
}

TEST_CASE("a change point is where Chow's test puts it") {
  const Json golden = goldens()["change"];
  const auto found = change_points(golden["x"], golden["y"]);
  REQUIRE(found.size() == 1);
  CHECK(found[0].index == golden["index"].get<size_t>());
  CHECK(found[0].p == Approx(golden["p"].get<double>()).epsilon(1e-6));
}

TEST_CASE("a straight line has no change point, with noise in at most 5 of 100") {
  std::mt19937 random(3);
  std::normal_distribution<double> normal(0, 0.02);
  CHECK(change_points({-3, -2, -1, 0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8}).empty());
  int found = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> x, y;
    for (int i = -10; i < 10; ++i) x.push_back(i), y.push_back(0.01 * i + normal(random));
    found += !change_points(x, y).empty();
  }
  CHECK(found <= 0.05 * kTrials);
}

TEST_CASE("a drop beyond items and noise is warned of, with its interval") {
  const CurveSet set = make_curves(rows_of({0.30, 0.41, 0.50, 0.52, 0.33, 0.54, 0.55}, 0.02));
  REQUIRE(set.drops.size() == 1);
  const Drop& drop = set.drops[0];
  CHECK(drop.from == 3);
  CHECK(drop.to == 4);
  CHECK(drop.loss == Approx(0.19));
  CHECK(drop.low == Approx(0.19 - 1.959964 * std::hypot(0.02, 0.02)).margin(0.002));
  CHECK(sentence_of(set, drop).find("sample@deepseek (acc) got worse from 0.5200 at step 400 to 0.3300 at step 500") ==
        0);
}

TEST_CASE("a slow loss is seen against the best checkpoint before it") {
  const CurveSet set = make_curves(rows_of({0.40, 0.50, 0.60, 0.57, 0.54, 0.51, 0.48, 0.45}, 0.02));
  REQUIRE(set.drops.size() == 1);
  CHECK(set.drops[0].from_best);
  CHECK(set.drops[0].from == 2);
  CHECK(set.drops[0].to == 7);
}

TEST_CASE("a flat run of noise is warned of in at most 5 of 100 reports") {
  std::mt19937 random(17);
  std::normal_distribution<double> normal(0, 0.02);
  int warned = 0;
  constexpr int kTrials = 500;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 12; ++i) values.push_back(0.5 + normal(random));
    warned += !make_curves(rows_of(values, 0.02)).drops.empty();
  }
  CHECK(warned <= 0.05 * kTrials);
}

TEST_CASE("where lower is better a rise is the drop") {
  std::vector<ReportRow> rows = rows_of({1.0, 0.9, 0.8, 0.7, 1.2, 0.6, 0.5}, 0.02);
  for (ReportRow& each : rows) each.higher_is_better = false, each.metric = each.headline = "bits_per_byte";
  const CurveSet set = make_curves(rows);
  REQUIRE(set.drops.size() == 1);
  CHECK(set.drops[0].loss == Approx(0.5));
}

TEST_CASE("a pair with neither an error nor a noise floor is not tested, and counted") {
  std::vector<ReportRow> rows = rows_of({0.5, 0.1}, 0.02);
  for (ReportRow& each : rows) each.stderr_ = std::nullopt;
  const CurveSet set = make_curves(rows);
  CHECK(set.drops.empty());
  CHECK(set.pairs_tested == 0);
  CHECK(set.pairs_untested == 1);
}

TEST_CASE("training runs of other names stay apart, and what has no step is named") {
  std::vector<ReportRow> rows = {row("a-step-100", 100, 0.1, 0.01), row("a-step-200", 200, 0.2, 0.01),
                                 row("b-step-100", 100, 0.5, 0.01), row("b-step-200", 200, 0.6, 0.01),
                                 row("decorated", std::nullopt, 0.9, 0.01)};
  const CurveSet set = make_curves(rows);
  REQUIRE(set.curves.size() == 2);
  CHECK(set.curves[0].series == "a-step-*");
  CHECK(set.left_out == std::vector<std::string>{"decorated: its training step is not known, so it is on no curve"});
  const std::map<std::string, double> tokens = {{"a-step-100", 1e6}, {"decorated", 2e6}, {"a-step-200", 3e6}};
  CHECK(make_curves(rows, &tokens).curves.size() == 1);
  CHECK(make_curves(rows, &tokens).x_name == "tokens");
}

TEST_CASE("a checkpoint scored again counts once, the newest run") {
  const CurveSet set =
      make_curves({row("step-1", 1, 0.1, 0.01), row("step-2", 2, 0.2, 0.01), row("step-2", 2, 0.3, 0.01)});
  REQUIRE(set.curves.size() == 1);
  CHECK(set.curves[0].points.back().value == 0.3);
  const std::string again = "1 other results of checkpoints that were scored again: with fewer items, or earlier";
  CHECK(set.left_out == std::vector<std::string>{again});
  ReportRow few = row("step-2", 2, 0.9, 0.1);
  few.n = 8;
  const CurveSet kept = make_curves({row("step-1", 1, 0.1, 0.01), row("step-2", 2, 0.2, 0.01), few});
  CHECK(kept.curves[0].points.back().value == 0.2);  // of 400 items, not of 8
}

TEST_CASE("results with another number of shots are no points of the curve") {
  std::vector<ReportRow> rows = rows_of({0.1, 0.2, 0.3, 0.4}, 0.01);
  for (ReportRow& one : rows) one.shots = 5;
  rows.push_back(row("step-500", 500, 0.05, 0.01));
  rows.back().shots = 0;
  const CurveSet set = make_curves(rows);
  REQUIRE(set.curves.size() == 1);
  CHECK(set.curves[0].points.size() == 4);
  CHECK(set.left_out == std::vector<std::string>{"sample: 1 results with another number of shots than most"});
}

TEST_CASE("all right or all wrong still has an interval, Wilson's") {
  const CurveSet set = make_curves({row("step-1", 1, 0, 0.0), row("step-2", 2, 1, 0.0)});
  CHECK(*set.curves[0].points[0].high == Approx(0.00957).epsilon(1e-3));
  CHECK(*set.curves[0].points[1].low == Approx(1 - 0.00957).epsilon(1e-5));
}

TEST_CASE("curves on a terminal") {
  const CurveSet set = make_curves(rows_of({0.25, 0.5, 0.75}, 0.02));
  CHECK(render_curves(set) ==
        "task    convention  metric  curve            first             last  trend  noise  changes at\n"
        "──────  ──────────  ──────  ─────  ───────────────  ───────────────  ─────  ─────  ──────────\n"
        "sample  deepseek    acc     ▁▅█    0.2500 ± 0.0200  0.7500 ± 0.0200  -      -      -\n"
        "\n"
        "step 100 to 300; noise: standard deviation of one checkpoint about its neighbours\n"
        "0 significant drops in 2 comparisons (Benjamini-Hochberg, 5 %)\n");
  CHECK(render_curves({}) == "no task has two checkpoints with a known step\n");
}

TEST_CASE("a picture has axes, units, an interval and a dot a checkpoint; names can't break out") {
  std::vector<ReportRow> rows = rows_of({0.25, 0.5, 0.75}, 0.02);
  for (ReportRow& each : rows) each.task = "<script>动物";
  const CurveSet set = make_curves(rows);
  const std::string svg = curve_svg(set, 0);
  for (const char* part :
       {"&lt;script&gt;动物</text>", ">acc</text>", "training steps", "class=\"band\"", "class=\"line\"",
        "role=\"img\"", "step-200, step 200: 0.5000 [0.4608, 0.5392], 400 items"}) {
    INFO(part);
    CHECK(svg.find(part) != std::string::npos);
  }
  CHECK(svg.find("<script>") == std::string::npos);
  const std::string file = curves_svg_file(set, {});
  CHECK(file.find("<style>") != std::string::npos);
}

TEST_CASE("curves as JSON") {
  const Json json = to_json(make_curves(rows_of({0.25, 0.5, 0.75, 0.8, 0.4}, 0.02)));
  CHECK(json["x"] == "step");
  CHECK(json["curves"][0]["points"].size() == 5);
  CHECK(json["curves"][0]["points"][0]["ci95"][0].get<double>() == Approx(0.2128).epsilon(1e-3));
  CHECK(json["warnings"][0]["from"] == "step-400");
  CHECK(json["warnings"][0]["to"] == "step-500");
}

}  // namespace assay
