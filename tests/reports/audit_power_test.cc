// A small version of tests/bench/audit_power_bench.cc.
#include <catch2/catch.hpp>
#include <cmath>

#include "reports/audit.h"
#include "reports/intervals.h"
#include "tests/reports/planted_signals.h"

namespace assay::testing {
namespace {

// So many experiments of `all` may show what happens in 5 % of them at most: three errors above.
int at_most_5_percent(int all) {
  return static_cast<int>(0.05 * all + 3 * std::sqrt(0.05 * 0.95 * all));
}

TEST_CASE("planted signals: false alarms at strength 0, more found the stronger, nearly all at the end") {
  constexpr int kExperiments = 30;
  for (const PlantedSignal& signal : planted_signals()) {
    int last = 0;
    for (double strength : signal.strengths) {
      const Detections count = detections(signal, strength, {.items = 400}, kExperiments);
      CAPTURE(signal.name, strength, count.named, count.others);
      if (strength == 0) CHECK(count.named <= at_most_5_percent(kExperiments));
      CHECK(count.named >= last - 3);
      CHECK(count.others <= at_most_5_percent(kExperiments));
      if (strength == signal.strengths.back()) CHECK(count.named >= kExperiments - 2);
      last = count.named;
    }
  }
}

TEST_CASE("fewer items find less") {
  for (const PlantedSignal& signal : planted_signals()) {
    const double middle = signal.strengths[signal.strengths.size() - 2];
    CAPTURE(signal.name);
    CHECK(detections(signal, middle, {.items = 100}, 25).named <=
          detections(signal, middle, {.items = 400}, 25).named + 3);
  }
}

TEST_CASE("the sentence on a plain checkpoint names anything at all in at most one case of twenty") {
  for (const PlainCheckpoint& plain : plain_checkpoints()) {
    for (int items : {100, 400}) {
      const int experiments = items == 100 ? 150 : 60;
      CAPTURE(plain.name, items);
      CHECK(false_alarms(plain, items, experiments) <= at_most_5_percent(experiments));
    }
  }
}

}  // namespace
}  // namespace assay::testing
