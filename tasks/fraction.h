// Decimal numbers and simple fractions as exact values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

// In lowest terms, the denominator positive: equal values are equal fractions.
struct Fraction {
  int64_t numerator = 0, denominator = 1;
  bool operator==(const Fraction&) const = default;
};

// "4/10" = "2/5" = "0.4"; also "-3", "1,200", "$5", " 7. ". Nothing for other text, a denominator of zero, or more than
// nine digits on a side of the bar.
std::optional<Fraction> parse_fraction(std::string_view text);

}  // namespace assay
