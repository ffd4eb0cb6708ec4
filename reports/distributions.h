// Tails and quantiles of the distributions that tests and intervals use. Relative accuracy about 1e-10 (tests compare
// with scipy).
#pragma once

namespace assay {

double normal_upper_tail(double z);                     // P(Z > z)
double normal_quantile(double p);                       // p in (0, 1)
double student_upper_tail(double t, double df);         // P(T > t), df > 0
double student_quantile(double p, double df);           // p in (0, 1)
double f_upper_tail(double f, double df1, double df2);  // P(F > f), f >= 0

// Regularised incomplete beta function I_x(a, b), x in [0, 1], a, b > 0. Continued fraction (Abramowitz and Stegun
// 26.5.8), evaluated by Lentz's method.
double incomplete_beta(double a, double b, double x);

}  // namespace assay
