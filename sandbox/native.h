// Programs in other languages than Python: how program and tests become files and commands.
#pragma once

#include <cstdint>
#include <string>

#include "core/program_runner.h"

namespace assay {

// What a compiler may use, whatever the program's limits are.
inline constexpr int kCompileSeconds = 30;
inline constexpr double kCompileMemoryMb = 2048;
inline constexpr uint64_t kCompileFileBytes = 128ull << 20;
// Runtimes (node, java) start these beside what the program starts.
inline constexpr int kRuntimeThreads = 48;

// Head of the reason of a program that does not compile, as python/assay_native.py words it.
inline constexpr const char* kNotCompiled = "does not compile";

bool native_has_compiler(Language language);

// What python/assay_native.py gets. Throws Error(kWorld) when the language's tools are missing.
std::string native_payload(const ProgramJob& job, const std::string& secret, const std::string& nonce);
// The same for a look at the tests alone, with the job's stub in the program's place: nothing is run, and the verdict
// is pass, or sandbox_error with the compiler's first word on them. Empty where the language has no such look.
std::string native_check_payload(const ProgramJob& job, const std::string& secret);

}  // namespace assay
