#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "core/json.h"
#include "harness/commands.h"
#include "harness/watch.h"

namespace assay {
namespace {

int watch_command(const WatchConfig& config) {
  const WatchSummary summary = watch(config, g_cancelled);
  if (config.run.json) {
    const Json out = {{"scored", summary.scored}, {"failed", summary.failed}, {"incomplete", summary.incomplete}};
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("{} checkpoints scored, {} failed, {} incomplete\n", summary.scored, summary.failed, summary.incomplete);
  }
  return summary.failed + summary.incomplete == 0 ? kExitDone : kExitIncomplete;
}

}  // namespace

void declare_watch(CLI::App& command, int& exit_code) {
  auto config = std::make_shared<WatchConfig>();
  command.add_option("DIR", config->folder, "Folder into which training writes checkpoints")->required();
  command.add_option("--marker", config->marker, "A checkpoint is whole only with this file in it, e.g. DONE");
  command
      .add_option_function<std::string>(
          "--order", [config](const std::string& order) { config->newest_first = order == "newest"; },
          "Which of several waiting checkpoints comes first: oldest or newest (default: oldest)")
      ->check(CLI::IsMember({"oldest", "newest"}));
  command.add_option("--settle", config->settle, "Seconds without change before a checkpoint is read")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--give-up", config->give_up, "Seconds without change before an unreadable one is passed over")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--poll", config->poll, "Seconds between looks where the file system tells of no change")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--once", config->once, "End when every checkpoint that is there is done");
  add_run_flags(command, config->run);
  command.remove_option(command.get_option("--model"));
  command.remove_option(command.get_option("--name"));
  command.callback([config, &exit_code] { exit_code = watch_command(*config); });
}

}  // namespace assay
