// How often the audit finds what was planted in simulated checkpoints (tests/reports/simulated_audit.h), by strength
// and number of items, with Clopper and Pearson's 95 % intervals. Each experiment audits all forms at once against a
// plain checkpoint, so a signal competes with all others for its part of alpha; strength 0 is the false alarm.
//
//   audit_power_bench [EXPERIMENTS]      a cell; default 1000
#include <fmt/format.h>

#include <cstdlib>

#include "reports/intervals.h"
#include "tests/reports/planted_signals.h"

using namespace assay;

namespace {

std::string shown(int64_t found, int experiments) {
  const Interval interval = exact_interval(static_cast<double>(found), experiments);
  return fmt::format("{:6.3f} ({:.3f} .. {:.3f})", static_cast<double>(found) / experiments, interval.low,
                     interval.high);
}

}  // namespace

int main(int argc, char** argv) {
  const int experiments = argc > 1 ? std::atoi(argv[1]) : 1000;
  if (experiments < 1) return 2;
  fmt::print(
      "{} experiments a cell; share of checkpoints in which the sentence names what was planted (95 % interval)\n",
      experiments);
  for (const testing::PlantedSignal& signal : testing::planted_signals()) {
    fmt::print("\n{}; strength: {}\n", signal.name, signal.unit);
    fmt::print("{:>8}", "");
    for (int items : testing::kPlantedItems) fmt::print("  {:>24}", fmt::format("{} items", items));
    fmt::print("\n");
    for (double strength : signal.strengths) {
      fmt::print("{:8.2f}", strength);
      for (int items : testing::kPlantedItems) {
        const testing::Detections count = testing::detections(signal, strength, {.items = items}, experiments);
        fmt::print("  {:>24}", shown(count.named, experiments));
      }
      fmt::print("\n");
      std::fflush(stdout);
    }
  }
  fmt::print("\nfalse alarms of the whole sentence: any technique, any sign\n");
  for (const testing::PlainCheckpoint& plain : testing::plain_checkpoints()) {
    fmt::print("{:<58}", plain.name);
    for (int items : testing::kPlantedItems) {
      fmt::print("  {:>24}", shown(testing::false_alarms(plain, items, experiments), experiments));
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
}
