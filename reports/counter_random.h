// Random bits that are a function of (seed, counter): the same on every machine, in any order.
#pragma once

#include <cstdint>

namespace assay {

// splitmix64's finaliser (Steele, Lea and Flood 2014) over a Weyl sequence: 64 bits for each counter.
inline uint64_t counter_bits(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// In [0, 1), 53 bits.
inline double counter_uniform(uint64_t seed, uint64_t counter) {
  return static_cast<double>(counter_bits(seed, counter) >> 11) * 0x1p-53;
}

}  // namespace assay
