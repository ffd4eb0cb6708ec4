// A file of jobs for the sandbox, run as a suite: attacks and controls with the verdicts they must get.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/program_runner.h"
#include "sandbox/sandbox.h"

namespace assay {

// One line of a suite file (docs/formats/sandbox_suite.md).
struct SuiteRow {
  std::string id;
  ProgramJob job;
  std::vector<std::string> needs;     // "fork", "job_filesystem", "canaries"
  std::vector<std::string> expected;  // allowed verdicts; empty: any
  std::string after;                  // id of the row that must run directly before, in the same slot
  bool control = false;
  std::string defect;  // what is wrong with its limits; empty: nothing. Such a row is not run
};

// Throws Error(kInput) naming file and line; limits that make no sense are their row's defect.
std::vector<SuiteRow> read_suite(const std::string& path, bool controls);

struct SuiteResult {
  const SuiteRow* row = nullptr;  // not owned
  ProgramOutcome outcome;
  bool ran = false;
  bool ok = false;
  std::string skipped;  // why it was not run; empty: it was
};

// Runs the rows in their order, spread over the sandbox's slots; a row that follows another goes to its slot. Starts
// the canaries where a row needs them. One result a row, in order; fewer have `ran` when cancelled.
std::vector<SuiteResult> run_suite(Sandbox& sandbox, const std::vector<SuiteRow>& rows,
                                   const std::atomic<bool>& cancelled);

}  // namespace assay
