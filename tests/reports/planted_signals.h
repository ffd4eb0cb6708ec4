// What is planted to learn the audit's power, and how often the audit's sentence then says so.
#pragma once

#include <string>
#include <vector>

#include "tests/reports/simulated_audit.h"

namespace assay::testing {

struct PlantedSignal {
  const char* name;
  const char* unit;  // of the strengths
  const char* test;  // how the names of the tests begin by whose mark it counts as found; nullptr: the verdict
  double SimulatedCheckpoint::*what;
  std::vector<double> strengths;  // from 0 upwards, added to what a plain checkpoint has
  bool against = true;            // beside a plain earlier checkpoint
};
std::vector<PlantedSignal> planted_signals();

inline constexpr int kPlantedItems[] = {100, 400};

struct Detections {
  int named = 0;   // the planted thing
  int others = 0;  // anything else in the sentence
};
Detections detections(const PlantedSignal& signal, double strength, const SimulatedExam& exam, int experiments);

// Checkpoints whose sentence should name nothing.
struct PlainCheckpoint {
  const char* name;
  SimulatedCheckpoint before, after;
  int passage = 1;
  double likeness = 0;
};
std::vector<PlainCheckpoint> plain_checkpoints();
// Experiments whose sentence names technique or a sign.
int false_alarms(const PlainCheckpoint& plain, int items, int experiments);

}  // namespace assay::testing
