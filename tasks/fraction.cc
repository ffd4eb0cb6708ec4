#include "tasks/fraction.h"

#include <numeric>
#include <string>

#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kMostDigitsASide = 9;  // so that the product of two stays an int64_t

struct Decimal {
  int64_t digits = 0, scale = 1;  // digits / scale
};

std::optional<Decimal> parse_decimal(std::string_view text) {
  text = strip(text);
  const bool negative = starts_with(text, "-");
  if (negative || starts_with(text, "+")) text.remove_prefix(1);
  if (ends_with(text, ".")) text.remove_suffix(1);
  Decimal value;
  size_t digits = 0;
  bool after_dot = false;
  for (char c : text) {
    if (c == ',' || c == '$') continue;
    if (c == '.' && !after_dot) {
      after_dot = true;
      continue;
    }
    if (c < '0' || c > '9' || ++digits > kMostDigitsASide) return std::nullopt;
    value.digits = value.digits * 10 + (c - '0');
    if (after_dot) value.scale *= 10;
  }
  if (digits == 0) return std::nullopt;
  if (negative) value.digits = -value.digits;
  return value;
}

}  // namespace

std::optional<Fraction> parse_fraction(std::string_view text) {
  const size_t bar = text.find('/');
  const auto above = parse_decimal(text.substr(0, bar));
  const auto below = bar == std::string_view::npos ? Decimal{1, 1} : parse_decimal(text.substr(bar + 1));
  if (!above || !below || below->digits == 0) return std::nullopt;
  Fraction value{above->digits * below->scale, above->scale * below->digits};
  const int64_t common = std::gcd(value.numerator, value.denominator) * (value.denominator < 0 ? -1 : 1);
  return Fraction{value.numerator / common, value.denominator / common};
}

}  // namespace assay
