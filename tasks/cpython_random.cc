#include "tasks/cpython_random.h"

#include <bit>
#include <cmath>
#include <unordered_set>

#include "core/error.h"

namespace assay {
namespace {

constexpr size_t kWords = 624;
constexpr size_t kShift = 397;

std::array<uint32_t, kWords> seeded_by_number(uint32_t seed) {
  std::array<uint32_t, kWords> state;
  state[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  return state;
}

// init_by_array of the reference implementation; `key` is the seed in 32-bit digits, least significant first.
std::array<uint32_t, kWords> seeded_by_key(const std::vector<uint32_t>& key) {
  auto state = seeded_by_number(19650218u);
  size_t i = 1, j = 0;
  auto step = [&] {
    if (++i < kWords) return;
    state[0] = state[kWords - 1];
    i = 1;
  };
  for (size_t round = 0; round < kWords; ++round) {  // the key is never longer than the state here
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + key[j] + static_cast<uint32_t>(j);
    step();
    if (++j == key.size()) j = 0;
  }
  for (size_t round = 0; round < kWords - 1; ++round) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - static_cast<uint32_t>(i);
    step();
  }
  state[0] = 0x80000000u;
  return state;
}

}  // namespace

CPythonRandom::CPythonRandom(uint64_t seed) {
  std::vector<uint32_t> key = {static_cast<uint32_t>(seed)};
  if (seed >> 32) key.push_back(static_cast<uint32_t>(seed >> 32));
  state_ = seeded_by_key(key);
}

void CPythonRandom::refill() {
  for (size_t i = 0; i < kWords; ++i) {
    uint32_t mixed = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kWords] ^ (mixed >> 1) ^ (mixed & 1 ? 0x9908b0dfu : 0u);
  }
  next_ = 0;
}

uint32_t CPythonRandom::word() {
  if (next_ == kWords) refill();
  uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint32_t CPythonRandom::bits(int count) {
  ASSAY_ASSERT(count >= 1 && count <= 32, "between 1 and 32 bits are drawn at once");
  return word() >> (32 - count);
}

double CPythonRandom::real() {
  const uint32_t high = word() >> 5, low = word() >> 6;
  return (high * 67108864.0 + low) * (1.0 / 9007199254740992.0);
}

uint32_t CPythonRandom::below(uint32_t n) {
  ASSAY_ASSERT(n > 0, "a draw needs something to draw from");
  const int width = std::bit_width(n);
  uint32_t draw = bits(width);
  while (draw >= n) draw = bits(width);
  return draw;
}

std::vector<size_t> CPythonRandom::sample(size_t n, size_t k) {
  ASSAY_ASSERT(k <= n && n < (uint64_t{1} << 32), "a sample is no larger than its population");
  // CPython copies the population when that costs less memory than a set of k indices would.
  double set_size = 21;
  if (k > 5) set_size += std::pow(4, std::ceil(std::log(k * 3.0) / std::log(4.0)));
  std::vector<size_t> drawn;
  drawn.reserve(k);
  if (static_cast<double>(n) <= set_size) {
    std::vector<size_t> pool(n);
    for (size_t i = 0; i < n; ++i) pool[i] = i;
    for (size_t i = 0; i < k; ++i) {
      size_t j = below(static_cast<uint32_t>(n - i));
      drawn.push_back(pool[j]);
      pool[j] = pool[n - i - 1];
    }
    return drawn;
  }
  std::unordered_set<size_t> taken;
  while (drawn.size() < k) {
    size_t j = below(static_cast<uint32_t>(n));
    if (taken.insert(j).second) drawn.push_back(j);
  }
  return drawn;
}

}  // namespace assay
