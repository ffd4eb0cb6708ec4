#include "harness/sandbox_flags.h"

#include <CLI/CLI.hpp>
#include <cstdio>

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
}

}  // namespace assay
