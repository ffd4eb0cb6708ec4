// bfloat16: the upper 16 bits of a float.
#pragma once

#include <bit>
#include <cstdint>

namespace assay {

// To the nearest, ties to even. Precondition: a number.
inline uint16_t round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float widen_bfloat16(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

}  // namespace assay
