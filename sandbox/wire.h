// What supervisor and zygote say to each other; python/assay_zygote.py has the other end.
#pragma once

#include <cstdint>

namespace assay {

// Descriptors of a fresh zygote.
inline constexpr int kSourcesFd = 3;  // its Python files, as one JSON object: module name -> source
inline constexpr int kLibraryFd = 4;  // the library of inside/
inline constexpr int kControlFd = 5;  // SOCK_SEQPACKET

enum class JobKind : uint32_t { kCandidate = 0, kChecker = 1, kInline = 2, kNative = 3 };

// The answer 'D': after the letter, packed.
struct DoneMessage {
  int64_t status;  // as wait gives it
  int64_t user_us, system_us;
  int64_t peak_kib;
};

}  // namespace assay
