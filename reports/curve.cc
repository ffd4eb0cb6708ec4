#include "reports/curve.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "core/error.h"
#include "reports/comparison.h"
#include "reports/distributions.h"
#include "reports/multiple_testing.h"

namespace assay {
namespace {

constexpr size_t kExactLimit = 60;            // points up to which the trend's p is exact
constexpr size_t kFewestResiduals = 3;        // to show a noise floor
constexpr size_t kFewestResidualsToTest = 8;  // to test against it
constexpr size_t kFewestForTrend = 4;
constexpr size_t kFewestASide = 4;          // points on either side of a change
constexpr double kFarResidual = 5;          // standard deviations
constexpr double kMedianOfNormal = 0.6745;  // median of |z|
constexpr double kResidualOverlap = 18.0 / 35.0;

// Share of the n! orders with at least `pairs` inversions.
double share_of_orders(size_t n, int64_t pairs) {
  std::vector<double> share = {1};  // share[k]: probability of k inversions
  for (size_t size = 2; size <= n; ++size) {
    std::vector<double> next(share.size() + size - 1, 0);
    for (size_t k = 0; k < share.size(); ++k) {
      for (size_t more = 0; more < size; ++more) next[k + more] += share[k] / static_cast<double>(size);
    }
    share = std::move(next);
  }
  double sum = 0;
  for (size_t k = static_cast<size_t>(std::max<int64_t>(pairs, 0)); k < share.size(); ++k) sum += share[k];
  return sum;
}

std::vector<double> scale_of(const std::vector<double>& x) {
  if (!std::all_of(x.begin(), x.end(), [](double value) { return value > 0; })) return x;
  std::vector<double> out;
  for (double value : x) out.push_back(std::log(value));
  return out;
}

// Squared pseudo-residual of the inner point i, on the scale of x, as an estimate of the variance of one point.
double squared_residual(const std::vector<double>& x, const std::vector<double>& y, size_t i) {
  const double a = (x[i + 1] - x[i]) / (x[i + 1] - x[i - 1]), b = 1 - a;
  const double residual = a * y[i - 1] + b * y[i + 1] - y[i];
  return residual * residual / (a * a + b * b + 1);
}

// Those of a steep phase: beyond kFarResidual standard deviations by the median of all. None where that is 0.
void leave_out_far_ones(std::vector<double>& squares) {
  std::vector<double> sorted = squares;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double sd = std::sqrt(*middle) / kMedianOfNormal, limit = kFarResidual * sd;
  if (sd > 0) std::erase_if(squares, [&](double square) { return square > limit * limit; });
}

// The noise from the residuals without the point `but`, where at least `fewest` are left.
std::optional<Noise> noise_without(const std::vector<double>& x, const std::vector<double>& y,
                                   std::optional<size_t> but, size_t fewest) {
  std::vector<double> squares;
  for (size_t i = 1; i + 1 < x.size(); ++i) {
    if (but && i + 1 >= *but && i <= *but + 1) continue;
    squares.push_back(squared_residual(x, y, i));
  }
  if (squares.size() < fewest) return std::nullopt;
  leave_out_far_ones(squares);
  const double n = static_cast<double>(squares.size());
  return Noise{std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0) / n), n * kResidualOverlap};
}

