#include "reports/curve_svg.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "reports/chart.h"

namespace assay {
namespace {

constexpr double kLeft = 46, kRight = kPanelWidth - 12.0, kTop = 40, kBottom = kPanelHeight - 36.0;
constexpr double kResidualHeight = 44;
constexpr size_t kMostDots = 60;  // more checkpoints than that: a line without dots, but where something happened
constexpr int kColumns = 3;

std::string opening(const std::string& label) {
  return fmt::format(
      "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "role=\"img\" aria-label=\"{2}\">\n",
      kPanelWidth, kPanelHeight, xml_text(label));
}

std::string axes(const Axis& x, const Axis& y, std::string (*x_text)(double)) {
  std::string out;
  for (double tick : y.ticks(4)) {
    out += svg_line(kLeft, y.at(tick), kRight, y.at(tick), "grid");
    out += svg_text(kLeft - 6, y.at(tick) + 4, tick_text(tick), "end");
  }
  out += svg_line(kLeft, kBottom, kRight, kBottom, "axis");
  for (double tick : x.ticks(6)) {
    out += svg_line(x.at(tick), kBottom, x.at(tick), kBottom + 4, "axis");
    out += svg_text(x.at(tick), kBottom + 16, x_text(tick), "middle");
  }
  return out;
}

std::string point_title(const CurveSet& set, const CurvePoint& point) {
  std::string text = fmt::format("{}, {} {:g}: {:.4f}", point.checkpoint, set.x_name, point.x, point.value);
  if (point.low) text += fmt::format(" [{:.4f}, {:.4f}]", *point.low, *point.high);
  if (point.conservative) text += ", a conservative interval";
  return text + fmt::format(", {} items", point.n);
}

std::string curve_label(const CurveSet& set, const Curve& curve) {
  return fmt::format("{}, {} against {}: {} checkpoints, from {:.4f} to {:.4f}", curve.task, curve.metric, set.x_name,
                     curve.points.size(), curve.points.front().value, curve.points.back().value);
}

// The interval: a band over neighbours that both have one.
std::string band(const Curve& curve, const Axis& x, const Axis& y) {
  std::vector<std::pair<double, double>> above, outline;
  std::string out;
  auto close = [&] {
    outline.insert(outline.end(), above.rbegin(), above.rend());
    if (above.size() > 1) out += svg_path(outline, "band", true);
    outline.clear(), above.clear();
  };
  for (const CurvePoint& point : curve.points) {
    if (!point.low) {
      close();
      continue;
    }
    outline.emplace_back(x.at(point.x), y.at(*point.low));
    above.emplace_back(x.at(point.x), y.at(*point.high));
  }
  close();
  return out;
}

}  // namespace

std::string curve_svg(const CurveSet& set, size_t index) {
  const Curve& curve = set.curves[index];
  std::vector<double> xs, ys;
  for (const CurvePoint& point : curve.points) {
    xs.push_back(point.x), ys.push_back(point.value);
    if (point.low) ys.push_back(*point.low), ys.push_back(*point.high);
  }
  const Axis x = axis_over(xs, kLeft, kRight, true), y = axis_over(ys, kBottom, kTop, false);
  std::set<size_t> dropped;
  for (const Drop& drop : set.drops) {
    if (drop.curve == index) dropped.insert(drop.to);
  }
  std::string out = opening(curve_label(set, curve));
  out += svg_text(4, 14, curve.task, "title");
  out += svg_text(4, 29, curve.metric + (curve.higher_is_better ? "" : ", lower is better"), "unit");
  out += axes(x, y, tick_text);
  out += svg_text((kLeft + kRight) / 2, kPanelHeight - 5.0,
                  "training " + set.x_name + (set.x_name == "step" ? "s" : "") + (x.logarithmic ? ", log scale" : ""),
                  "middle");
  out += band(curve, x, y);
  for (const ChangePoint& change : curve.change_points) {
    const double at = x.at(curve.points[change.index].x);
    out += svg_line(at, kTop, at, kBottom, "change");
  }
  std::vector<std::pair<double, double>> line;
  for (const CurvePoint& point : curve.points) line.emplace_back(x.at(point.x), y.at(point.value));
  out += svg_path(line, "line", false);
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const bool drop = dropped.count(i) > 0;
    if (curve.points.size() > kMostDots && !drop) continue;
    out += svg_dot(line[i].first, line[i].second, drop ? 4 : 2.4, drop ? "drop" : "dot",
                   point_title(set, curve.points[i]));
  }
  return out + "</svg>\n";
}

