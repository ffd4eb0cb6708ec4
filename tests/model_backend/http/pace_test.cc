#include "model_backend/http/pace.h"

#include <catch2/catch.hpp>

namespace assay {

TEST_CASE("the limit starts low, doubles a round trip, and halves once for all that were under way") {
  Pace pace(256, 0.5, 1);
  CHECK(pace.limit() == 4);
  for (int i = 0; i < 60; ++i) pace.succeeded();
  CHECK(pace.limit() == 64);
  const auto begin = Pace::Clock::now();
  pace.met_trouble(begin, begin + std::chrono::seconds(1), {});
  CHECK(pace.limit() == 32);
  pace.met_trouble(begin, begin + std::chrono::seconds(2), {});
  CHECK(pace.limit() == 32);
  pace.met_trouble(begin + std::chrono::seconds(3), begin + std::chrono::seconds(4), {});
  CHECK(pace.limit() == 16);
  for (int i = 0; i < 17; ++i) pace.succeeded();
  CHECK(pace.limit() == 17);
}

TEST_CASE("the limit never leaves 1 to its cap") {
  Pace pace(6, 0.5, 1);
  for (int i = 0; i < 100; ++i) pace.succeeded();
  CHECK(pace.limit() == 6);
  auto now = Pace::Clock::now();
  for (int i = 0; i < 20; ++i) {
    now += std::chrono::seconds(2);
    pace.met_trouble(now, now + std::chrono::seconds(1), {});
  }
  CHECK(pace.limit() == 1);
}

TEST_CASE("pauses double with jitter, end at a minute and a half, and are never shorter than Retry-After") {
  Pace pace(8, 1, 7);
  double base = 1;
  for (int attempt = 1; attempt < 12; ++attempt, base = std::min(60.0, base * 2)) {
    const double pause = pace.pause_s(attempt, {});
    CHECK(pause >= 0.5 * base);
    CHECK(pause < 1.5 * base);
  }
  CHECK(pace.pause_s(1, 500) == 500);
}

TEST_CASE("Retry-After holds back all new requests") {
  Pace pace(8, 1, 7);
  const auto now = Pace::Clock::now();
  pace.met_trouble(now, now, 3);
  CHECK(pace.open_from() == now + std::chrono::seconds(3));
}

}  // namespace assay
