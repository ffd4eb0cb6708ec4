// Our own matrix product, for machines where oneDNN has none that keeps rows independent (see matmul.h).
//
// Packed weight: panels of 16 outputs; in a panel, k rows of 16 neighbouring outputs, float or bfloat16 bits; the last
// panel is filled with zeros.
//   panel p: [k, 16], element (i, j) = weight[16 p + j, i]
// A bfloat16 weight is widened a panel at a time into the L1 cache and multiplied in float32: the products of two
// bfloat16 numbers are exact there.
//
// Blocking: kDepth inputs of a panel (16 KiB) stay in L1 while kBlockRows rows of activations (about 150 KiB) come from
// L2. One work item is kBlockRows rows times kBlockPanels panels, whole depth.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "model_backend/engine/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model_backend/engine/cpu/tile_matmul.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model_backend/engine/cpu/tile_product-inl.h"

#ifndef ASSAY_ENGINE_CPU_TILE_MATMUL_ONCE_
#define ASSAY_ENGINE_CPU_TILE_MATMUL_ONCE_
namespace assay {
constexpr int64_t kPanel = 16;
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockRows = 168;
constexpr int64_t kBlockPanels = 8;

// One work item: rows [0, rows) of `in` times `panels` neighbouring panels.
struct ProductBlock {
  const float* in;  // [rows, k]
  int64_t k;
  int64_t rows;
  const void* panels;  // the first panel
  bool is_bfloat16;
  int64_t outputs;  // valid outputs in these panels
  float* out;
  int64_t out_stride;
};
}  // namespace assay
#endif

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

void widen(const uint16_t* from, int64_t count, float* to) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  for (int64_t i = 0; i < count; i += lanes) hn::StoreU(load_act(from + i), Floats(), to + i);
}

void multiply_block(const ProductBlock& block) {
  alignas(64) float widened[kDepth * kPanel];
  alignas(64) float edge[kBlockRows * kPanel];
  for (int64_t k0 = 0; k0 < block.k; k0 += kDepth) {
    const int64_t depth = std::min(kDepth, block.k - k0);
    for (int64_t first = 0; first < block.outputs; first += kPanel) {
      const int64_t offset = first * block.k + k0 * kPanel;
      const float* panel = static_cast<const float*>(block.panels) + offset;
      if (block.is_bfloat16) {
        widen(static_cast<const uint16_t*>(block.panels) + offset, depth * kPanel, widened);
        panel = widened;
      }
      const int64_t columns = std::min(kPanel, block.outputs - first);
      if (columns == kPanel) {
        tile_product(block.in + k0, block.k, panel, kPanel, depth, k0 > 0, block.rows, block.out + first,
                     block.out_stride);
        continue;
      }
      for (int64_t r = 0; r < block.rows && k0 > 0; ++r) {
        std::copy_n(block.out + r * block.out_stride + first, columns, edge + r * kPanel);
      }
      tile_product(block.in + k0, block.k, panel, kPanel, depth, k0 > 0, block.rows, edge, kPanel);
      for (int64_t r = 0; r < block.rows; ++r) {
        std::copy_n(edge + r * kPanel, columns, block.out + r * block.out_stride + first);
      }
    }
  }
}

void widen_rows(const uint16_t* from, int64_t count, float* to) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(load_act(from + i), Floats(), to + i);
  for (; i < count; ++i) to[i] = act_to_float(from[i]);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "model_backend/engine/cpu/matmul.h"
#include "model_backend/engine/cpu/parallel.h"

namespace assay {
namespace {

HWY_EXPORT(multiply_block);
HWY_EXPORT(widen_rows);

class TileWeight final : public CpuWeight {
 public:
  TileWeight(int64_t n, int64_t k, size_t element_bytes)
      : CpuWeight(n, k), panels_((n + kPanel - 1) / kPanel * kPanel * k * element_bytes) {}
  size_t bytes() const override { return panels_.size(); }
  uint8_t* data() { return panels_.data(); }
  const uint8_t* data() const { return panels_.data(); }

