// Pictures of curves and scaling fits.
#pragma once

#include <string>
#include <vector>

#include "reports/curve.h"
#include "reports/scaling_fit.h"

namespace assay {

inline constexpr int kPanelWidth = 340, kPanelHeight = 210;

// One <svg class="chart"> without a style of its own: line with 95 % band, a dot a checkpoint (its title names
// checkpoint, value and interval), dashed verticals at change points, drops in the warning colour. Values below zero
// and above one stay on the chart. Axes carry ticks; the metric and x's unit are written beside them.
std::string curve_svg(const CurveSet& set, size_t curve);
// Loss against compute, both logarithmic: points, law with its band out to the predictions, residuals below.
std::string fit_svg(const CurveFit& fit);

// All of them as one SVG file, panels side by side, with the style inside.
std::string curves_svg_file(const CurveSet& set, const std::vector<CurveFit>& fits);

}  // namespace assay
