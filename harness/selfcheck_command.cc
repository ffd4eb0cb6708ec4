#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "core/json.h"
#include "harness/commands.h"
#include "harness/selfcheck.h"

namespace assay {
namespace {

struct SelfcheckOptions {
  std::string model;
  std::string dtype;  // empty: both
  BackendOptions backend;
  int requests = 400;
  int alone = 40;
  bool json = false;
};

int selfcheck_command(SelfcheckOptions& options) {
  Json all = Json::array();
  bool equal = true;
  const auto report = [&](const SelfcheckResult& result) {
    equal = equal && result.equal;
    all.push_back({{"setting", result.setting}, {"requests", result.requests}, {"equal", result.equal}});
    std::FILE* out = options.json ? stderr : stdout;
    fmt::print(out, "{:<36} {:>6} requests  {}\n", result.setting, result.requests,
               result.equal ? "equal" : "DIFFERENT");
    if (!result.equal) fmt::print(out, "    {}\n", result.difference);
    std::fflush(out);
  };
  const std::vector<std::string> both = {"float32", "bfloat16"};
  for (const std::string& dtype : options.dtype.empty() ? both : std::vector<std::string>{options.dtype}) {
    options.backend.dtype = dtype;
    selfcheck(options.model, options.backend, options.requests, options.alone, report, g_cancelled);
  }
  if (options.json) fmt::print("{}\n", all.dump());
  return equal && !g_cancelled ? kExitDone : kExitIncomplete;
}

}  // namespace

void declare_selfcheck(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<SelfcheckOptions>();
  command.add_option("--model", options->model, "Checkpoint folder or FILE.gguf")->required();
  command.add_option("--dtype", options->dtype, "float32 or bfloat16 (default: both)")
      ->check(CLI::IsMember({"float32", "bfloat16"}));
  command.add_option("--device", options->backend.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--requests", options->requests, "How many requests are asked under each setting")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--alone", options->alone, "How many of them are also asked one at a time; 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_flag("--json", options->json, "One JSON value on stdout, everything else on stderr");
  command.callback([options, &exit_code] { exit_code = selfcheck_command(*options); });
}

}  // namespace assay
