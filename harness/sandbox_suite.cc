#include "harness/sandbox_suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/canaries.h"

namespace assay {
namespace {

constexpr double kMostLateS = 1;         // a verdict after its limit
constexpr double kMostMemory = 1.1;      // of the limit
constexpr double kInterpreterMb = 32;    // what a warm interpreter holds before the program comes
constexpr size_t kReplacementBytes = 3;  // an invalid byte of output is shown as so many

std::vector<std::string> string_list(const JsonObject& row, const char* field) {
  std::vector<std::string> out;
  if (!row.has(field)) return out;
  const Json& list = row.child(field);
  if (!list.is_array()) row.fail(field, "is not a list");
  for (const Json& entry : list) {
    if (!entry.is_string()) row.fail(field, "holds something that is not a string");
    out.push_back(entry.get<std::string>());
  }
  return out;
}

SuiteRow read_row(const Json& json, const std::string& where, bool control) {
  const JsonObject fields(json, where);
  SuiteRow row;
  row.control = control;
  row.id = fields.text("id");
  row.job.program = fields.text("program");
  row.job.tests = fields.text("tests");
  row.job.entry_point = fields.text("entry_point", "");
  row.job.setup = fields.text("setup", "");
  try {
    if (fields.has("limits")) row.job.limits = limits_from_json(fields.child("limits"), where);
  } catch (const Error& error) {
    row.defect = error.what();
  }
  row.job.preload = string_list(fields, "preload");
  row.needs = string_list(fields, "needs");
  row.after = fields.text("after", "");
  for (const std::string& name : split(fields.text("expected_verdict", ""), '|')) {
    Verdict verdict;
    if (name.empty()) continue;
    if (!verdict_from_string(name, verdict))
      fields.fail("expected_verdict", fmt::format("has an unknown verdict \"{}\"", name));
    row.expected.push_back(name);
  }
  return row;
}

// Why a row means nothing here; empty when it does.
std::string skip_reason(const SuiteRow& row, const std::string& mode, const Canaries* canaries) {
  for (const std::string& need : row.needs) {
    if (need == "canaries" && canaries && !canaries->problem().empty()) return canaries->problem();
    if (need == "fork" && mode == "landlock") return "programs cannot start processes in mode landlock";
    if (need == "job_filesystem" && mode != "namespaces") return "a job has no file system of its own in mode " + mode;
    if (need != "fork" && need != "job_filesystem" && need != "canaries")
      return fmt::format("needs \"{}\", which is not known", need);
  }
  return "";
}

bool needs_canaries(const SuiteRow& row) {
  return std::find(row.needs.begin(), row.needs.end(), "canaries") != row.needs.end();
}

// Rows of one chain share a slot; chains go round.
std::vector<int> slots_of(const std::vector<SuiteRow>& rows, int slots) {
  std::vector<int> out;
  int next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    int slot = -1;
    for (size_t before = 0; before < i && !rows[i].after.empty(); ++before) {
      if (rows[before].id == rows[i].after) slot = out[before];
    }
    if (slot < 0) slot = next++ % slots;
    out.push_back(slot);
  }
  return out;
}

// What must hold of every row beside its verdict; empty when it does.
std::string broken_promise(const SuiteResult& result) {
  const ProgramOutcome& outcome = result.outcome;
  const ProgramLimits& limits = result.row->job.limits;
  if (outcome.left_over > 0) return fmt::format("{} processes outlived the verdict", outcome.left_over);
  if (outcome.wall_s > limits.wall_s + kMostLateS)
    return fmt::format("the verdict came {:.1f} s after the limit", outcome.wall_s - limits.wall_s);
  // Without a user namespace they are counted, and the job ended, when they are there.
  const bool ended_by_count = outcome.sandbox == "landlock" && outcome.verdict == Verdict::kRuntimeError;
  if (outcome.processes > limits.processes && !ended_by_count)
    return fmt::format("{} processes at once", outcome.processes);
  // A sum that the watchdog ended was above its limit when it was seen.
  if (outcome.verdict != Verdict::kMemoryLimit && outcome.memory_mb > limits.memory_mb * kMostMemory + kInterpreterMb)
    return fmt::format("{:.0f} MiB at once", outcome.memory_mb);
  if (outcome.output.size() > kReplacementBytes * static_cast<size_t>(limits.output_kb) * 1024)
    return fmt::format("{} bytes of output kept", outcome.output.size());
  if (outcome.verdict == Verdict::kOutputLimit && !outcome.truncated) return "the output is not marked as truncated";
  return "";
}

void judge(SuiteResult& result, int visits) {
  const std::vector<std::string>& expected = result.row->expected;
  const std::string verdict = to_string(result.outcome.verdict);
  result.ok = result.outcome.verdict != Verdict::kSandboxError &&
              (expected.empty() || std::find(expected.begin(), expected.end(), verdict) != expected.end());
  std::string broken = broken_promise(result);
  if (visits > 0) broken = fmt::format("the canaries on the host saw {} visits", visits);
  if (broken.empty()) return;
  result.ok = false;
  result.outcome.reason += (result.outcome.reason.empty() ? "" : "; ") + broken;
}

}  // namespace

std::vector<SuiteRow> read_suite(const std::string& path, bool controls) {
  std::vector<SuiteRow> rows;
  int number = 0;
  for (const std::string& line : split(read_file(path), '\n')) {
    ++number;
    if (strip(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", path, number);
    rows.push_back(read_row(parse_json(line, where), where, controls));
  }
  if (rows.empty()) throw_input(path, "holds no rows");
  return rows;
}

std::vector<SuiteResult> run_suite(Sandbox& sandbox, const std::vector<SuiteRow>& rows,
                                   const std::atomic<bool>& cancelled) {
  std::vector<SuiteResult> results(rows.size());
  std::unique_ptr<Canaries> canaries;
  if (std::any_of(rows.begin(), rows.end(), needs_canaries)) canaries = std::make_unique<Canaries>();
  const std::vector<int> slots = slots_of(rows, sandbox.slots());
  std::mutex mutex;
  for (size_t i = 0; i < rows.size(); ++i) {
    SuiteResult& result = results[i];
    result.row = &rows[i];
    result.outcome.slot = slots[i];
    result.skipped = skip_reason(rows[i], sandbox.mode(), canaries.get());
    if (!result.skipped.empty()) continue;
    if (!rows[i].defect.empty()) {
      result.ran = true;
      result.outcome.reason = rows[i].defect;
      result.outcome.sandbox = sandbox.mode();
      continue;
    }
    sandbox.submit_to(slots[i], rows[i].job, [&result, &mutex](ProgramOutcome outcome) {
      std::lock_guard lock(mutex);
      result.ran = outcome.reason != kCancelledReason;
      result.outcome = std::move(outcome);
    });
  }
  sandbox.wait(cancelled);
  const int visits = canaries ? canaries->visits() : 0;
  for (SuiteResult& result : results) {
    if (result.ran) judge(result, needs_canaries(*result.row) ? visits : 0);
  }
  return results;
}

}  // namespace assay
