// Scaling law of one training series: loss (or bits per byte) against compute.
//
//   L(C) = E + A C^-alpha        C = M D: non-embedding FLOPs per token times tokens
//
// the power law that the DeepSeek LLM report (arXiv 2401.02954, section 3) draws through its bits per byte, with
// M = 72 layers width^2 + 12 layers width sequence, and an irreducible term E where the data allow one.
//
// Fit. Least squares on ln L. Without E that is a straight line in ln C. With E: Levenberg-Marquardt from a grid of
// starts, E in [0, smallest L). E is kept when there are at least six points and the small-sample Akaike criterion is
// lower with it. Covariance s^2 (J'J)^-1 with s^2 = RSS / (n - parameters), as scipy's curve_fit gives it.
//
// Band. 95 %, by the delta method on ln L with Student's t: `low`, `high` for the law itself, `low_new`, `high_new` for
// one more checkpoint on it. Points of one training run are neighbours in time, not independent runs, and a decaying
// learning rate bends them: the band holds for a new run of the same recipe only as far as the residuals look like
// noise.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "reports/curve.h"

namespace assay {

// What training spent on one checkpoint.
struct Spent {
  double tokens = 0;
  std::optional<double> flops_per_token;  // M
};

// `--compute FILE`, read by harness/compute_file.cc.
struct Compute {
  std::map<std::string, Spent> by_label;
  std::map<int64_t, Spent> by_step;
  std::optional<double> tokens_per_step;
  std::optional<double> flops_per_token;  // of checkpoints that have none of their own
  std::vector<double> budgets;            // FLOPs to predict

  // What is known of a checkpoint: its label first, then its step, then tokens_per_step.
  std::optional<Spent> find(const std::string& label, std::optional<int64_t> step) const;
};

// M of a dense transformer of this shape (the report's formula).
double non_embedding_flops_per_token(double layers, double width, double sequence);

struct FitPoint {
  std::string checkpoint;
  double compute = 0;  // FLOPs
  double loss = 0;
};

struct Prediction {
  double compute = 0, value = 0;
  double low = 0, high = 0;          // of the law
  double low_new = 0, high_new = 0;  // of one more checkpoint
  double beyond = 0;                 // compute / largest compute of the fit
};

struct ScalingFit {
  bool has_irreducible = false;
  double irreducible = 0;  // E
  double scale = 0;        // A
  double exponent = 0;     // alpha
  std::optional<double> irreducible_stderr;
  double exponent_stderr = 0;
  double residual_sd = 0;  // s, of ln L: about a relative error
  std::vector<FitPoint> points;
  std::vector<double> residuals;  // ln L observed - fitted, one a point

  Prediction predict(double compute) const;

  // Of (E, ln L - E at the mean of ln C, alpha), or of the last two; row-major. For predict().
  std::vector<double> covariance;
  double mean_log_compute = 0;
};

// Nothing with fewer than four points, less than a factor of 2 in compute, or a loss or compute that is not positive.
std::optional<ScalingFit> fit_scaling_law(const std::vector<FitPoint>& points);

// A fit of a curve of a report, with its predictions.
struct CurveFit {
  std::string series, task, convention, metric;
  ScalingFit fit;
  std::vector<Prediction> predictions;
};

// Fits of every curve whose metric is a loss ("bits_per_byte", "loss"). A checkpoint without compute is left out of its
// fit; `left_out` says which curves have none, and why.
std::vector<CurveFit> fit_curves(const CurveSet& set, const std::vector<ReportRow>& rows, const Compute& compute,
                                 std::vector<std::string>& left_out);

std::string render_fits(const std::vector<CurveFit>& fits);
Json to_json(const std::vector<CurveFit>& fits);

}  // namespace assay
