// Flags and messages of every command that runs programs.
#pragma once

#include <string>

#include "sandbox/sandbox.h"

namespace CLI {
class App;
}

namespace assay {

struct SandboxFlags {
  bool unsafe = false;                   // --unsafe-no-sandbox
  std::string strongest = "namespaces";  // --sandbox
  SandboxOptions options(int slots) const;
};

// Declares them; `flags` must outlive the parse.
void add_sandbox_flags(CLI::App& command, SandboxFlags& flags);

// The mode on stderr, and each mechanism that is off with its reason: weaker than namespaces is never silent.
void announce(const SandboxState& state);

}  // namespace assay
