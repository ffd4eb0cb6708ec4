#include "reports/scaling_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "reports/distributions.h"
#include "reports/sparkline.h"

namespace assay {
namespace {

constexpr size_t kFewestPoints = 4;
constexpr size_t kFewestForIrreducible = 6;
constexpr double kLeastRange = 2;  // largest compute / smallest

using Vector3 = std::array<double, 3>;
using Matrix3 = std::array<double, 9>;

// Points on the scales of the fit: x = ln C less its mean, y = ln L.
struct LogData {
  std::vector<double> x, y;
};

// Parameters (E, b, alpha) of ln L = ln(E + exp(b - alpha x)); with first = 1 the irreducible E stays 0.
double reducible(const Vector3& p, double x) {
  return std::exp(p[1] - p[2] * x);
}

Vector3 gradient(const Vector3& p, double x) {
  const double part = reducible(p, x), whole = p[0] + part;
  return {1 / whole, part / whole, -part / whole * x};
}

double sum_of_squares(const LogData& data, const Vector3& p) {
  double sum = 0;
  for (size_t i = 0; i < data.x.size(); ++i) {
    const double residual = data.y[i] - std::log(p[0] + reducible(p, data.x[i]));
    sum += residual * residual;
  }
  return sum;
}

// J'J and J'r over the parameters from `first` on; the others' rows and columns are those of the unit matrix.
void normal_equations(const LogData& data, const Vector3& p, size_t first, Matrix3& jj, Vector3& jr) {
  jj.fill(0), jr.fill(0);
  for (size_t i = 0; i < first; ++i) jj[4 * i] = 1;
  for (size_t i = 0; i < data.x.size(); ++i) {
    const Vector3 g = gradient(p, data.x[i]);
    const double residual = data.y[i] - std::log(p[0] + reducible(p, data.x[i]));
    for (size_t a = first; a < 3; ++a) {
      jr[a] += g[a] * residual;
      for (size_t b = first; b < 3; ++b) jj[3 * a + b] += g[a] * g[b];
    }
  }
}

// Inverse by cofactors; nothing where the matrix is singular.
std::optional<Matrix3> inverse(const Matrix3& m) {
  const double c0 = m[4] * m[8] - m[5] * m[7], c1 = m[5] * m[6] - m[3] * m[8], c2 = m[3] * m[7] - m[4] * m[6];
  const double determinant = m[0] * c0 + m[1] * c1 + m[2] * c2;
  if (!std::isfinite(determinant) || determinant == 0) return std::nullopt;
  Matrix3 out = {c0, m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
                 c1, m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
                 c2, m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]};
  for (double& value : out) value /= determinant;
  return out;
}

Vector3 times(const Matrix3& m, const Vector3& v) {
  Vector3 out{};
  for (size_t a = 0; a < 3; ++a) {
    for (size_t b = 0; b < 3; ++b) out[a] += m[3 * a + b] * v[b];
  }
  return out;
}

// Straight line through (x, ln(L - E)), the start of the search.
Vector3 start_at(const LogData& data, double irreducible) {
  double xx = 0, xy = 0, mean = 0;
  const double n = static_cast<double>(data.x.size());
  for (size_t i = 0; i < data.x.size(); ++i) {
    const double value = std::log(std::exp(data.y[i]) - irreducible);
    mean += value / n, xy += data.x[i] * value, xx += data.x[i] * data.x[i];
  }
  return {irreducible, mean, -xy / xx};
}

// Levenberg-Marquardt; E is held inside [0, least loss).
Vector3 minimise(const LogData& data, Vector3 p, size_t first, double least_loss) {
  double best = sum_of_squares(data, p), damping = 1e-3;
  for (int i = 0; i < 2000 && damping < 1e15; ++i) {
    Matrix3 jj;
    Vector3 jr;
    normal_equations(data, p, first, jj, jr);
    for (size_t a = first; a < 3; ++a) jj[4 * a] *= 1 + damping;
    const auto inverted = inverse(jj);
    if (!inverted) break;
    const Vector3 step = times(*inverted, jr);
    Vector3 next = {std::clamp(p[0] + step[0], 0.0, least_loss * (1 - 1e-9)), p[1] + step[1], p[2] + step[2]};
    const double sum = sum_of_squares(data, next);
    if (!(sum <= best)) {
      damping *= 4;
      continue;
    }
    const bool still = best - sum <= 1e-15 * best;
    p = next, best = sum, damping = std::max(damping / 4, 1e-12);
    if (still) break;
  }
  return p;
}

double akaike(double rss, size_t n, double parameters) {
  const double k = parameters + 1, count = static_cast<double>(n);
  return count * std::log(std::max(rss, 1e-300) / count) + 2 * k + 2 * k * (k + 1) / (count - k - 1);
}

Vector3 best_with_irreducible(const LogData& data, double least_loss) {
  Vector3 best = start_at(data, 0);
  double least = INFINITY;
  for (double share : {0.02, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.995}) {
    const Vector3 p = minimise(data, start_at(data, share * least_loss), 0, least_loss);
    const double sum = sum_of_squares(data, p);
    if (sum < least) least = sum, best = p;
  }
  return best;
}

bool can_be_fitted(const std::vector<FitPoint>& points) {
  if (points.size() < kFewestPoints) return false;
  double low = INFINITY, high = 0;
  for (const FitPoint& point : points) {
    if (!(point.compute > 0) || !(point.loss > 0) || !std::isfinite(point.compute) || !std::isfinite(point.loss)) {
      return false;
    }
    low = std::min(low, point.compute), high = std::max(high, point.compute);
  }
  return high >= kLeastRange * low;
}

std::string fit_text(const ScalingFit& fit) {
  std::string text = fit.has_irreducible ? fmt::format("{:.4f} + ", fit.irreducible) : "";
  return text + fmt::format("{:.4g} C^-{:.4f}", fit.scale, fit.exponent);
}

Json prediction_json(const Prediction& prediction) {
  return {{"compute", prediction.compute},
          {"value", prediction.value},
          {"ci95", {prediction.low, prediction.high}},
          {"ci95_new", {prediction.low_new, prediction.high_new}},
          {"beyond", prediction.beyond}};
}

}  // namespace

