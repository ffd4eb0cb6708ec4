#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "core/error.h"
#include "core/json.h"
#include "harness/audit.h"
#include "harness/commands.h"

namespace assay {
namespace {

struct AuditOptions {
  AuditConfig config;
  AuditRules rules;
};

int audit_command(const AuditOptions& options) {
  const AuditResult result = audit_checkpoint(options.config, options.rules, g_cancelled);
  fmt::print("{}", options.config.run.json ? dump_json(to_json(result), 2) + "\n" : render_audit(result));
  return kExitDone;
}

}  // namespace

void declare_audit(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<AuditOptions>();
  command.add_option("A", options->config.subject, "The checkpoint: its label, a run's id, or its path")->required();
  command.add_option("--against", options->config.against, "An earlier checkpoint: the change since then is audited");
  command.add_option("--against-model", options->config.against_model, "Where its weights lie (default: as stored)");
  command.add_option("--training-text", options->config.training_text,
                     "Text that A was trained on: are the items in it? A file or folder; .jsonl is read line by line");
  command.add_option("--cutoff", options->rules.cutoff,
                     "Where A's training data ends, YYYY-MM: held-out exams are compared before and after it");
  add_run_flags(command, options->config.run);
  command.get_option("--model")->required(false);
  command.get_option("--tasks")->required(false);
  command.callback([options, &exit_code] { exit_code = audit_command(*options); });
}

}  // namespace assay
