// Loads and stores of activations, shared by the kernels; compiled once for each instruction set (see targets.h).
// An activation is float, or bfloat16 kept as its 16 bits in uint16_t.
#if defined(ASSAY_ENGINE_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ASSAY_ENGINE_CPU_SIMD_INL_H_
#undef ASSAY_ENGINE_CPU_SIMD_INL_H_
#else
#define ASSAY_ENGINE_CPU_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "model_backend/engine/bfloat16.h"

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;

inline FloatVector load_act(const float* from) {
  return hn::LoadU(Floats(), from);
}
inline FloatVector load_act(const uint16_t* from) {
  const hn::Rebind<uint16_t, Floats> halves;
  const hn::RebindToUnsigned<Floats> words;
  return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, from))));
}

inline void store_act(FloatVector value, float* to) {
  hn::StoreU(value, Floats(), to);
}
// Rounds to the nearest bfloat16, ties to even. (Highway 1.0's own conversion cuts the bits off.)
inline void store_act(FloatVector value, uint16_t* to) {
  const hn::RebindToUnsigned<Floats> words;
  const hn::RebindToSigned<Floats> integers;
  const hn::Rebind<uint16_t, Floats> halves;
  const auto bits = hn::BitCast(words, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(words, 0x7fff))));
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(integers, rounded)), halves, to);
}

inline float act_to_float(float value) {
  return value;
}
inline float act_to_float(uint16_t half) {
  return widen_bfloat16(half);
}
inline void float_to_act(float value, float* to) {
  *to = value;
}
inline void float_to_act(float value, uint16_t* to) {
  *to = round_to_bfloat16(value);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
