// CPython's random.Random, bit for bit, for conventions whose few-shot examples are drawn by it
// (lm-evaluation-harness).
//
// The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded from an integer by its
// init_by_array; the draws follow CPython 3.9 to 3.13.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay {

class CPythonRandom {
 public:
  // random.Random(seed)
  explicit CPythonRandom(uint64_t seed);

  // getrandbits(bits), bits in [1, 32]
  uint32_t bits(int count);
  // random(): in [0, 1), 53 bits
  double real();
  // The index that choice() of a sequence of n takes: in [0, n). n in [1, 2^32).
  uint32_t below(uint32_t n);
  // The indices that sample(sequence of n, k) takes, in its order. k <= n < 2^32.
  std::vector<size_t> sample(size_t n, size_t k);

 private:
  std::array<uint32_t, 624> state_;
  size_t next_ = 624;
  void refill();
  uint32_t word();
};

}  // namespace assay
