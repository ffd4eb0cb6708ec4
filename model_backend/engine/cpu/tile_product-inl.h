// The innermost matrix product, shared by matmul.cc and attention.cc; compiled once for each instruction set.
//
//   c[m, 0..16) (+)= sum over k of a[m, k] * b[k, 0..16)
//
// Every element of c is one chain of fused multiply-adds over k = 0, 1, 2, ...: its bits depend on nothing but its own
// row of a and column of b, however the rows are grouped.
#if defined(ASSAY_ENGINE_CPU_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ASSAY_ENGINE_CPU_TILE_PRODUCT_INL_H_
#undef ASSAY_ENGINE_CPU_TILE_PRODUCT_INL_H_
#else
#define ASSAY_ENGINE_CPU_TILE_PRODUCT_INL_H_
#endif

#include <cstdint>

#include "model_backend/engine/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

inline constexpr int kTileColumns = 16;
// Rows of c held in registers: 6 rows of two 8-lane vectors, or 14 of one 16-lane vector, fill the register file.
#if HWY_MAX_BYTES >= 64
inline constexpr int kTileRows = 14;
#else
inline constexpr int kTileRows = 6;
#endif
using TileFloats = hn::CappedTag<float, kTileColumns>;
inline constexpr int kTileVectors = kTileColumns / static_cast<int>(hn::MaxLanes(TileFloats()));

// Element (m, k) of a lies at a[m * row_step + k * k_step].
template <int kRows>
HWY_INLINE void tile_product_rows(const float* a, int64_t row_step, int64_t k_step, const float* b, int64_t b_stride,
                                  int64_t depth, bool accumulate, float* c, int64_t c_stride) {
  const TileFloats tag;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileFloats()));
  hn::Vec<TileFloats> sums[kRows][kTileVectors];
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kTileVectors; ++v) {
      sums[m][v] = accumulate ? hn::LoadU(tag, c + m * c_stride + v * kLanes) : hn::Zero(tag);
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    hn::Vec<TileFloats> row[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) row[v] = hn::LoadU(tag, b + k * b_stride + v * kLanes);
    for (int m = 0; m < kRows; ++m) {
      const auto factor = hn::Set(tag, a[m * row_step + k * k_step]);
      for (int v = 0; v < kTileVectors; ++v) sums[m][v] = hn::MulAdd(factor, row[v], sums[m][v]);
    }
  }
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kTileVectors; ++v) hn::StoreU(sums[m][v], tag, c + m * c_stride + v * kLanes);
  }
}

// For any number of rows of a row-major a.
template <int kRows = kTileRows>
inline void tile_product(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth,
                         bool accumulate, int64_t rows, float* c, int64_t c_stride) {
  while (rows >= kRows) {
    tile_product_rows<kRows>(a, a_stride, 1, b, b_stride, depth, accumulate, c, c_stride);
    a += kRows * a_stride, c += kRows * c_stride, rows -= kRows;
  }
  if constexpr (kRows > 1) {
    constexpr int kFewer = kRows > 6 ? 6 : kRows > 3 ? 3 : 1;
    if (rows > 0) tile_product<kFewer>(a, a_stride, b, b_stride, depth, accumulate, rows, c, c_stride);
  }
}

// For `rows` <= kTileRows rows that lie interleaved, [depth, rows]: the loads of a come from one place.
template <int kRows = kTileRows>
inline void tile_product_interleaved(const float* a, const float* b, int64_t b_stride, int64_t depth, bool accumulate,
                                     int64_t rows, float* c, int64_t c_stride) {
  if (rows == kRows) {
    tile_product_rows<kRows>(a, 1, kRows, b, b_stride, depth, accumulate, c, c_stride);
  } else if constexpr (kRows > 1) {
    tile_product_interleaved<kRows - 1>(a, b, b_stride, depth, accumulate, rows, c, c_stride);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
