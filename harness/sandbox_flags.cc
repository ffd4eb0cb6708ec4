#include "harness/sandbox_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

namespace assay {

SandboxOptions SandboxFlags::options(int slots) const {
  SandboxOptions options;
  options.slots = slots;
  options.unsafe = unsafe;
  if (strongest == "landlock") options.strongest = SandboxMode::kLandlock;
  if (strongest == "none") options.strongest = SandboxMode::kNone;
  return options;
}

void add_sandbox_flags(CLI::App& command, SandboxFlags& flags) {
  command.add_flag("--unsafe-no-sandbox", flags.unsafe, "Run programs unprotected where nothing can hold them");
  command.add_option("--sandbox", flags.strongest, "Strongest mode to try: namespaces, landlock, none")
      ->check(CLI::IsMember({"namespaces", "landlock", "none"}))
      ->capture_default_str();
}

void announce(const SandboxState& state) {
  std::fprintf(stderr, "%s\n", state.headline().c_str());
  // Mechanisms that are off for the same reason stand together.
  std::vector<std::pair<std::string, std::string>> off;  // reason, names
  for (const Mechanism& mechanism : state.mechanisms) {
    if (mechanism.on) continue;
    const auto same = std::find_if(off.begin(), off.end(), [&](const auto& row) { return row.first == mechanism.why; });
    if (same != off.end()) {
      same->second += ", " + mechanism.name;
    } else {
      off.emplace_back(mechanism.why, mechanism.name);
    }
  }
  for (const auto& [why, names] : off) std::fprintf(stderr, "  off: %s: %s\n", names.c_str(), why.c_str());
}

}  // namespace assay
