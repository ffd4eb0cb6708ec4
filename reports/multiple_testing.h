// Many tests at once.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace assay {

// Benjamini and Hochberg's adjusted p-values (1995): q[i] <= x exactly where the procedure at false-discovery rate x
// rejects test i. Tests without a p-value get none and don't count.
std::vector<std::optional<double>> benjamini_hochberg(std::span<const std::optional<double>> p);

// Holm's step-down procedure (1979): which of the tests are rejected so that the probability of any false rejection is
// at most `alpha`, however the tests depend on each other.
std::vector<bool> holm(std::span<const double> p, double alpha);

}  // namespace assay
