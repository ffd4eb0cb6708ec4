// Agreement of people and correlation, by hand.

#include <catch2/catch.hpp>

#include "reports/stats.h"

namespace assay {

TEST_CASE("Cohen's kappa is agreement beyond chance") {
  using Labels = std::vector<std::string>;
  struct Row {
    Labels a, b;
    double kappa;  // -9 = not defined
  };
  // Second row: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4.
  for (const Row& row : {Row{{"s", "u"}, {"s", "u"}, 1},
                         Row{{"y", "y", "y", "y", "y", "n", "n", "n", "n", "n"},
                             {"y", "y", "y", "y", "n", "y", "y", "n", "n", "n"},
                             0.4},
                         Row{{"s", "u"}, {"u", "s"}, -1}, Row{{"s", "s"}, {"s", "s"}, -9}}) {
    CHECK(cohen_kappa(row.a, row.b).value_or(-9) == Approx(row.kappa));
  }
}

TEST_CASE("Pearson's r, with nothing where a side does not vary") {
  const std::vector<double> x = {1, 2, 3, 4}, up = {2, 4, 6, 8}, down = {4, 3, 2, 1}, bent = {1, 3, 2, 4};
  CHECK(pearson(x, up)->value == Approx(1));
  CHECK(pearson(x, down)->value == Approx(-1));
  CHECK(pearson(x, bent)->value == Approx(0.8));
  CHECK(*pearson(x, bent)->stderr_ == Approx(std::sqrt(0.36 / 2)));
  const std::vector<double> some(683, 0.1), other = [] {
    std::vector<double> values(683);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
    return values;
  }();
  CHECK_FALSE(pearson(some, other));
  CHECK_FALSE(pearson(std::vector<double>{1, 2}, std::vector<double>{1, 2}));
}

}  // namespace assay
