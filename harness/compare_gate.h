// Thresholds for training automation: `assay compare A B --gate FILE`. docs/formats/gate.md has the fields.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reports/comparison.h"

namespace assay {

struct GateLimits {
  std::optional<double> worse_by_at_most;  // A against B, in the metric's own scale (fractions of 1 for rates)
  std::optional<double> at_least;          // A's value; where lower is better: at most
};

struct Gate {
  std::vector<std::string> tasks;  // globs; empty = all rows
  GateLimits limits;               // of every task
  // What fails a task: a drop that was shown, or a drop that could not be excluded.
  enum class Proof { kOfDrop, kOfNoDrop } proof = Proof::kOfDrop;
  std::optional<double> average_at_least;      // mean of A's rates
  std::map<std::string, GateLimits> per_task;  // glob -> limits that replace the common ones
};

// Throws Error(kInput) with file and line for malformed YAML, an unknown key, a value of the wrong type.
Gate load_gate(const std::string& path);

// Why A fails, one short sentence each; empty = it passes. Looks at A and the second column. What was not measured has
// not passed: reasons too are a glob of the gate that matches no row, a task that only B was run on, items without an
// answer on either side, a difference without an interval where a drop is limited.
std::vector<std::string> gate_failures(const Gate& gate, const Comparison& comparison);

}  // namespace assay
