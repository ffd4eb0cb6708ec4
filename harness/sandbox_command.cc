// assay sandbox run | suite: programs of the user's, as a benchmark would run them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/commands.h"
#include "harness/sandbox_flags.h"
#include "harness/sandbox_suite.h"
#include "sandbox/sandbox.h"

namespace assay {
namespace {

struct SandboxCommand {
  SandboxFlags sandbox;
  std::string program, tests, setup, entry_point, limits, stub, preload, language = "python";
  std::string suite, controls;
  std::string mode = "split";
  int slots = 1;
  bool json = false;
};

ProgramMode mode_of(const SandboxCommand& options) {
  return options.mode == "inline" ? ProgramMode::kInline : ProgramMode::kSplit;
}

Language language_of(const std::string& name) {
  Language language;
  if (language_from_string(name, language)) return language;
  throw_input("--language", fmt::format("\"{}\" is not known", name), "give python, cpp, js, java, php, ts, cs or sh");
}

Json job_outcome_json(const ProgramOutcome& outcome) {
  return {{"verdict", to_string(outcome.verdict)},
          {"reason", outcome.reason},
          {"mode", to_string(outcome.mode)},
          {"sandbox", outcome.sandbox},
          {"slot", outcome.slot},
          {"cpu_s", outcome.cpu_s},
          {"wall_s", outcome.wall_s},
          {"attempts", outcome.attempts},
          {"truncated", outcome.truncated},
          {"memory_mb", outcome.memory_mb},
          {"processes", outcome.processes},
          {"output", outcome.output}};
}

int run_one(const SandboxCommand& options) {
  ProgramJob job;
  job.language = language_of(options.language);
  job.program = read_file(options.program);
  job.tests = read_file(options.tests);
  if (!options.setup.empty()) job.setup = read_file(options.setup);
  if (!options.stub.empty()) job.stub = read_file(options.stub);
  if (!options.preload.empty()) job.preload = split(options.preload, ',');
  job.entry_point = options.entry_point;
  job.mode = mode_of(options);
  if (!options.limits.empty()) job.limits = limits_from_json(parse_json(options.limits, "--limits"), "--limits");
  Sandbox sandbox(options.sandbox.options(1));
  announce(sandbox.state());
  ProgramOutcome outcome;
  sandbox.submit(job, [&](ProgramOutcome came) { outcome = std::move(came); });
  sandbox.wait(g_cancelled);
  if (options.json) {
    std::printf("%s\n", dump_json(job_outcome_json(outcome), 2).c_str());
  } else {
    std::printf("%s%s%s\n", to_string(outcome.verdict), outcome.reason.empty() ? "" : ": ", outcome.reason.c_str());
    if (!outcome.output.empty())
      std::printf("--- output%s\n%s\n", outcome.truncated ? " (head and tail)" : "", outcome.output.c_str());
    std::printf("--- %.3f s of CPU, %.3f s in all, %s, sandbox %s\n", outcome.cpu_s, outcome.wall_s,
                to_string(outcome.mode), outcome.sandbox.c_str());
  }
  if (outcome.verdict == Verdict::kSandboxError || outcome.verdict == Verdict::kNotInstalled) return kExitWorld;
  return outcome.verdict == Verdict::kPass ? kExitDone : kExitIncomplete;
}

std::string expected_text(const SuiteRow& row) {
  std::string text;
  for (const std::string& verdict : row.expected) text += (text.empty() ? "" : "|") + verdict;
  return text;
}

void print_row(const SuiteResult& result, bool json) {
  const ProgramOutcome& outcome = result.outcome;
  const bool skipped = !result.skipped.empty();
  const std::string& reason = skipped ? result.skipped : outcome.reason;
  const std::string verdict = result.ran ? to_string(outcome.verdict) : "";
  if (json) {
    Json row = {{"id", result.row->id},
                {"verdict", result.ran ? Json(verdict) : Json(nullptr)},
                {"expected", expected_text(*result.row)},
                {"ok", result.ok},
                {"skipped", skipped},
                {"reason", reason},
                {"mode", to_string(result.row->job.mode)},
                {"sandbox", outcome.sandbox},
                {"slot", outcome.slot},
                {"cpu_s", outcome.cpu_s},
                {"wall_s", outcome.wall_s},
                {"truncated", outcome.truncated},
                {"attempts", outcome.attempts},
                {"memory_mb", outcome.memory_mb},
                {"processes", outcome.processes},
                {"left_over", outcome.left_over},
                {"output", outcome.output}};
    std::printf("%s\n", dump_json(row).c_str());
    return;
  }
  std::printf("%-7s %-30s %-14s expected %-28s slot %d  %6.3f s CPU %7.3f s  %s\n",
              skipped     ? "skipped"
              : result.ok ? "ok"
                          : "FAILED",
              result.row->id.c_str(), verdict.c_str(), expected_text(*result.row).c_str(), outcome.slot, outcome.cpu_s,
              outcome.wall_s, reason.c_str());
}

int run_suite_command(const SandboxCommand& options) {
  std::vector<SuiteRow> rows;
  if (!options.controls.empty()) rows = read_suite(options.controls, true);
  for (SuiteRow& row : read_suite(options.suite, false)) rows.push_back(std::move(row));
  for (SuiteRow& row : rows) row.job.mode = mode_of(options);
  SandboxOptions sandbox_options = options.sandbox.options(options.slots);
  sandbox_options.count_left_over = true;
  Sandbox sandbox(sandbox_options);
  announce(sandbox.state());
  const std::vector<SuiteResult> results = run_suite(sandbox, rows, g_cancelled);
  int failed = 0, controls_failed = 0, skipped = 0;
  for (const SuiteResult& result : results) {
    print_row(result, options.json);
    const bool bad = result.skipped.empty() && !result.ok;
    failed += bad;
    controls_failed += bad && result.row->control;
    skipped += !result.skipped.empty();
  }
  std::fprintf(stderr, "%zu rows: %zu ok, %d failed, %d skipped\n", results.size(),
               results.size() - static_cast<size_t>(failed + skipped), failed, skipped);
  if (controls_failed > 0) {
    std::fprintf(stderr, "%d controls failed, so the other rows show nothing\n", controls_failed);
  }
  return failed > 0 ? kExitIncomplete : kExitDone;
}

void add_common(CLI::App& command, SandboxCommand& options) {
  command.add_option("--mode", options.mode, "split: tests in a process of their own; inline: in the program's")
      ->check(CLI::IsMember({"split", "inline"}))
      ->capture_default_str();
  add_sandbox_flags(command, options.sandbox);
  command.add_flag("--json", options.json, "Machine-readable output");
}

}  // namespace

void declare_sandbox(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<SandboxCommand>();
  command.require_subcommand(1);

  CLI::App* run = command.add_subcommand("run", "Run one program with its tests, as a benchmark would");
  run->add_option("--program", options->program, "File with the program")->required();
  run->add_option("--tests", options->tests, "File with the tests: defines check(candidate), or bare asserts")
      ->required();
  run->add_option("--setup", options->setup, "File that runs before the tests, on their side");
  run->add_option("--entry-point", options->entry_point, "Name that check() gets: \"add\" or \"Solution().add\"");
  run->add_option("--limits", options->limits, "JSON: wall_s cpu_s memory_mb processes output_kb file_mb");
  run->add_option("--stub", options->stub,
                  "File with a program that holds no answer: tests that do not compile with it are at fault");
  run->add_option("--preload", options->preload, "Python modules that are loaded before the program: numpy");
  run->add_option("--language", options->language, "python cpp js java php ts cs sh")->capture_default_str();
  add_common(*run, *options);
  run->callback([options, &exit_code] { exit_code = run_one(*options); });

  CLI::App* suite = command.add_subcommand("suite", "Run a file of programs with expected verdicts");
  suite->add_option("file", options->suite, "JSON Lines, one job a line")->required();
  suite->add_option("--controls", options->controls, "Well-behaved programs, run first");
  suite->add_option("--slots", options->slots, "Jobs at once")->check(CLI::Range(1, 1024))->capture_default_str();
  add_common(*suite, *options);
  suite->callback([options, &exit_code] { exit_code = run_suite_command(*options); });
}

}  // namespace assay
