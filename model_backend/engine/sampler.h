// Choosing the next token from logits.
//
// Randomness is a counter-based generator (Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", 2011): the number for (seed, request, sample, position) is the same however the request was
// batched, and after a restart.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace assay {

struct SampleSettings {
  double temperature = 0;  // 0 = greedy
  double top_p = 1;        // in (0, 1]
  int top_k = 0;           // 0 = off
};

// Ten rounds of Philox over `counter` under `key`.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A number in [0, 1), 53 bits. request: a hash of the prompt and its settings; position: 0 for the first token
// generated.
double random_number(uint64_t seed, uint64_t request, uint32_t sample, uint32_t position);

// The most probable token, the lowest id on a tie. Precondition: logits is not empty.
int32_t greedy_token(std::span<const float> logits);

// Draws by inverse transform with `random` in [0, 1). In this order, as transformers does it: logits divided by the
// temperature, the top_k largest kept, then of these the smallest set of most probable tokens whose probabilities sum
// to at least top_p. Ties go to the lower id. temperature 0 is greedy_token.
int32_t sample_token(std::span<const float> logits, const SampleSettings& settings, double random);

}  // namespace assay