// Sum of squares about the least-squares line through points [begin, end).
double about_line(const std::vector<double>& x, const std::vector<double>& y, size_t begin, size_t end) {
  const double n = static_cast<double>(end - begin);
  double mean_x = 0, mean_y = 0;
  for (size_t i = begin; i < end; ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  double xx = 0, xy = 0, yy = 0;
  for (size_t i = begin; i < end; ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  return std::max(0.0, yy - xy * xy / xx);
}

void find_changes(const std::vector<double>& x, const std::vector<double>& y, size_t begin, size_t end,
                  std::vector<ChangePoint>& found) {
  const size_t n = end - begin;
  if (n < 2 * kFewestASide) return;
  const double one = about_line(x, y, begin, end);
  double total = 0;
  for (size_t i = begin; i < end; ++i) total += y[i] * y[i];
  if (one <= 1e-20 * total) return;  // a straight line but for rounding
  size_t best = begin;
  double least = std::numeric_limits<double>::infinity();
  for (size_t split = begin + kFewestASide; split + kFewestASide <= end; ++split) {
    const double two = about_line(x, y, begin, split) + about_line(x, y, split, end);
    if (two < least) least = two, best = split;
  }
  const double df = static_cast<double>(n) - 4, places = static_cast<double>(n - 2 * kFewestASide + 1);
  const double f = least > 0 ? (one - least) / 2 / (least / df) : std::numeric_limits<double>::infinity();
  const double p = std::min(1.0, f_upper_tail(f, 2, df) * places);
  if (p >= kAlpha) return;
  find_changes(x, y, begin, best, found);
  found.push_back({best, p});
  find_changes(x, y, best, end, found);
}

void give_interval(CurvePoint& point, const std::string& metric) {
  const auto interval = interval_of(metric, {point.value, point.stderr_}, point.n, point.units);
  if (!interval) return;
  point.low = interval->low, point.high = interval->high;
  point.conservative = interval->conservative;
}

// The standard error that the interval stands for, 0 where there is none to be had.
double error_of(const CurvePoint& point) {
  if (!point.low) return 0;
  return std::max(*point.high - point.value, point.value - *point.low) / normal_quantile(0.975);
}

std::optional<Drop> tested_drop(const Curve& curve, size_t from, size_t to, bool from_best) {
  const CurvePoint &before = curve.points[from], &after = curve.points[to];
  std::vector<double> x, y;
  for (const CurvePoint& point : curve.points) x.push_back(point.x), y.push_back(point.value);
  x = scale_of(x);
  Drop drop{0, from, to,       curve.higher_is_better ? before.value - after.value : after.value - before.value, 0, 0,
            0, 0,    from_best};
  const double item_error = std::hypot(error_of(before), error_of(after));
  const auto noise = noise_without(x, y, from_best ? std::nullopt : std::optional<size_t>(to), kFewestResidualsToTest);
  const double noise_error = noise ? noise->sd * std::sqrt(2.0) : 0;
  if (item_error <= 0 && noise_error <= 0) return std::nullopt;
  double half = 0;
  if (item_error > 0) {
    drop.p = normal_upper_tail(drop.loss / item_error);
    half = normal_quantile(0.975) * item_error;
  }
  if (noise_error > 0) {
    drop.p = std::max(drop.p, student_upper_tail(drop.loss / noise_error, noise->df));
    half = std::max(half, student_quantile(0.975, noise->df) * noise_error);
  }
  drop.low = drop.loss - half, drop.high = drop.loss + half;
  if (from_best) drop.p = std::min(1.0, drop.p * static_cast<double>(to));
  return drop;
}

size_t best_before_last(const Curve& curve) {
  size_t best = 0;
  for (size_t i = 1; i + 1 < curve.points.size(); ++i) {
    const double gain = curve.points[i].value - curve.points[best].value;
    if (curve.higher_is_better ? gain > 0 : gain < 0) best = i;
  }
  return best;
}

void find_drops(CurveSet& set) {
  std::vector<Drop> all;
  for (size_t c = 0; c < set.curves.size(); ++c) {
    const Curve& curve = set.curves[c];
    const size_t last = curve.points.size() - 1;
    auto add = [&](size_t from, size_t to, bool from_best) {
      auto drop = tested_drop(curve, from, to, from_best);
      if (!drop) return void(++set.pairs_untested);
      drop->curve = c;
      all.push_back(*drop);
    };
    for (size_t i = 0; i < last; ++i) add(i, i + 1, false);
    const size_t best = best_before_last(curve);
    if (best + 1 < last) add(best, last, true);
  }
  set.pairs_tested = all.size();
  std::vector<std::optional<double>> p;
  for (const Drop& drop : all) p.push_back(drop.p);
  const std::vector<std::optional<double>> q = benjamini_hochberg(p);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].q = *q[i];
    if (all[i].q < kAlpha) set.drops.push_back(all[i]);
  }
}

void describe(Curve& curve) {
  std::vector<double> x, y;
  for (CurvePoint& point : curve.points) {
    give_interval(point, curve.metric);
    x.push_back(point.x), y.push_back(point.value);
  }
  curve.noise = noise_floor(x, y);
  if (y.size() >= kFewestForTrend) curve.trend = mann_kendall(y);
  curve.change_points = change_points(x, y);
}

std::string key_of(const ReportRow& row, const std::string& series) {
  return series + "\n" + row.task + "\n" + row.convention + "\n" + row.metric + "\n" + row.filter;
}

// For each curve the number of shots that most of its results have, the larger one on a tie: others are no points of
// it.
std::map<std::string, std::optional<int>> usual_shots(const std::vector<ReportRow>& rows) {
  std::map<std::string, std::map<std::optional<int>, int>> counts;
  for (const ReportRow& row : rows) {
    if (row.metric == row.headline && row.value) ++counts[key_of(row, series_of(row.checkpoint))][row.shots];
  }
  std::map<std::string, std::optional<int>> usual;
  for (const auto& [key, of_key] : counts) {
    int most = 0;
    for (const auto& [shots, count] : of_key) {
      if (count >= most) most = count, usual[key] = shots;
    }
  }
  return usual;
}

}  // namespace

std::string series_of(const std::string& label) {
  const size_t end = label.find_last_of("0123456789");
  if (end == std::string::npos) return label;
  size_t begin = end;
  while (begin > 0 && label[begin - 1] >= '0' && label[begin - 1] <= '9') --begin;
  return label.substr(0, begin) + "*" + label.substr(end + 1);
}

