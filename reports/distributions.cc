#include "reports/distributions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace assay {
namespace {

constexpr double kTiny = 1e-300;

// The continued fraction of I_x(a, b), for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  if (std::abs(d) < kTiny) d = kTiny;
  d = 1 / d;
  double value = d;
  for (int m = 1; m < 100000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (double step : {even, odd}) {
      d = 1 + step * d;
      c = 1 + step / c;
      if (std::abs(d) < kTiny) d = kTiny;
      if (std::abs(c) < kTiny) c = kTiny;
      d = 1 / d;
      value *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return value;
}

// Where an increasing function reaches `wanted`, by bisection to the last bit or so.
template <typename Function>
double inverse(Function&& function, double wanted, double low, double high) {
  for (int i = 0; i < 200; ++i) {
    double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (function(middle) < wanted ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double log_binomial(int64_t k, int64_t n, double p) {
  const double kd = static_cast<double>(k), nd = static_cast<double>(n);
  return std::lgamma(nd + 1) - std::lgamma(kd + 1) - std::lgamma(nd - kd + 1) + kd * std::log(p) +
         (nd - kd) * std::log1p(-p);
}

}  // namespace

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

double normal_upper_tail(double z) {
  return normal_cdf(-z);
}

// In the lower half, where the distribution function keeps its digits.
double normal_quantile(double probability) {
  ASSAY_ASSERT(probability > 0 && probability < 1, "a quantile's probability lies inside (0, 1)");
  if (probability > 0.5) return -inverse(normal_cdf, 1 - probability, -40, 0);
  return inverse(normal_cdf, probability, -40, 0);
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_cdf(double t, double degrees) {
  if (std::isinf(degrees)) return normal_cdf(t);
  const double tail = 0.5 * incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + t * t));
  return t > 0 ? 1 - tail : tail;
}

double student_upper_tail(double t, double degrees) {
  if (std::isinf(degrees)) return normal_upper_tail(t);
  const double tail = 0.5 * incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + t * t));
  return t > 0 ? tail : 1 - tail;
}

double f_upper_tail(double f, double degrees1, double degrees2) {
  ASSAY_ASSERT(f >= 0, "F is not negative");
  if (std::isinf(f)) return 0;
  return incomplete_beta(0.5 * degrees2, 0.5 * degrees1, degrees2 / (degrees2 + degrees1 * f));
}

double student_quantile(double probability, double degrees) {
  ASSAY_ASSERT(probability > 0 && probability < 1, "a quantile's probability lies inside (0, 1)");
  if (std::isinf(degrees)) return normal_quantile(probability);
  if (probability == 0.5) return 0;
  double bound = 50;
  const double wanted = std::max(probability, 1 - probability);
  while (student_cdf(bound, degrees) < wanted && bound < 1e300) bound *= 10;
  const double value = inverse([&](double t) { return student_cdf(t, degrees); }, wanted, 0, bound);
  return probability < 0.5 ? -value : value;
}

double binomial_cdf(int64_t k, int64_t n, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 1 - p);
}

double binomial_test(int64_t k, int64_t n, double p) {
  ASSAY_ASSERT(n >= 0 && k >= 0 && k <= n, "successes are a part of the trials");
  if (p <= 0) return k == 0 ? 1 : 0;
  if (p >= 1) return k == n ? 1 : 0;
  // Outcomes as likely as k up to rounding count as equal, as in R and scipy.
  const double limit = log_binomial(k, n, p) + 1e-7;
  double sum = 0;
  for (int64_t i = 0; i <= n; ++i) {
    const double logarithm = log_binomial(i, n, p);
    if (logarithm <= limit) sum += std::exp(logarithm);
  }
  return std::min(1.0, sum);
}

}  // namespace assay
