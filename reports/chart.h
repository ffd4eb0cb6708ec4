// Axes of a small chart, and the SVG text of what is drawn on them. Colours come from style classes
// (chart_style()), so the same picture serves a file of its own and the page, light and dark.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace assay {

// Maps values to pixels, linear or logarithmic. Pixels may fall with rising values (the y axis does).
struct Axis {
  double low = 0, high = 1;  // low < high; logarithmic: both positive
  double from = 0, to = 1;   // pixels of low and high
  bool logarithmic = false;

  double at(double value) const;
  // Round values inside [low, high]: 1, 2, 5 times powers of ten; at most `most` of them.
  std::vector<double> ticks(size_t most) const;
};

// An axis over all values with 4 % of air on either side; equal values get a range of their own. Empty: 0 to 1.
// `wants_log`: logarithmic where all values are positive and span a factor of 30 or more.
Axis axis_over(const std::vector<double>& values, double from, double to, bool wants_log);

// 1200 -> "1.2k", 0.25 -> "0.25", 3e21 -> "3e21"
std::string tick_text(double value);
std::string scientific_text(double value);  // 3e21
// Escaped for XML text and attribute values: & < > " ' and control characters that XML forbids.
std::string xml_text(const std::string& text);

// Elements, each ending in a new line. `kind` is a style class.
std::string svg_line(double x1, double y1, double x2, double y2, const std::string& kind);
std::string svg_path(const std::vector<std::pair<double, double>>& points, const std::string& kind, bool closed);
std::string svg_text(double x, double y, const std::string& text, const std::string& kind);
std::string svg_dot(double x, double y, double radius, const std::string& kind, const std::string& title);

// Rules of the classes that charts use, with colours for light and dark.
std::string chart_style();

}  // namespace assay
