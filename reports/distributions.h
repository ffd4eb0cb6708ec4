// Normal, Student, F and binomial probabilities, as the tests and intervals need them. Pure functions, relative
// accuracy about 1e-10 (tests compare with scipy).
#pragma once

#include <cstdint>

namespace assay {

double normal_cdf(double z);
double normal_upper_tail(double z);  // P(Z > z)
// probability in (0, 1).
double normal_quantile(double probability);
inline constexpr double kZ95 = 1.959963984540054;  // normal_quantile(0.975): half width of a 95 % interval in errors

// Student's t with `degrees` > 0 degrees of freedom; infinity gives the normal distribution.
double student_cdf(double t, double degrees);
double student_upper_tail(double t, double degrees);  // P(T > t)
double student_quantile(double probability, double degrees);

double f_upper_tail(double f, double degrees1, double degrees2);  // P(F > f), f >= 0

// Regularised incomplete beta function I_x(a, b), a and b > 0, x in [0, 1]. Continued fraction of Numerical Recipes,
// 3rd ed., section 6.4, evaluated by Lentz's method.
double incomplete_beta(double a, double b, double x);

// P(X <= k) for X binomial(n, p). 0 for k < 0, 1 for k >= n.
double binomial_cdf(int64_t k, int64_t n, double p);
// Two-sided exact test of rate p: the sum of the probabilities of all outcomes that are no more likely than k.
double binomial_test(int64_t k, int64_t n, double p);

}  // namespace assay
