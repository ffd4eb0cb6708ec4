#include "core/program_runner.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/error.h"

namespace assay {
namespace {

constexpr int kLargestLimit = 1 << 20;  // a day and more of seconds, a terabyte of MiB

constexpr std::array<std::pair<Verdict, const char*>, 8> kVerdicts = {{
    {Verdict::kPass, "pass"},
    {Verdict::kWrongAnswer, "wrong_answer"},
    {Verdict::kRuntimeError, "runtime_error"},
    {Verdict::kTimeout, "timeout"},
    {Verdict::kMemoryLimit, "memory_limit"},
    {Verdict::kOutputLimit, "output_limit"},
    {Verdict::kSandboxError, "sandbox_error"},
    {Verdict::kNotInstalled, "not_installed"},
}};

constexpr std::array<std::pair<Language, const char*>, 8> kLanguages = {{
    {Language::kPython, "python"},
    {Language::kCpp, "cpp"},
    {Language::kJavaScript, "js"},
    {Language::kJava, "java"},
    {Language::kPhp, "php"},
    {Language::kTypeScript, "ts"},
    {Language::kCSharp, "cs"},
    {Language::kBash, "sh"},
}};

double limit_from_json(const Json& value, const std::string& name, const std::string& where, bool whole) {
  if (!value.is_number()) throw_input(where, fmt::format("limit \"{}\" is not a number", name));
  const double limit = value.get<double>();
  if (!(limit > 0) || limit > kLargestLimit || (whole && limit != static_cast<double>(static_cast<int>(limit)))) {
    throw_input(
        where, fmt::format("limit \"{}\" is {}, which makes no sense", name, dump_json(value)),
        fmt::format("give a {}, {} at most", whole ? "whole number from 1 on" : "number above 0", kLargestLimit));
  }
  return limit;
}

}  // namespace

ProgramLimits limits_from_json(const Json& json, const std::string& where, ProgramLimits base) {
  if (!json.is_object()) throw_input(where, "limits are not an object", "for example {\"cpu_s\": 3, \"wall_s\": 10}");
  const std::array<std::pair<const char*, double*>, 2> seconds = {{{"wall_s", &base.wall_s}, {"cpu_s", &base.cpu_s}}};
  const std::array<std::pair<const char*, int*>, 4> counts = {{{"memory_mb", &base.memory_mb},
                                                               {"processes", &base.processes},
                                                               {"output_kb", &base.output_kb},
                                                               {"file_mb", &base.file_mb}}};
  for (const auto& [name, value] : json.items()) {
    bool known = false;
    for (const auto& [field, target] : seconds) {
      if (name != field) continue;
      *target = limit_from_json(value, name, where, false);
      known = true;
    }
    for (const auto& [field, target] : counts) {
      if (name != field) continue;
      *target = static_cast<int>(limit_from_json(value, name, where, true));
      known = true;
    }
    if (!known) {
      throw_input(where, fmt::format("unknown limit \"{}\"", name),
                  "known are wall_s, cpu_s, memory_mb, processes, output_kb, file_mb");
    }
  }
  return base;
}

const char* to_string(ProgramMode mode) {
  return mode == ProgramMode::kSplit ? "split" : "inline";
}

const char* to_string(Language language) {
  for (const auto& [known, name] : kLanguages) {
    if (known == language) return name;
  }
  ASSAY_ASSERT(false, "every language has a name");
}

bool language_from_string(const std::string& name, Language& language) {
  for (const auto& [known, text] : kLanguages) {
    if (name != text) continue;
    language = known;
    return true;
  }
  return false;
}

const char* to_string(Verdict verdict) {
  for (const auto& [known, name] : kVerdicts) {
    if (known == verdict) return name;
  }
  ASSAY_ASSERT(false, "every verdict has a name");
}

bool verdict_from_string(const std::string& name, Verdict& verdict) {
  for (const auto& [known, text] : kVerdicts) {
    if (name != text) continue;
    verdict = known;
    return true;
  }
  return false;
}

}  // namespace assay
