// The output head: log-softmax of the rows that are asked, one vocabulary tile at a time.
//
// A row keeps a running maximum m and a running sum of exp(logit - m), float32; a tile with a larger maximum rescales
// the sum (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018). Tiles come in order of token id.
#include <cmath>
#include <cstdint>
#include <limits>

#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/logprob.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model_backend/engine/cpu/simd-inl.h"

#ifndef ASSAY_ENGINE_CPU_LOGPROB_ONCE_
#define ASSAY_ENGINE_CPU_LOGPROB_ONCE_
namespace assay {
struct SoftmaxState {
  float maximum = -std::numeric_limits<float>::infinity();
  float sum = 0;
  int32_t best = 0;
};
}  // namespace assay
#endif

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

float largest(const float* x, int64_t count) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  auto most = hn::Set(tag, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) most = hn::Max(most, hn::LoadU(tag, x + i));
  float maximum = hn::GetLane(hn::MaxOfLanes(tag, most));
  for (; i < count; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  return maximum;
}

float sum_of_exp(const float* x, int64_t count, float shift) {
  const Floats tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  const auto shifts = hn::Set(tag, shift);
  auto sums = hn::Zero(tag);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    sums = hn::Add(sums, hn::Exp(tag, hn::Sub(hn::LoadU(tag, x + i), shifts)));
  }
  float sum = hn::GetLane(hn::SumOfLanes(tag, sums));
  for (; i < count; ++i) sum += std::exp(x[i] - shift);
  return sum;
}

// Takes the logits of tokens first .. first + count - 1 into a row's state.
void extend_softmax(const float* logits, int64_t count, int32_t first, SoftmaxState& state) {
  const float tile_maximum = largest(logits, count);
  if (tile_maximum > state.maximum) {
    int64_t at = 0;
    while (logits[at] != tile_maximum) ++at;
    state.best = first + static_cast<int32_t>(at);
    state.sum *= std::exp(state.maximum - tile_maximum);
    state.maximum = tile_maximum;
  }
  state.sum += sum_of_exp(logits, count, state.maximum);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "model_backend/engine/cpu/cpu_ops.h"
#include "model_backend/engine/cpu/team.h"

namespace assay {
namespace {

HWY_EXPORT(extend_softmax);

// Rows of one pass over the head: their logits of a tile (2 MiB at most) stay in the cache.
constexpr int64_t kHeadRows = 128;

}  // namespace

void CpuOps::head_logprobs(const void* h, int64_t rows, const PackedWeight& head, std::span<const HeadRead> reads,
                           HeadAnswer* answers) {
  const auto& weight = static_cast<const CpuWeight&>(head);
  std::vector<size_t> order(reads.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return reads[a].row < reads[b].row; });

  auto next = order.begin();
  for (int64_t first = 0; first < rows; first += kHeadRows) {
    const int64_t count = std::min(kHeadRows, rows - first);
    const auto group = next;
    while (next != order.end() && reads[*next].row < first + count) ++next;
    std::vector<SoftmaxState> states(count);
    head_tile_.resize(kHeadRows * kTileOutputs);
    const void* in = static_cast<const uint8_t*>(h) + first * weight.k() * act_bytes();
    for (int64_t tile = 0; tile < weight.tiles(); ++tile) {
      const int64_t begin = weight.tile_begin(tile), outputs = weight.tile_outputs(tile);
      product_->multiply(in, weight, tile, count, head_tile_.data(), outputs);
      parallel_for(*team_, count, outputs, [&](int64_t r) {
        HWY_DYNAMIC_DISPATCH(extend_softmax)
        (head_tile_.data() + r * outputs, outputs, static_cast<int32_t>(begin), states[r]);
      });
      for (auto i = group; i != next; ++i) {
        const int64_t column = reads[*i].token - begin;
        if (column < 0 || column >= outputs) continue;
        answers[*i].logprob = head_tile_[(reads[*i].row - first) * outputs + column];
      }
    }
    for (auto i = group; i != next; ++i) {
      const SoftmaxState& state = states[reads[*i].row - first];
      answers[*i].logprob -= state.maximum + std::log(state.sum);
      answers[*i].best_token = state.best;
    }
  }
}

void CpuOps::head_logits(const void* h, int64_t rows, const PackedWeight& head, float* logits) {
  linear(h, head, nullptr, rows, logits);
}

}  // namespace assay
#endif  // HWY_ONCE
