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
#include "model_backend/engine/ops.h"
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

// What the engine would name as its numerics here, by precision; enters the identity of every request.
Json cpu_numerics() {
  Json out = Json::array();
  for (Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
    out.push_back(make_cpu_ops(precision, 1)->numerics());
  }
  return out;
}

// The devices that the engine can use, by number; `why_none`: what stands in the way of the first.
Json gpus_json(std::string& why_none) {
  Json out = Json::array();
  for (int index = 0;; ++index) {
    try {
      out.push_back({{"index", index}, {"name", make_cuda_ops(Precision::kBFloat16, index)->numerics()}});
    } catch (const Error& error) {
      if (index == 0) why_none = error.what();
      return out;
    }
  }
}

// Those that a reader of a result may want to know; the engine's stand in the numerics.
Json libraries_json() {
  return {{"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)},
          {"CLI11", CLI11_VERSION}};
}

void print_rows(const Json& rows) {
  for (const Json& row : rows) {
    const std::string why = row["why"].get<std::string>();
    std::printf("  %-3s  %-50s %s\n", row["on"].get<bool>() ? "on" : "off", row["name"].get<std::string>().c_str(),
                why.c_str());
  }
}

int doctor(const SandboxFlags& flags, bool json) {
  std::string why_no_gpu;
  const Json gpus = gpus_json(why_no_gpu);
  const Json report = {
      {"cpu", {{"name", cpu_name()}, {"cores", std::thread::hardware_concurrency()}, {"numerics", cpu_numerics()}}},
      {"gpus", gpus},
      {"why_no_gpu", why_no_gpu},
      {"sandbox", sandbox_json(flags)},
      {"libraries", libraries_json()}};
  const Json& sandbox = report["sandbox"];
  if (json) {
    std::printf("%s\n", dump_json(report, 2).c_str());
  } else {
    std::printf("cpu: %s, %u cores\n", report["cpu"]["name"].get<std::string>().c_str(),
                std::thread::hardware_concurrency());
    for (const Json& numerics : report["cpu"]["numerics"]) std::printf("  %s\n", numerics.get<std::string>().c_str());
    for (const Json& gpu : gpus)
      std::printf("gpu %d: %s\n", gpu["index"].get<int>(), gpu["name"].get<std::string>().c_str());
    if (gpus.empty()) std::printf("gpu: none; %s\n", why_no_gpu.c_str());
    std::printf("%s\n", sandbox["summary"].get<std::string>().c_str());
    print_rows(sandbox["mechanisms"]);
    std::printf("languages of programs:\n");
    print_rows(sandbox["languages"]);
    std::printf("libraries:\n");
    for (const auto& [name, version] : report["libraries"].items()) {
      std::printf("  %-14s %s\n", name.c_str(), version.get<std::string>().c_str());
    }
  }
  return sandbox["mode"].is_null() ? kExitIncomplete : kExitDone;
}

struct DoctorOptions {
  SandboxFlags sandbox;
  bool json = false;
};

}  // namespace

void declare_doctor(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<DoctorOptions>();
  add_sandbox_flags(command, options->sandbox);
  command.add_flag("--json", options->json, "Machine-readable output");
  command.callback([options, &exit_code] { exit_code = doctor(options->sandbox, options->json); });
}

}  // namespace assay
