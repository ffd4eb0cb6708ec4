#include "model_backend/engine/sampler.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "model_backend/engine/generation.h"

namespace assay {

TEST_CASE("Philox gives the authors' known answers") {
  // From kat_vectors of the Random123 distribution, philox4x32 with 10 rounds.
  using Words = std::array<uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("greedy takes the lowest id on a tie") {
  const std::vector<float> logits = {1, 3, 2, 3};
  CHECK(greedy_token(logits) == 1);
  CHECK(sample_token(logits, {}, 0.99) == 1);
}

TEST_CASE("sampling follows the probabilities that the settings leave") {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const std::vector<float> logits = {std::log(0.125f), std::log(0.5f), std::log(0.125f), std::log(0.25f)};
  struct Row {
    SampleSettings settings;
    double random;
    int32_t expected;
  };
  const Row rows[] = {
      {{1, 1, 0}, 0.0, 1},    {{1, 1, 0}, 0.49, 1},    {{1, 1, 0}, 0.51, 3},   {{1, 1, 0}, 0.76, 0},
      {{1, 1, 0}, 0.99, 2},   {{1, 1, 1}, 0.99, 1},    {{1, 1, 2}, 0.66, 1},   {{1, 1, 2}, 0.67, 3},
      {{1, 0.5, 0}, 0.99, 1}, {{1, 0.51, 0}, 0.99, 3}, {{1, 0.8, 0}, 0.99, 0}, {{0.1, 1, 0}, 0.99, 1},
  };
  for (const Row& row : rows) {
    INFO(row.settings.temperature << " " << row.settings.top_p << " " << row.settings.top_k << " at " << row.random);
    CHECK(sample_token(logits, row.settings, row.random) == row.expected);
  }
}

TEST_CASE("random numbers differ by seed, request, sample and position, and lie in [0, 1)") {
  const double base = random_number(1, 2, 3, 4);
  CHECK(random_number(1, 2, 3, 4) == base);
  for (double other : {random_number(2, 2, 3, 4), random_number(1, 3, 3, 4), random_number(1, 2, 4, 4),
                       random_number(1, 2, 3, 5), random_number(1 + (uint64_t{1} << 32), 2, 3, 4)}) {
    CHECK(other != base);
  }
  double sum = 0;
  for (uint32_t i = 0; i < 10000; ++i) {
    const double value = random_number(0, 0, 0, i);
    REQUIRE(value >= 0);
    REQUIRE(value < 1);
    sum += value;
  }
  CHECK(sum / 10000 == Approx(0.5).margin(0.02));
}

TEST_CASE("a text is cut before the earliest stop string") {
  CHECK(cut_at_stop("one\n\ntwo Q:", {"Q:", "\n\n"}) == "one");
  CHECK(cut_at_stop("nothing", {"Q:", ""}) == "nothing");
  CHECK(cut_at_stop("Q: at once", {"Q:"}) == "");
}

}  // namespace assay
