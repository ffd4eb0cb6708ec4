#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "harness/audit.h"
#include "harness/commands.h"
#include "harness/run.h"

namespace assay {
namespace {

struct AuditOptions {
  AuditConfig config;
  AuditRules rules;
};

// "2023-09" or "2023-09-30"; dates are compared as text, so nothing else would mean what it says.
std::string is_month_or_day(const std::string& text) {
  const std::string shape = text.size() == 7 ? "dddd-dd" : "dddd-dd-dd";
  bool matches = text.size() == shape.size();
  for (size_t i = 0; matches && i < text.size(); ++i) {
    matches = shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i];
  }
  auto in = [&](size_t at, int most) {
    const int number = std::atoi(text.substr(at, 2).c_str());
    return number >= 1 && number <= most;
  };
  matches = matches && in(5, 12) && (text.size() == 7 || in(8, 31));
  return matches ? "" : "\"" + text + "\" is no date: give YYYY-MM or YYYY-MM-DD, e.g. 2023-09";
}

int audit_command(AuditOptions options) {
  options.config.run = with_task_files(options.config.run);
  if (is_server(options.config.run.model)) g_end_within_ms = kEndWithServersMs;
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
  command
      .add_option("--cutoff", options->rules.cutoff,
                  "Where A's training data ends, YYYY-MM: held-out exams are compared before and after it")
      ->check(is_month_or_day);
  add_run_flags(command, options->config.run);
  command.get_option("--model")->required(false);
  command.get_option("--tasks")->required(false);
  command.callback([options, &exit_code] { exit_code = audit_command(*options); });
}

}  // namespace assay