double non_embedding_flops_per_token(double layers, double width, double sequence) {
  return 72 * layers * width * width + 12 * layers * width * sequence;
}

std::optional<Spent> Compute::find(const std::string& label, std::optional<int64_t> step) const {
  std::optional<Spent> spent;
  if (auto named = by_label.find(label); named != by_label.end()) {
    spent = named->second;
  } else if (auto stepped = step ? by_step.find(*step) : by_step.end(); stepped != by_step.end()) {
    spent = stepped->second;
  } else if (step && tokens_per_step) {
    spent = Spent{static_cast<double>(*step) * *tokens_per_step, std::nullopt};
  }
  if (spent && !spent->flops_per_token) spent->flops_per_token = flops_per_token;
  return spent;
}

std::optional<ScalingFit> fit_scaling_law(const std::vector<FitPoint>& points) {
  if (!can_be_fitted(points)) return std::nullopt;
  ScalingFit fit;
  fit.points = points;
  const size_t n = points.size();
  LogData data;
  double least_loss = INFINITY;
  for (const FitPoint& point : points) {
    fit.mean_log_compute += std::log(point.compute) / static_cast<double>(n);
    least_loss = std::min(least_loss, point.loss);
  }
  for (const FitPoint& point : points) {
    data.x.push_back(std::log(point.compute) - fit.mean_log_compute);
    data.y.push_back(std::log(point.loss));
  }
  Vector3 p = start_at(data, 0);  // the least-squares line: no search is needed without E
  if (n >= kFewestForIrreducible) {
    const Vector3 with = best_with_irreducible(data, least_loss);
    if (with[0] > 0 && akaike(sum_of_squares(data, with), n, 3) < akaike(sum_of_squares(data, p), n, 2)) {
      p = with;
      fit.has_irreducible = true;
    }
  }
  const size_t first = fit.has_irreducible ? 0 : 1;
  Matrix3 jj;
  Vector3 jr;
  normal_equations(data, p, first, jj, jr);
  const auto inverted = inverse(jj);
  if (!inverted) return std::nullopt;
  const double variance = sum_of_squares(data, p) / static_cast<double>(n - (3 - first));
  for (size_t a = first; a < 3; ++a) {
    for (size_t b = first; b < 3; ++b) fit.covariance.push_back((*inverted)[3 * a + b] * variance);
  }
  fit.irreducible = p[0];
  fit.scale = std::exp(p[1] + p[2] * fit.mean_log_compute);
  fit.exponent = p[2];
  fit.residual_sd = std::sqrt(variance);
  fit.exponent_stderr = std::sqrt(fit.covariance.back());
  if (fit.has_irreducible) fit.irreducible_stderr = std::sqrt(fit.covariance.front());
  for (size_t i = 0; i < n; ++i) {
    fit.residuals.push_back(data.y[i] - std::log(p[0] + reducible(p, data.x[i])));
  }
  return fit;
}

Prediction ScalingFit::predict(double compute) const {
  const size_t parameters = has_irreducible ? 3 : 2;
  const double x = std::log(compute) - mean_log_compute;
  const Vector3 p = {irreducible, std::log(scale) - exponent * mean_log_compute, exponent};
  const Vector3 g = gradient(p, x);
  double variance = 0;
  for (size_t a = 0; a < parameters; ++a) {
    for (size_t b = 0; b < parameters; ++b) {
      variance += g[a + 3 - parameters] * covariance[a * parameters + b] * g[b + 3 - parameters];
    }
  }
  const double t = student_quantile(0.975, static_cast<double>(points.size() - parameters));
  const double half = t * std::sqrt(std::max(variance, 0.0));
  const double half_new = t * std::sqrt(std::max(variance, 0.0) + residual_sd * residual_sd);
  double largest = 0;
  for (const FitPoint& point : points) largest = std::max(largest, point.compute);
  Prediction out;
  out.compute = compute;
  out.value = irreducible + reducible(p, x);
  out.low = out.value * std::exp(-half), out.high = out.value * std::exp(half);
  out.low_new = out.value * std::exp(-half_new), out.high_new = out.value * std::exp(half_new);
  out.beyond = compute / largest;
  return out;
}

