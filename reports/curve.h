// Scores of the checkpoints of one training run, in their order: intervals, noise, trend, change points, drops.
//
// Points of one curve share a series, task, convention, metric and filter. The series is the checkpoint's label with
// its last number taken out ("7b-step-00100" -> "7b-step-*"), so two training runs in one database stay apart. Every
// statistic below says what it assumes; none needs more than the stored numbers.
//
// Scale of x. Training curves bend much less over log(step) than over the step, so neighbours are compared on log(x)
// where every x is positive, else on x.
//
// Intervals are those of comparisons (reports/intervals.h): Wilson's with the effective number of items for rates,
// Student's for others, with clusters, and conservative where items or clusters are few.
//
// Noise floor. From pseudo-residuals of neighbours (Gasser, Sroka, Jennen-Steinmetz, Biometrika 1986): each inner point
// less the straight line through its two neighbours, e_i = a y_{i-1} + b y_{i+1} - y_i, with
// sd^2 = mean of e_i^2 / (a^2 + b^2 + 1). What a straight line does not explain counts as noise, so on a bent curve
// the floor is too high rather than too low. A residual of more than 5 standard deviations, by the median of all (MAD:
// |e| / 0.6745), is left out: one steep phase is no noise of the rest. Neighbouring residuals overlap; the effective
// degrees of freedom are those of evenly spaced second differences, residuals x 18 / 35.
//
// Trend. Mann-Kendall test of "the order of the checkpoints does not matter": exact for up to 60 points without ties,
// else normal with the correction for ties and for continuity. tau is Kendall's tau-b.
//
// Change points. Where one straight line is significantly worse than two (Chow's F test with 2 and n - 4 degrees of
// freedom, at least 4 points a side, p multiplied by the number of places tried), then again on either side. A curve
// without a break is given one with probability at most kAlpha when its noise is normal.
//
// Drops. A checkpoint against the one before it; and the last against the best before it (p multiplied by the number it
// was the best of). One-sided. A drop must be larger than the items' sampling error (both errors added as if the two
// checkpoints had answered different items: conservative, they answered the same) and larger than the noise floor of
// the residuals without the fallen point, where at least 8 are left; p is the larger of the two (intersection-union).
// Where only one yardstick is there, it alone is used; without any, the pair is not tested. All p of all curves of a
// report go through Benjamini-Hochberg: of the warnings shown, at most 5 % are expected to be false.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "reports/report.h"

namespace assay {

inline constexpr double kAlpha = 0.05;

struct CurvePoint {
  int64_t run = 0;
  std::string checkpoint;
  double x = 0;  // training steps or tokens
  double value = 0;
  std::optional<double> stderr_;
  std::optional<double> low, high;  // 95 %
  bool conservative = false;        // the interval is wider than 95 % needs
  int64_t n = 0, units = 0;         // items, independent ones (0: all)
};

struct ChangePoint {
  size_t index = 0;  // first point of the new line
  double p = 0;      // corrected for the places tried
};

struct Trend {
  double tau = 0, p = 1;  // two-sided
};

struct Noise {
  double sd = 0;  // of one checkpoint
  double df = 0;
};

struct Curve {
  std::string series, task, convention, metric, filter;
  bool higher_is_better = true;
  bool is_group = false;
  int depth = 0;
  std::vector<CurvePoint> points;  // x strictly rising, at least two
  std::optional<Noise> noise;      // from 5 points on
  std::optional<Trend> trend;      // from 4 points on
  std::vector<ChangePoint> change_points;
};

struct Drop {
  size_t curve = 0;          // in CurveSet::curves
  size_t from = 0, to = 0;   // points
  double loss = 0;           // positive: how much worse
  double low = 0, high = 0;  // 95 % interval of the loss
  double p = 0, q = 0;       // q: after Benjamini-Hochberg
  bool from_best = false;    // the last against the best, else neighbours
};

struct CurveSet {
  std::string x_name = "step";  // "step", "tokens"
  std::vector<Curve> curves;
  std::vector<Drop> drops;  // q < kAlpha
  size_t pairs_tested = 0, pairs_untested = 0;
  std::vector<std::string> left_out;  // sentences: what is not on any curve, and why
};

// Curves of the headline metric of every task. `tokens` (by label of checkpoint) replaces the step as x where it is
// given. Of several runs at one x the newest counts.
CurveSet make_curves(const std::vector<ReportRow>& rows, const std::map<std::string, double>* tokens = nullptr);

// The parts, for tests. Lengths are equal and x rises strictly.
std::optional<Noise> noise_floor(const std::vector<double>& x, const std::vector<double>& y);
Trend mann_kendall(const std::vector<double>& y);
std::vector<ChangePoint> change_points(const std::vector<double>& x, const std::vector<double>& y);
// "7b-step-00100" -> "7b-step-*"
std::string series_of(const std::string& label);

// For a terminal: one line a curve with a sparkline, first and last value, trend, noise; then the warnings.
std::string render_curves(const CurveSet& set);
std::string sentence_of(const CurveSet& set, const Drop& drop);
Json to_json(const CurveSet& set);

}  // namespace assay
