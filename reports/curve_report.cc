// Curves for a terminal, as sentences and as JSON.

#include <fmt/format.h>

#include "reports/curve.h"
#include "reports/sparkline.h"
#include "reports/text_table.h"

namespace assay {
namespace {

std::string x_text(double x) {
  return x < 1e6 ? fmt::format("{:g}", x) : fmt::format("{:.3g}", x);
}

std::string with_error(const CurvePoint& point) {
  return point.stderr_ ? fmt::format("{:.4f} ± {:.4f}", point.value, *point.stderr_)
                       : fmt::format("{:.4f}", point.value);
}

std::string trend_text(const Curve& curve) {
  if (!curve.trend) return "-";
  if (curve.trend->p >= kAlpha) return "none shown";
  const bool better = (curve.trend->tau > 0) == curve.higher_is_better;
  return fmt::format("{} (p {:.2g})", better ? "better" : "worse", curve.trend->p);
}

std::string changes_text(const Curve& curve) {
  std::string text;
  for (const ChangePoint& change : curve.change_points) {
    text += (text.empty() ? "" : ", ") + x_text(curve.points[change.index].x);
  }
  return text.empty() ? "-" : text;
}

bool several_series(const CurveSet& set) {
  for (const Curve& curve : set.curves) {
    if (curve.series != set.curves.front().series) return true;
  }
  return false;
}

Json point_json(const CurvePoint& point) {
  return {{"run", point.run},
          {"checkpoint", point.checkpoint},
          {"x", point.x},
          {"value", point.value},
          {"stderr", or_null(point.stderr_)},
          {"ci95", point.low ? Json::array({*point.low, *point.high}) : Json(nullptr)},
          {"conservative", point.conservative},
          {"n", point.n}};
}

Json curve_json(const Curve& curve) {
  Json points = Json::array(), changes = Json::array();
  for (const CurvePoint& point : curve.points) points.push_back(point_json(point));
  for (const ChangePoint& change : curve.change_points) {
    changes.push_back({{"x", curve.points[change.index].x}, {"p", change.p}});
  }
  return {{"series", curve.series},
          {"task", curve.task},
          {"convention", curve.convention},
          {"metric", curve.metric},
          {"filter", curve.filter},
          {"higher_is_better", curve.higher_is_better},
          {"group", curve.is_group},
          {"depth", curve.depth},
          {"points", std::move(points)},
          {"noise", curve.noise ? Json{{"sd", curve.noise->sd}, {"df", curve.noise->df}} : Json(nullptr)},
          {"trend", curve.trend ? Json{{"tau", curve.trend->tau}, {"p", curve.trend->p}} : Json(nullptr)},
          {"change_points", std::move(changes)}};
}

}  // namespace

std::string sentence_of(const CurveSet& set, const Drop& drop) {
  const Curve& curve = set.curves[drop.curve];
  const CurvePoint &from = curve.points[drop.from], &to = curve.points[drop.to];
  return fmt::format(
      "{}@{} ({}) got worse from {:.4f} at {} {} to {:.4f} at {} {}: by {:.4f} [{:.4f}, {:.4f}], q {:.2g}{}",
      curve.task, curve.convention, curve.metric, from.value, set.x_name, x_text(from.x), to.value, set.x_name,
      x_text(to.x), drop.loss, drop.low, drop.high, drop.q,
      drop.from_best ? "; the last against the best before it" : "");
}

std::string render_curves(const CurveSet& set) {
  if (set.curves.empty()) {
    std::string out = "no task has two checkpoints with a known " + set.x_name + "\n";
    for (const std::string& line : set.left_out) out += "left out: " + line + "\n";
    return out;
  }
  const bool series = several_series(set);
  TextTable table;
  if (series) table.columns.push_back({"series"});
  for (const char* title : {"task", "convention", "metric", "curve"}) table.columns.push_back({title});
  for (const char* title : {"first", "last"}) table.columns.push_back({title, true});
  for (const char* title : {"trend", "noise", "changes at"}) table.columns.push_back({title});
  for (const Curve& curve : set.curves) {
    std::vector<double> values;
    for (const CurvePoint& point : curve.points) values.push_back(point.value);
    std::vector<std::string> cells;
    if (series) cells.push_back(curve.series);
    cells.insert(cells.end(),
                 {std::string(static_cast<size_t>(curve.depth) * 2, ' ') + curve.task, curve.convention, curve.metric,
                  sparkline(values), with_error(curve.points.front()), with_error(curve.points.back()),
                  trend_text(curve), curve.noise ? fmt::format("{:.4f}", curve.noise->sd) : "-", changes_text(curve)});
    table.rows.push_back(std::move(cells));
  }
  double first = set.curves[0].points.front().x, last = first;
  for (const Curve& curve : set.curves) {
    first = std::min(first, curve.points.front().x), last = std::max(last, curve.points.back().x);
  }
  std::string out = table.plain();
  out += fmt::format("\n{} {} to {}; noise: standard deviation of one checkpoint about its neighbours\n", set.x_name,
                     x_text(first), x_text(last));
  for (const Drop& drop : set.drops) out += "warning: " + sentence_of(set, drop) + "\n";
  out += fmt::format("{} significant drops in {} comparisons (Benjamini-Hochberg, 5 %)", set.drops.size(),
                     set.pairs_tested);
  if (set.pairs_untested > 0)
    out += fmt::format("; {} pairs have neither an error nor a noise floor", set.pairs_untested);
  out += "\n";
  for (const std::string& line : set.left_out) out += "left out: " + line + "\n";
  return out;
}

Json to_json(const CurveSet& set) {
  Json curves = Json::array(), warnings = Json::array();
  for (const Curve& curve : set.curves) curves.push_back(curve_json(curve));
  for (const Drop& drop : set.drops) {
    const Curve& curve = set.curves[drop.curve];
    warnings.push_back({{"task", curve.task},
                        {"convention", curve.convention},
                        {"series", curve.series},
                        {"from", curve.points[drop.from].checkpoint},
                        {"to", curve.points[drop.to].checkpoint},
                        {"from_best", drop.from_best},
                        {"loss", drop.loss},
                        {"ci95", {drop.low, drop.high}},
                        {"p", drop.p},
                        {"q", drop.q},
                        {"sentence", sentence_of(set, drop)}});
  }
  return {{"schema", 1},
          {"x", set.x_name},
          {"curves", std::move(curves)},
          {"warnings", std::move(warnings)},
          {"pairs_tested", set.pairs_tested},
          {"pairs_untested", set.pairs_untested},
          {"left_out", set.left_out}};
}

}  // namespace assay