std::vector<CurveFit> fit_curves(const CurveSet& set, const std::vector<ReportRow>& rows, const Compute& compute,
                                 std::vector<std::string>& left_out) {
  std::map<int64_t, std::optional<int64_t>> steps;
  for (const ReportRow& row : rows) steps[row.run] = row.step;
  std::vector<CurveFit> fits;
  for (const Curve& curve : set.curves) {
    if (curve.metric != "bits_per_byte" && curve.metric != "loss") continue;
    std::vector<FitPoint> points;
    for (const CurvePoint& point : curve.points) {
      const auto spent = compute.find(point.checkpoint, steps[point.run]);
      if (!spent || !spent->flops_per_token || spent->tokens * *spent->flops_per_token <= 0) continue;  // step 0
      points.push_back({point.checkpoint, spent->tokens * *spent->flops_per_token, point.value});
    }
    auto fit = fit_scaling_law(points);
    if (!fit) {
      left_out.push_back(
          fmt::format("{}: no scaling fit; it needs {} checkpoints of known tokens and FLOPs per token, "
                      "over a factor of {:g} in compute",
                      curve.task, kFewestPoints, kLeastRange));
      continue;
    }
    CurveFit entry{curve.series, curve.task, curve.convention, curve.metric, std::move(*fit), {}};
    for (double budget : compute.budgets) entry.predictions.push_back(entry.fit.predict(budget));
    fits.push_back(std::move(entry));
  }
  return fits;
}

std::string render_fits(const std::vector<CurveFit>& fits) {
  std::string out;
  for (const CurveFit& entry : fits) {
    const ScalingFit& fit = entry.fit;
    out += fmt::format("\nscaling of {}@{} ({}), {} checkpoints of {}\n  L(C) = {}\n", entry.task, entry.convention,
                       entry.metric, fit.points.size(), entry.series, fit_text(fit));
    out += fmt::format("  exponent {:.4f} ± {:.4f}", fit.exponent, fit.exponent_stderr);
    out += fit.irreducible_stderr
               ? fmt::format(", irreducible {:.4f} ± {:.4f}\n", fit.irreducible, *fit.irreducible_stderr)
               : ", no irreducible term (the data do not ask for one)\n";
    out += fmt::format("  residuals {}  {:.2f} % (sd of ln L)\n", sparkline(fit.residuals), 100 * fit.residual_sd);
    for (size_t i = 0; i < fit.points.size(); ++i) {
      out += fmt::format("    {:.3g} FLOPs  {:.4f}  {:+.2f} %  {}\n", fit.points[i].compute, fit.points[i].loss,
                         100 * fit.residuals[i], fit.points[i].checkpoint);
    }
    for (const Prediction& prediction : entry.predictions) {
      out += fmt::format(
          "  at {:.3g} FLOPs ({:.3g} times the largest here): {:.4f}, law [{:.4f}, {:.4f}], one run "
          "[{:.4f}, {:.4f}]\n",
          prediction.compute, prediction.beyond, prediction.value, prediction.low, prediction.high, prediction.low_new,
          prediction.high_new);
    }
  }
  return out;
}

Json to_json(const std::vector<CurveFit>& fits) {
  Json out = Json::array();
  for (const CurveFit& entry : fits) {
    const ScalingFit& fit = entry.fit;
    Json points = Json::array(), predictions = Json::array();
    for (size_t i = 0; i < fit.points.size(); ++i) {
      points.push_back({{"checkpoint", fit.points[i].checkpoint},
                        {"compute", fit.points[i].compute},
                        {"loss", fit.points[i].loss},
                        {"residual", fit.residuals[i]}});
    }
    for (const Prediction& prediction : entry.predictions) predictions.push_back(prediction_json(prediction));
    out.push_back({{"series", entry.series},
                   {"task", entry.task},
                   {"convention", entry.convention},
                   {"metric", entry.metric},
                   {"irreducible", fit.has_irreducible ? Json(fit.irreducible) : Json(nullptr)},
                   {"irreducible_stderr", or_null(fit.irreducible_stderr)},
                   {"scale", fit.scale},
                   {"exponent", fit.exponent},
                   {"exponent_stderr", fit.exponent_stderr},
                   {"residual_sd", fit.residual_sd},
                   {"points", std::move(points)},
                   {"predictions", std::move(predictions)}});
  }
  return out;
}

}  // namespace assay