std::optional<Noise> noise_floor(const std::vector<double>& x, const std::vector<double>& y) {
  ASSAY_ASSERT(x.size() == y.size(), "a curve needs pairs");
  return noise_without(scale_of(x), y, std::nullopt, kFewestResiduals);
}

Trend mann_kendall(const std::vector<double>& y) {
  const size_t n = y.size();
  int64_t s = 0, ties = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i + 1; j < n; ++j) {
      s += (y[j] > y[i]) - (y[j] < y[i]);
      ties += y[i] == y[j];
    }
  }
  const double pairs = static_cast<double>(n * (n - 1) / 2);
  if (pairs == static_cast<double>(ties)) return {0, 1};
  Trend trend;
  trend.tau = static_cast<double>(s) / std::sqrt(pairs * (pairs - static_cast<double>(ties)));
  if (s == 0) return trend;
  if (ties == 0 && n <= kExactLimit) {
    const int64_t concordant = (static_cast<int64_t>(pairs) + std::abs(s)) / 2;
    trend.p = std::min(1.0, 2 * share_of_orders(n, concordant));
    return trend;
  }
  std::map<double, int64_t> groups;
  for (double value : y) ++groups[value];
  auto term = [](double t) { return t * (t - 1) * (2 * t + 5); };
  double variance = term(static_cast<double>(n));
  for (const auto& [value, count] : groups) variance -= term(static_cast<double>(count));
  const double z = (static_cast<double>(std::abs(s)) - 1) / std::sqrt(variance / 18);
  trend.p = std::min(1.0, 2 * normal_upper_tail(z));
  return trend;
}

std::vector<ChangePoint> change_points(const std::vector<double>& x, const std::vector<double>& y) {
  ASSAY_ASSERT(x.size() == y.size(), "a curve needs pairs");
  std::vector<ChangePoint> found;
  find_changes(scale_of(x), y, 0, x.size(), found);
  return found;
}

CurveSet make_curves(const std::vector<ReportRow>& rows, const std::map<std::string, double>* tokens) {
  CurveSet set;
  if (tokens) set.x_name = "tokens";
  std::map<std::string, size_t> by_key;
  std::map<std::string, int64_t> unplaced;  // label -> rows
  int64_t replaced = 0;
  const std::map<std::string, std::optional<int>> shots = usual_shots(rows);
  std::map<std::string, int64_t> other_shots;  // task -> rows
  for (const ReportRow& row : rows) {
    if (row.metric != row.headline || !row.value) continue;
    const std::string series = series_of(row.checkpoint), key = key_of(row, series);
    if (shots.at(key) != row.shots) {
      ++other_shots[row.task];
      continue;
    }
    std::optional<double> x;
    if (!tokens && row.step) x = static_cast<double>(*row.step);
    if (tokens) {
      auto found = tokens->find(row.checkpoint);
      if (found != tokens->end()) x = found->second;
    }
    if (!x) {
      ++unplaced[row.checkpoint];
      continue;
    }
    auto [entry, is_new] = by_key.emplace(key, set.curves.size());
    if (is_new) {
      Curve curve;
      curve.series = series, curve.task = row.task, curve.convention = row.convention, curve.metric = row.metric;
      curve.filter = row.filter, curve.higher_is_better = row.higher_is_better, curve.is_group = row.is_group;
      curve.depth = row.depth;
      set.curves.push_back(std::move(curve));
    }
    auto& points = set.curves[entry->second].points;
    CurvePoint point;
    point.run = row.run, point.checkpoint = row.checkpoint, point.x = *x;
    point.value = *row.value, point.stderr_ = row.stderr_;
    point.n = row.n, point.units = row.units;
    auto at = std::lower_bound(points.begin(), points.end(), *x, [](const CurvePoint& p, double v) { return p.x < v; });
    if (at == points.end() || at->x != *x) {
      points.insert(at, std::move(point));
    } else {
      ++replaced;
      if (at->n < point.n || (at->n == point.n && at->run < row.run)) *at = std::move(point);
    }
  }
  for (const auto& [label, count] : unplaced) {
    set.left_out.push_back(fmt::format("{}: {} is not known, so it is on no curve", label,
                                       tokens ? "its number of tokens" : "its training step"));
  }
  if (replaced > 0) {
    set.left_out.push_back(
        fmt::format("{} other results of checkpoints that were scored again: with fewer items, or earlier", replaced));
  }
  for (const auto& [task, count] : other_shots) {
    set.left_out.push_back(fmt::format("{}: {} results with another number of shots than most", task, count));
  }
  const size_t single = std::erase_if(set.curves, [](const Curve& curve) { return curve.points.size() < 2; });
  if (single > 0) set.left_out.push_back(fmt::format("{} tasks with one checkpoint only", single));
  for (Curve& curve : set.curves) describe(curve);
  find_drops(set);
  return set;
}

}  // namespace assay
