#include "model_backend/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace assay {
namespace {

// Token ids, most probable first, as many as may be drawn for top_k; the lower id first on a tie.
std::vector<int32_t> candidates(std::span<const float> logits, int top_k) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  const size_t keep = top_k > 0 ? std::min<size_t>(top_k, ids.size()) : ids.size();
  if (keep == ids.size()) {
    std::sort(ids.begin(), ids.end(), before);  // several times as fast as a partial sort of all
  } else {
    std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(keep), ids.end(), before);
  }
  ids.resize(keep);
  return ids;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t low = uint64_t{0xD2511F53} * counter[0], high = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(high >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(high),
               static_cast<uint32_t>(low >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(low)};
    key[0] += 0x9E3779B9, key[1] += 0xBB67AE85;
  }
  return counter;
}

double random_number(uint64_t seed, uint64_t request, uint32_t sample, uint32_t position) {
  const auto words = philox({position, sample, static_cast<uint32_t>(request), static_cast<uint32_t>(request >> 32)},
                            {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t bits = uint64_t{words[0]} << 32 | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

int32_t greedy_token(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

int32_t sample_token(std::span<const float> logits, const SampleSettings& settings, double random) {
  if (settings.temperature <= 0) return greedy_token(logits);
  std::vector<int32_t> ids = candidates(logits, settings.top_k);
  std::vector<double> weights(ids.size());
  double total = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    weights[i] = std::exp((double{logits[ids[i]]} - logits[ids[0]]) / settings.temperature);
    total += weights[i];
  }
  size_t kept = 0;
  double mass = 0;
  while (kept < ids.size() && (kept == 0 || mass < settings.top_p * total)) mass += weights[kept++];
  double left = random * mass;
  for (size_t i = 0; i + 1 < kept; ++i) {
    if (left < weights[i]) return ids[i];
    left -= weights[i];
  }
  return ids[kept - 1];
}

}  // namespace assay