 private:
  std::vector<uint8_t> panels_;
};

template <typename Element>
void pack_panel(const Element* rows, int64_t count, int64_t k, Element* panel) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < kPanel; ++j) panel[i * kPanel + j] = j < count ? rows[j * k + i] : Element{0};
  }
}

class TileProduct final : public MatrixProduct {
 public:
  TileProduct(Precision precision, int threads) : precision_(precision), threads_(threads) {}

  std::string name() const override {
    return precision_ == Precision::kBFloat16 ? "tile-matmul-1 (bfloat16 multiplied in float32)" : "tile-matmul-1";
  }

  std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) override {
    const size_t element = precision_ == Precision::kBFloat16 ? 2 : 4;
    auto weight = std::make_unique<TileWeight>(matrix.n, matrix.k, element);
    const int64_t panels = (matrix.n + kPanel - 1) / kPanel;
    parallel_for(threads_, panels, [&](int64_t p) {
      const int64_t count = std::min(kPanel, matrix.n - p * kPanel);
      std::vector<uint8_t> rows(count * matrix.k * element);
      convert_rows(matrix, p * kPanel, count, precision_, rows.data());
      uint8_t* panel = weight->data() + p * kPanel * matrix.k * element;
      if (element == 2) {
        pack_panel(reinterpret_cast<const uint16_t*>(rows.data()), count, matrix.k, reinterpret_cast<uint16_t*>(panel));
      } else {
        pack_panel(reinterpret_cast<const float*>(rows.data()), count, matrix.k, reinterpret_cast<float*>(panel));
      }
    });
    return weight;
  }

  void multiply(const void* in, const CpuWeight& weight, int64_t tile, int64_t rows, float* out,
                int64_t out_stride) override {
    const auto& panels = static_cast<const TileWeight&>(weight);
    const float* rows_in = as_float(in, rows * weight.k());
    const size_t element = precision_ == Precision::kBFloat16 ? 2 : 4;
    const int64_t outputs = weight.tile_outputs(tile);
    const int64_t width = kPanel * kBlockPanels;
    const int64_t across = (outputs + width - 1) / width;
    const int64_t down = (rows + kBlockRows - 1) / kBlockRows;
    parallel_for_uneven(threads_, across * down, [&](int, int64_t item) {
      const int64_t row = item / across * kBlockRows, first = item % across * width;
      ProductBlock block;
      block.in = rows_in + row * weight.k();
      block.k = weight.k();
      block.rows = std::min(kBlockRows, rows - row);
      block.panels = panels.data() + (weight.tile_begin(tile) + first) * weight.k() * element;
      block.is_bfloat16 = element == 2;
      block.outputs = std::min(width, outputs - first);
      block.out = out + row * out_stride + first;
      block.out_stride = out_stride;
      HWY_DYNAMIC_DISPATCH(multiply_block)(block);
    });
  }

 private:
  const float* as_float(const void* in, int64_t count) {
    if (precision_ == Precision::kFloat32) return static_cast<const float*>(in);
    widened_.resize(count);
    constexpr int64_t kChunk = 16384;
    parallel_for(threads_, (count + kChunk - 1) / kChunk, [&](int64_t chunk) {
      const int64_t first = chunk * kChunk;
      HWY_DYNAMIC_DISPATCH(widen_rows)
      (static_cast<const uint16_t*>(in) + first, std::min(kChunk, count - first), widened_.data() + first);
    });
    return widened_.data();
  }

  Precision precision_;
  int threads_;
  std::vector<float> widened_;
};

}  // namespace

std::unique_ptr<MatrixProduct> make_tile_product(Precision precision, int threads) {
  return std::make_unique<TileProduct>(precision, threads);
}

}  // namespace assay
#endif  // HWY_ONCE
