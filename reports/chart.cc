#include "reports/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {

double Axis::at(double value) const {
  const double share =
      logarithmic ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : (value - low) / (high - low);
  return from + share * (to - from);
}

std::vector<double> Axis::ticks(size_t most) const {
  std::vector<double> out;
  if (logarithmic) {
    for (const std::vector<double>& steps : {std::vector<double>{1, 2, 5}, {1, 3}, {1}}) {
      out.clear();
      for (double power = std::floor(std::log10(low)); power <= std::log10(high); ++power) {
        for (double step : steps) {
          const double value = step * std::pow(10, power);
          if (value >= low && value <= high) out.push_back(value);
        }
      }
      if (out.size() <= most) return out;
    }
    const size_t stride = (out.size() + most - 1) / most;
    std::vector<double> thinned;
    for (size_t i = 0; i < out.size(); i += stride) thinned.push_back(out[i]);
    return thinned;
  }
  const double rough = (high - low) / static_cast<double>(most);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  for (double k = std::ceil(low / step); k * step <= high * (1 + 1e-12); ++k) out.push_back(k == 0 ? 0 : k * step);
  return out;
}

Axis axis_over(const std::vector<double>& values, double from, double to, bool wants_log) {
  Axis axis{0, 1, from, to, false};
  if (values.empty()) return axis;
  axis.low = *std::min_element(values.begin(), values.end());
  axis.high = *std::max_element(values.begin(), values.end());
  if (wants_log && axis.low > 0 && axis.high >= 30 * axis.low) {
    axis.logarithmic = true;
    const double air = std::pow(axis.high / axis.low, 0.04);
    axis.low /= air, axis.high *= air;
    return axis;
  }
  double air = 0.04 * (axis.high - axis.low);
  if (!(air > 0)) air = std::max(0.05 * std::abs(axis.low), 0.01);
  axis.low -= air, axis.high += air;
  return axis;
}

std::string scientific_text(double value) {
  std::string text = fmt::format("{:.0e}", value);
  const size_t plus = text.find('+');
  if (plus != std::string::npos) text.erase(plus, 1);
  return text;
}

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e15) return scientific_text(value);
  for (auto [unit, suffix] : {std::pair{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}}) {
    if (size >= unit) return fmt::format("{:.4g}{}", value / unit, suffix);
  }
  return fmt::format("{:.4g}", value);
}

std::string xml_text(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const bool forbidden = static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
        out += forbidden ? ' ' : c;
      }
    }
  }
  return out;
}

std::string svg_line(double x1, double y1, double x2, double y2, const std::string& kind) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind, x1, y1, x2,
                     y2);
}

std::string svg_path(const std::vector<std::pair<double, double>>& points, const std::string& kind, bool closed) {
  std::string path;
  for (const auto& [x, y] : points) path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x, y);
  return fmt::format("<path class=\"{}\" d=\"{}{}\"/>\n", kind, path, closed ? "Z" : "");
}

std::string svg_text(double x, double y, const std::string& text, const std::string& kind) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", kind, x, y, xml_text(text));
}

std::string svg_dot(double x, double y, double radius, const std::string& kind, const std::string& title) {
  return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"><title>{}</title></circle>\n", kind,
                     x, y, radius, xml_text(title));
}

std::string chart_style() {
  return R"(
.chart { --ink: #1c2126; --faint: #68717b; --rule: #d9dde1; --accent: #1f5f99; --warn: #b3391f; background: #fff; }
@media (prefers-color-scheme: dark) {
  .chart { --ink: #e4e7ea; --faint: #98a2ac; --rule: #39414a; --accent: #7db7ea; --warn: #ff8f73; background: #14181c; }
}
.chart text { font: 11px system-ui, sans-serif; fill: var(--faint); }
.chart .title { font-weight: 600; font-size: 12px; fill: var(--ink); }
.chart .end { text-anchor: end; }
.chart .middle { text-anchor: middle; }
.chart .axis { stroke: var(--faint); }
.chart .grid { stroke: var(--rule); }
.chart .band { fill: var(--accent); fill-opacity: .16; stroke: none; }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 1.6; }
.chart .dashed { fill: none; stroke: var(--accent); stroke-width: 1.2; stroke-dasharray: 5 4; }
.chart .whisker { stroke: var(--accent); stroke-opacity: .55; }
.chart .dot { fill: var(--accent); }
.chart .drop { fill: var(--warn); }
.chart .change { stroke: var(--warn); stroke-dasharray: 2 3; }
)";
}

}  // namespace assay
