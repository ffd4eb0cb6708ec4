// Tails and quantiles beside scipy's (tests/golden/curve/make_curve_goldens.py).

#include "reports/distributions.h"

#include <catch2/catch.hpp>

#include "core/json.h"

namespace assay {
namespace {

Json goldens() {
  return read_json_file(ASSAY_SOURCE_DIR "/tests/golden/curve/curve.json")["distributions"];
}

Approx near(const Json& value) {
  return Approx(value.get<double>()).epsilon(1e-9).margin(1e-14);
}

}  // namespace

TEST_CASE("tails agree with scipy") {
  const Json golden = goldens();
  for (const Json& row : golden["normal"]) CHECK(normal_upper_tail(row[0]) == near(row[1]));
  for (const Json& row : golden["student"]) CHECK(student_upper_tail(row[0], row[1]) == near(row[2]));
  for (const Json& row : golden["f"]) CHECK(f_upper_tail(row[0], row[1], row[2]) == near(row[3]));
}

TEST_CASE("quantiles agree with scipy") {
  const Json golden = goldens();
  for (const Json& row : golden["normal_quantile"]) CHECK(normal_quantile(row[0]) == near(row[1]));
  for (const Json& row : golden["student_quantile"]) CHECK(student_quantile(row[0], row[1]) == near(row[2]));
}

TEST_CASE("the ends of the incomplete beta function") {
  CHECK(incomplete_beta(2, 3, 0) == 0);
  CHECK(incomplete_beta(2, 3, 1) == 1);
  CHECK(incomplete_beta(1, 1, 0.3) == Approx(0.3));
  CHECK(f_upper_tail(0, 2, 5) == Approx(1));
}

}  // namespace assay
