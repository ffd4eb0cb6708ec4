// assay doctor: what this machine has, and what it lacks for Assay.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/commands.h"
#include "harness/sandbox_flags.h"
#include "sandbox/interpreter.h"
#include "sandbox/sandbox.h"

namespace assay {
namespace {

constexpr Language kCompiledOrRun[] = {Language::kCpp,        Language::kJavaScript, Language::kJava, Language::kPhp,
                                       Language::kTypeScript, Language::kCSharp,     Language::kBash};

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (starts_with(line, "model name")) return std::string(strip(line.substr(line.find(':') + 1)));
  }
  return "unknown";
}

Json sandbox_json(const SandboxFlags& flags) {
  Json out = {{"mode", nullptr}, {"mechanisms", Json::array()}, {"languages", Json::array()}};
  try {
    const SandboxState state = probe_sandbox(flags.unsafe, flags.options(1).strongest);
    out["mode"] = to_string(state.mode);
    out["summary"] = state.headline();
    out["languages"].push_back({{"name", "python"}, {"on", true}, {"why", state.python}});
    for (const Mechanism& mechanism : state.mechanisms) {
      out["mechanisms"].push_back({{"name", mechanism.name}, {"on", mechanism.on}, {"why", mechanism.why}});
    }
  } catch (const Error& error) {
    out["summary"] = error.what();
  }
  for (Language language : kCompiledOrRun) {
    std::string missing;
    const bool found = find_toolchain(language, missing).has_value();
    out["languages"].push_back(
        {{"name", to_string(language)}, {"on", found}, {"why", found ? "" : missing + " is not installed"}});
  }
  return out;
}

void print_rows(const Json& rows) {
  for (const Json& row : rows) {
    const std::string why = row["why"].get<std::string>();
    std::printf("  %-3s  %-50s %s\n", row["on"].get<bool>() ? "on" : "off", row["name"].get<std::string>().c_str(),
                why.c_str());
  }
}

int doctor(const SandboxFlags& flags, bool json) {
  const Json report = {{"cpu", {{"name", cpu_name()}, {"cores", std::thread::hardware_concurrency()}}},
                       {"gpus", Json::array()},
                       {"sandbox", sandbox_json(flags)},
                       {"libraries", {{"fmt", FMT_VERSION}}}};
  const Json& sandbox = report["sandbox"];
  if (json) {
    std::printf("%s\n", dump_json(report, 2).c_str());
  } else {
    std::printf("cpu: %s, %u cores\n%s\n", report["cpu"]["name"].get<std::string>().c_str(),
                std::thread::hardware_concurrency(), sandbox["summary"].get<std::string>().c_str());
    print_rows(sandbox["mechanisms"]);
    std::printf("languages of programs:\n");
    print_rows(sandbox["languages"]);
  }
  return sandbox["mode"].is_null() ? kExitIncomplete : kExitDone;
}

struct Options {
  SandboxFlags sandbox;
  bool json = false;
};

}  // namespace

void declare_doctor(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<Options>();
  add_sandbox_flags(command, options->sandbox);
  command.add_flag("--json", options->json, "Machine-readable output");
  command.callback([options, &exit_code] { exit_code = doctor(options->sandbox, options->json); });
}

}  // namespace assay
