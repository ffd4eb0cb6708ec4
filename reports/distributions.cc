#include "reports/distributions.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace assay {
namespace {

constexpr double kSqrt2 = 1.41421356237309504880;
constexpr double kTiny = 1e-300;

double beta_fraction(double a, double b, double x) {
  double c = 1, d = 1 / std::max(std::abs(1 - (a + b) * x / (a + 1)), kTiny);
  double fraction = d;
  for (int m = 1; m < 10000; ++m) {
    for (int odd = 0; odd < 2; ++odd) {
      const double term = odd == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                                   : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 + term * d;
      c = 1 + term / c;
      if (std::abs(d) < kTiny) d = kTiny;
      if (std::abs(c) < kTiny) c = kTiny;
      d = 1 / d;
      fraction *= c * d;
    }
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return fraction;
}

// x with upper_tail(x) = tail for a falling function that is symmetric about 0; tail in (0, 0.5].
template <typename Tail>
double invert_tail(double tail, Tail upper_tail) {
  double low = 0, high = 1;
  while (upper_tail(high) > tail && high < std::numeric_limits<double>::max() / 4) low = high, high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = (low + high) / 2;
    (upper_tail(middle) > tail ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
  ASSAY_ASSERT(a > 0 && b > 0 && x >= 0 && x <= 1, "incomplete_beta outside its domain");
  if (x == 0 || x == 1) return x;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double normal_upper_tail(double z) {
  return 0.5 * std::erfc(z / kSqrt2);
}

double normal_quantile(double p) {
  ASSAY_ASSERT(p > 0 && p < 1, "a quantile needs a probability inside (0, 1)");
  return p < 0.5 ? -invert_tail(p, normal_upper_tail) : invert_tail(1 - p, normal_upper_tail);
}

double student_upper_tail(double t, double df) {
  const double half = 0.5 * incomplete_beta(df / 2, 0.5, df / (df + t * t));
  return t >= 0 ? half : 1 - half;
}

double student_quantile(double p, double df) {
  ASSAY_ASSERT(p > 0 && p < 1, "a quantile needs a probability inside (0, 1)");
  auto tail = [df](double t) { return student_upper_tail(t, df); };
  return p < 0.5 ? -invert_tail(p, tail) : invert_tail(1 - p, tail);
}

double f_upper_tail(double f, double df1, double df2) {
  ASSAY_ASSERT(f >= 0, "F is not negative");
  if (std::isinf(f)) return 0;
  return incomplete_beta(df2 / 2, df1 / 2, df2 / (df2 + df1 * f));
}

}  // namespace assay
