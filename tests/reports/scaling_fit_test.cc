// Scaling laws beside scipy's fits (tests/golden/scaling/make_scaling_goldens.py).

#include "reports/scaling_fit.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "reports/curve_svg.h"

namespace assay {
namespace {

std::vector<FitPoint> points_of(const Json& golden) {
  std::vector<FitPoint> points;
  for (size_t i = 0; i < golden["compute"].size(); ++i) {
    points.push_back(
        {"step-" + std::to_string(i), golden["compute"][i].get<double>(), golden["loss"][i].get<double>()});
  }
  return points;
}

std::vector<FitPoint> law(double irreducible, double noise, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<FitPoint> points;
  for (int i = 0; i < 12; ++i) {
    const double compute = std::pow(10, 17 + 0.35 * i);
    points.push_back({"c", compute, (irreducible + 40 * std::pow(compute, -0.09)) * std::exp(noise * normal(random))});
  }
  return points;
}

}  // namespace

TEST_CASE("a scaling law agrees with scipy's least squares") {
  const Json goldens = read_json_file(ASSAY_SOURCE_DIR "/tests/golden/scaling/scaling.json");
  for (const auto& [name, golden] : goldens.items()) {
    INFO(name);
    const auto fit = fit_scaling_law(points_of(golden));
    REQUIRE(fit);
    auto near = [&](const char* key, double epsilon) { return Approx(golden[key].get<double>()).epsilon(epsilon); };
    CHECK(fit->has_irreducible == !golden["irreducible"].is_null());
    if (fit->has_irreducible) {
      CHECK(fit->irreducible == near("irreducible", 1e-6));
      CHECK(*fit->irreducible_stderr == near("irreducible_stderr", 1e-4));
    }
    CHECK(fit->exponent == near("exponent", 1e-6));
    CHECK(fit->scale == near("scale", 1e-4));
    CHECK(fit->exponent_stderr == near("exponent_stderr", 1e-4));
    CHECK(fit->residual_sd == near("residual_sd", 1e-6));
    const Prediction at = fit->predict(golden["at"].get<double>());
    CHECK(at.value == near("value", 1e-6));
    CHECK(at.low == near("low", 1e-5));
    CHECK(at.high == near("high", 1e-5));
    CHECK(at.low_new < at.low);
    CHECK(at.high_new > at.high);
    CHECK(at.beyond == Approx(10));
  }
}

TEST_CASE("a law without noise is found again, its residuals are nothing") {
  const auto fit = fit_scaling_law(law(0, 0, 1));
  REQUIRE(fit);
  CHECK(fit->exponent == Approx(0.09).epsilon(1e-6));
  CHECK(fit->predict(1e23).value == Approx(40 * std::pow(1e23, -0.09)).epsilon(1e-5));
  for (double residual : fit->residuals) CHECK(std::abs(residual) < 1e-6);
}

TEST_CASE("the band of the law holds the truth about 95 times in 100") {
  int inside = 0, inside_new = 0;
  constexpr int kTrials = 1000;
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  for (uint32_t seed = 0; seed < kTrials; ++seed) {
    const auto points = law(0, 0.01, seed);
    const double compute = 1e22, truth = 40 * std::pow(compute, -0.09);
    // The straight line of five points, where no irreducible term can enter.
    const auto fit = fit_scaling_law({points.begin(), points.begin() + 5});
    REQUIRE(fit);
    const Prediction at = fit->predict(compute);
    inside += at.low <= truth && truth <= at.high;
    const double next = truth * std::exp(0.01 * normal(random));
    inside_new += at.low_new <= next && next <= at.high_new;
  }
  CHECK(inside > 0.93 * kTrials);
  CHECK(inside < 0.97 * kTrials);
  CHECK(inside_new > 0.93 * kTrials);
  CHECK(inside_new < 0.97 * kTrials);
}

TEST_CASE("no law is drawn through what can't carry one") {
  CHECK_FALSE(fit_scaling_law({}));
  CHECK_FALSE(fit_scaling_law({{"a", 1e18, 1}, {"b", 2e18, 0.9}, {"c", 4e18, 0.8}}));                        // three
  CHECK_FALSE(fit_scaling_law({{"a", 1e18, 1}, {"b", 1.1e18, 0.9}, {"c", 1.2e18, 0.8}, {"d", 1.3e18, 1}}));  // range
  CHECK_FALSE(fit_scaling_law({{"a", 0, 1}, {"b", 2e18, 0.9}, {"c", 4e18, 0.8}, {"d", 8e18, 0.7}}));
  CHECK_FALSE(fit_scaling_law({{"a", 1e18, -1}, {"b", 2e18, 0.9}, {"c", 4e18, 0.8}, {"d", 8e18, 0.7}}));
}

TEST_CASE("compute of a checkpoint comes from its label, then its step, then tokens per step") {
  Compute compute;
  compute.flops_per_token = 6e9;
  compute.tokens_per_step = 1000;
  compute.by_label["final"] = {5e6, 7e9};
  compute.by_step[20] = {25000, std::nullopt};
  CHECK(compute.find("final", 20)->tokens == 5e6);
  CHECK(*compute.find("final", 20)->flops_per_token == 7e9);
  CHECK(compute.find("step-20", 20)->tokens == 25000);
  CHECK(*compute.find("step-20", 20)->flops_per_token == 6e9);
  CHECK(compute.find("step-30", 30)->tokens == 30000);
  CHECK_FALSE(compute.find("other", std::nullopt));
}

TEST_CASE("compute of a shape is the report's formula") {
  // 30 layers, width 4096, sequence 4096: 72 n d^2 + 12 n d l
  CHECK(non_embedding_flops_per_token(30, 4096, 4096) == Approx(72.0 * 30 * 4096 * 4096 + 12.0 * 30 * 4096 * 4096));
}

TEST_CASE("the picture of a fit has a dot and a residual for every point") {
  const auto points = law(0, 0.01, 3);
  CurveFit entry{"run-*", "bpb", "deepseek", "bits_per_byte", *fit_scaling_law(points), {}};
  entry.predictions.push_back(entry.fit.predict(1e23));
  const std::string svg = fit_svg(entry);
  size_t dots = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++dots;
  CHECK(dots == 2 * points.size() + 1);
  CHECK(svg.find("nan") == std::string::npos);
}

}  // namespace assay
