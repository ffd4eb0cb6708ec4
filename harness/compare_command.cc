// assay compare A B [C...]: runs, checkpoints and published models side by side.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "harness/commands.h"
#include "harness/compare_gate.h"
#include "harness/compare_sides.h"
#include "harness/compare_why.h"
#include "harness/run_config.h"
#include "harness/stored_registry.h"

namespace assay {
namespace {

struct CompareOptions {
  Places places;
  std::vector<std::string> sides;
  CompareScope scope;
  std::string format = "table";
  std::string gate;
  bool flips = false, why = false, json = false;
};

// Task files of the runs' own folders, unless others are given.
TaskRegistry registry_for(const CompareOptions& options, const std::vector<CompareSide>& sides) {
  std::vector<StoredRun> runs;
  for (const CompareSide& side : sides) runs.insert(runs.end(), side.runs.begin(), side.runs.end());
  // The scores are there without the files; only published rows and the order of filters come from them.
  StoredRegistry stored = registry_of_runs(runs, options.places.include);
  for (const std::string& note : stored.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  return std::move(stored.registry);
}

int report_gate(const Gate& gate, const Comparison& comparison) {
  const std::vector<std::string> failures = gate_failures(gate, comparison);
  for (const std::string& failure : failures) std::fprintf(stderr, "gate: %s\n", failure.c_str());
  if (failures.empty()) std::fprintf(stderr, "gate: passed\n");
  return failures.empty() ? kExitDone : kExitIncomplete;
}

int explain(const CompareOptions& options, ResultsDb* db, const std::vector<CompareSide>& sides) {
  if (sides.size() != 2 || !db) throw_input("--why", "explains two runs");
  const Json difference = explain_difference(*db, sides[0], sides[1]);
  print(options.json ? dump_json(difference, 2) + "\n" : render_difference(difference));
  return kExitDone;
}

int compare_command(const CompareOptions& options) {
  std::optional<Gate> gate;
  if (!options.gate.empty()) gate = load_gate(options.gate);
  std::unique_ptr<ResultsDb> db;
  for (const std::string& selector : options.sides) {
    if (!db && !is_published_selector(selector)) {
      db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);
    }
  }
  std::vector<CompareSide> sides;
  for (const std::string& selector : options.sides) sides.push_back(find_side(db.get(), selector));
  if (options.why) return explain(options, db.get(), sides);
  const Comparison comparison = compare_sides(db.get(), sides, registry_for(options, sides), options.scope);
  if (options.json) {
    print(dump_json(comparison_json(comparison, options.flips), 2) + "\n");
  } else {
    const bool markdown = options.format == "markdown";
    print(render_comparison(comparison, {markdown, !markdown && isatty(STDOUT_FILENO) == 1, options.flips}));
  }
  return gate ? report_gate(*gate, comparison) : kExitDone;
}

}  // namespace

void declare_compare(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<CompareOptions>();
  add_place_flags(command, options->places);
  command
      .add_option("sides", options->sides,
                  "A B [C...]: a run's id, a checkpoint's label, \"published:MODEL\" or \"published:MODEL@SOURCE\"")
      ->required()
      ->expected(2, 20);
  command.add_option("--task", options->scope.tasks, "Only tasks that match this name or glob");
  command.add_flag("--members", options->scope.members, "The tasks inside groups too");
  command.add_flag("--flips", options->flips, "List the items on which two runs differ");
  command.add_flag("--why", options->why, "What differs in settings, prompts, tokens, extraction");
  command.add_option("--gate", options->gate, "YAML file of thresholds: exit code 1 where A fails them");
  command.add_option("--format", options->format, "table or markdown")
      ->check(CLI::IsMember({"table", "markdown"}))
      ->capture_default_str();
  command.add_flag("--json", options->json, "One JSON value on stdout, everything else on stderr");
  command.callback([options, &exit_code] { exit_code = compare_command(*options); });
}

}  // namespace assay