std::string fit_svg(const CurveFit& entry) {
  const ScalingFit& fit = entry.fit;
  std::vector<double> xs, ys, residuals = {0};
  for (size_t i = 0; i < fit.points.size(); ++i) {
    xs.push_back(fit.points[i].compute), ys.push_back(fit.points[i].loss);
    residuals.push_back(100 * fit.residuals[i]);
  }
  const double largest = *std::max_element(xs.begin(), xs.end());
  for (const Prediction& prediction : entry.predictions) {
    xs.push_back(prediction.compute);
    ys.insert(ys.end(), {prediction.value, prediction.low_new, prediction.high_new});
  }
  const double bottom = kBottom - kResidualHeight;
  const Axis x = axis_over(xs, kLeft, kRight, true), y = axis_over(ys, bottom - 8, kTop, true);
  const Axis r = axis_over(residuals, kBottom, bottom + 4, false);
  std::string out =
      opening(fmt::format("{}: {} against compute, exponent {:.4f}", entry.task, entry.metric, fit.exponent));
  out += svg_text(4, 14, entry.task, "title");
  out += svg_text(4, 29, fmt::format("{}; below: residuals, %", entry.metric), "unit");
  out += axes(x, y, scientific_text);
  out += svg_line(kLeft, r.at(0), kRight, r.at(0), "axis");
  out += svg_text(kLeft - 6, r.at(r.high) + 8, fmt::format("{:+.2g}", r.high), "end");
  out += svg_text(kLeft - 6, r.at(r.low) + 2, fmt::format("{:+.2g}", r.low), "end");
  out += svg_text((kLeft + kRight) / 2, kPanelHeight - 5.0, "training compute, FLOPs", "middle");
  std::vector<std::pair<double, double>> law, beyond, outline, above;
  for (int i = 0; i <= 60; ++i) {
    const double compute =
        x.logarithmic ? x.low * std::pow(x.high / x.low, i / 60.0) : x.low + (x.high - x.low) * i / 60;
    const Prediction at = fit.predict(std::max(compute, 1e-300));
    (compute <= largest ? law : beyond).emplace_back(x.at(compute), y.at(at.value));
    outline.emplace_back(x.at(compute), y.at(std::max(at.low, y.logarithmic ? y.low : at.low)));
    above.emplace_back(x.at(compute), y.at(at.high));
  }
  outline.insert(outline.end(), above.rbegin(), above.rend());
  out += svg_path(outline, "band", true) + svg_path(law, "line", false);
  if (beyond.size() > 1) out += svg_path(beyond, "dashed", false);
  for (size_t i = 0; i < fit.points.size(); ++i) {
    const FitPoint& point = fit.points[i];
    const double at = x.at(point.compute), residual = 100 * fit.residuals[i];
    out += svg_dot(at, y.at(point.loss), 2.4, "dot",
                   fmt::format("{}: {:.3g} FLOPs, {:.4f}, residual {:+.2f} %", point.checkpoint, point.compute,
                               point.loss, residual));
    out += svg_line(at, r.at(0), at, r.at(residual), "whisker");
    out += svg_dot(at, r.at(residual), 1.8, "dot", fmt::format("{}: {:+.2f} %", point.checkpoint, residual));
  }
  for (const Prediction& prediction : entry.predictions) {
    const double at = x.at(prediction.compute);
    out += svg_line(at, y.at(prediction.low_new), at, y.at(prediction.high_new), "whisker");
    out += svg_dot(at, y.at(prediction.value), 3.2, "dot",
                   fmt::format("predicted at {:.3g} FLOPs: {:.4f} [{:.4f}, {:.4f}]", prediction.compute,
                               prediction.value, prediction.low_new, prediction.high_new));
  }
  return out + "</svg>\n";
}

std::string curves_svg_file(const CurveSet& set, const std::vector<CurveFit>& fits) {
  std::vector<std::string> panels;
  for (size_t i = 0; i < set.curves.size(); ++i) panels.push_back(curve_svg(set, i));
  for (const CurveFit& fit : fits) panels.push_back(fit_svg(fit));
  const int count = static_cast<int>(panels.size());
  const int columns = std::clamp(count, 1, kColumns), rows = std::max(1, (count + columns - 1) / columns);
  std::string out = fmt::format(
      "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\">\n"
      "<style>{2}</style>\n",
      columns * kPanelWidth, rows * kPanelHeight, chart_style());
  for (int i = 0; i < count; ++i) {
    // A panel is an <svg> of its own: it only needs its place.
    std::string& panel = panels[static_cast<size_t>(i)];
    panel.insert(std::string("<svg").size(),
                 fmt::format(" x=\"{}\" y=\"{}\"", i % columns * kPanelWidth, i / columns * kPanelHeight));
    out += panel;
  }
  return out + "</svg>\n";
}

}  // namespace assay
