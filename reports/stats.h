// Means, ratios and their standard errors.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace assay {

// A number and how far it may be off. No error where the data can't give one (fewer than two values).
struct Estimate {
  double value = 0;
  std::optional<double> stderr_;
};

// Mean with the standard error sd / sqrt(n), sd with n - 1 in its denominator. `values` must not be empty.
Estimate mean(std::span<const double> values);

// sum(numerator) / sum(denominator) over independent documents. The error is that of the ratio estimator
// (Cochran, Sampling Techniques, 3rd ed., eq. 2.46): sqrt(n / (n - 1) * sum (y_i - r x_i)^2) / sum x_i.
// Precondition: equal lengths, sum of denominators positive.
Estimate ratio(std::span<const double> numerator, std::span<const double> denominator);

// Cohen's kappa of two annotators over the same answers: (p_o - p_e) / (1 - p_e). Nothing where both gave one and the
// same label throughout. Precondition: equal lengths, not empty.
std::optional<double> cohen_kappa(std::span<const std::string> a, std::span<const std::string> b);

// Pearson's correlation with the error sqrt((1 - r^2) / (n - 2)). Nothing for fewer than three pairs or where one side
// does not vary. Precondition: equal lengths.
std::optional<Estimate> pearson(std::span<const double> x, std::span<const double> y);

// A group's number from its members' numbers: sum w_m v_m / sum w_m. The members are fixed strata with independent
// items, so the variance is sum w_m^2 se_m^2 / (sum w_m)^2 (stratified sampling, Cochran eq. 5.8): with w = number of
// items that is the mean over items, with w = 1 the mean over members. A member without an error leaves the group
// without one.
Estimate stratified(std::span<const Estimate> members, std::span<const double> weights);

}  // namespace assay
