#include "reports/sparkline.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::vector<double> shortened(const std::vector<double>& values, size_t width) {
  if (values.size() <= width) return values;
  std::vector<double> out;
  for (size_t i = 0; i < width; ++i) {
    const size_t begin = i * values.size() / width, end = (i + 1) * values.size() / width;
    double sum = 0;
    for (size_t k = begin; k < end; ++k) sum += values[k];
    out.push_back(sum / static_cast<double>(end - begin));
  }
  return out;
}

}  // namespace

std::string sparkline(const std::vector<double>& values, size_t width) {
  const std::vector<double> shown = shortened(values, width);
  double low = INFINITY, high = -INFINITY;
  for (double value : shown) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value), high = std::max(high, value);
  }
  std::string out;
  for (double value : shown) {
    if (!std::isfinite(value)) {
      out += " ";
      continue;
    }
    const double level = high > low ? (value - low) / (high - low) * 7 : 3;
    out += kBlocks[static_cast<size_t>(std::lround(level))];
  }
  return out;
}

}  // namespace assay
