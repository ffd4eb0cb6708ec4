// Our own matrix product, for machines where oneDNN has none that keeps rows independent (see matmul.h).
//
// Packed weight: panels of 16 outputs; in a panel, k rows of 16 neighbouring outputs, float or bfloat16 bits; the last
// panel is filled with zeros.
//   panel p: [k, 16], element (i, j) = weight[16 p + j, i]
// A bfloat16 weight is widened a panel at a time into the L1 cache and multiplied in float32: the products of two
// bfloat16 numbers are exact there.
//
// Activations are interleaved first, so that the innermost loop reads them from one place: groups of kTileRows rows
// (fewer in the last), in a group [k, rows].
//
// Blocking: kDepth inputs of a panel (16 KiB) stay in L1 while up to kBlockRows rows of activations (about 150 KiB)
// come from L2. One work item is a block of rows times kBlockPanels panels, whole depth.
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

// One work item: rows [0, rows) of `in` times neighbouring panels.
struct ProductBlock {
  const float* in;  // interleaved rows, from the beginning of a group
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

// All rows of the block times one panel, `depth` inputs from k0 on.
void multiply_panel(const ProductBlock& block, int64_t k0, int64_t depth, const float* panel, float* out,
                    int64_t out_stride) {
  for (int64_t row = 0; row < block.rows; row += kTileRows) {
    const int64_t rows = std::min<int64_t>(kTileRows, block.rows - row);
    tile_product_interleaved(block.in + row * block.k + k0 * rows, panel, kPanel, depth, k0 > 0, rows,
                             out + row * out_stride, out_stride);
  }
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
        multiply_panel(block, k0, depth, panel, block.out + first, block.out_stride);
        continue;
      }
      for (int64_t r = 0; r < block.rows && k0 > 0; ++r) {
        std::copy_n(block.out + r * block.out_stride + first, columns, edge + r * kPanel);
      }
      multiply_panel(block, k0, depth, panel, edge, kPanel);
      for (int64_t r = 0; r < block.rows; ++r) {
        std::copy_n(edge + r * kPanel, columns, block.out + r * block.out_stride + first);
      }
    }
  }
}

template <typename Act>
void interleave(const Act* in, int64_t k, int64_t rows, float* out) {
  if (rows == kTileRows) {  // unrolled
    for (int64_t i = 0; i < k; ++i) {
      for (int m = 0; m < kTileRows; ++m) out[i * kTileRows + m] = act_to_float(in[m * k + i]);
    }
    return;
  }
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t m = 0; m < rows; ++m) out[i * rows + m] = act_to_float(in[m * k + i]);
  }
}

// One group: in [rows, k] -> out [k, rows].
void interleave_group(const void* in, bool is_bfloat16, int64_t k, int64_t rows, float* out) {
  if (is_bfloat16) {
    interleave(static_cast<const uint16_t*>(in), k, rows, out);
  } else {
    interleave(static_cast<const float*>(in), k, rows, out);
  }
}

int64_t rows_in_group() {
  return kTileRows;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "model_backend/engine/cpu/host_memory.h"
#include "model_backend/engine/cpu/matmul.h"
#include "model_backend/engine/cpu/team.h"

namespace assay {
namespace {

HWY_EXPORT(multiply_block);
HWY_EXPORT(interleave_group);
HWY_EXPORT(rows_in_group);

class TileWeight final : public CpuWeight {
 public:
  TileWeight(int64_t n, int64_t k, size_t element_bytes, HostArena& arena)
      : CpuWeight(n, k), bytes_((n + kPanel - 1) / kPanel * kPanel * k * element_bytes), panels_(arena.take(bytes_)) {}
  size_t bytes() const override { return bytes_; }
  uint8_t* data() { return static_cast<uint8_t*>(panels_.get()); }
  const uint8_t* data() const { return static_cast<const uint8_t*>(panels_.get()); }

 private:
  size_t bytes_;
  std::shared_ptr<void> panels_;
};

template <typename Element>
void pack_panel(const Element* rows, int64_t count, int64_t k, Element* panel) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < kPanel; ++j) panel[i * kPanel + j] = j < count ? rows[j * k + i] : Element{0};
  }
}

class TileProduct final : public MatrixProduct {
 public:
  TileProduct(Precision precision, std::shared_ptr<Team> team, const std::string& why)
      : precision_(precision), team_(std::move(team)), why_(why.empty() ? "" : ", " + why) {}

  std::string name() const override {
    return (precision_ == Precision::kBFloat16 ? "tile-matmul-1 (bfloat16 multiplied in float32)" : "tile-matmul-1") +
           why_;
  }

  std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) override {
    const size_t element = precision_ == Precision::kBFloat16 ? 2 : 4;
    auto weight = std::make_unique<TileWeight>(matrix.n, matrix.k, element, arena_);
    const int64_t panels = (matrix.n + kPanel - 1) / kPanel;
    parallel_for(*team_, panels, kPanel * matrix.k, [&](int64_t p) {
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
    const int64_t group = HWY_DYNAMIC_DISPATCH(rows_in_group)();
    const size_t element = precision_ == Precision::kBFloat16 ? 2 : 4;
    interleave_rows(static_cast<const uint8_t*>(in), weight.k(), rows, group, element);

    const int64_t outputs = weight.tile_outputs(tile), width = kPanel * kBlockPanels;
    const int64_t across = (outputs + width - 1) / width;
    // Blocks of nearly equal size, each of whole groups.
    const int64_t groups = (rows + group - 1) / group, most = kBlockRows / group;
    const int64_t down = (groups + most - 1) / most;
    parallel_for_uneven(*team_, across * down, [&](int, int64_t item) {
      const int64_t block_index = item / across, first = item % across * width;
      const int64_t row = groups * block_index / down * group;
      const int64_t row_end = std::min(rows, groups * (block_index + 1) / down * group);
      ProductBlock block;
      block.in = interleaved_.data() + row * weight.k();
      block.k = weight.k();
      block.rows = row_end - row;
      block.panels = panels.data() + (weight.tile_begin(tile) + first) * weight.k() * element;
      block.is_bfloat16 = element == 2;
      block.outputs = std::min(width, outputs - first);
      block.out = out + row * out_stride + first;
      block.out_stride = out_stride;
      HWY_DYNAMIC_DISPATCH(multiply_block)(block);
    });
  }

 private:
  void interleave_rows(const uint8_t* in, int64_t k, int64_t rows, int64_t group, size_t element) {
    interleaved_.resize(std::max<size_t>(interleaved_.size(), rows * k));
    parallel_for(*team_, (rows + group - 1) / group, group * k, [&](int64_t g) {
      const int64_t row = g * group;
      HWY_DYNAMIC_DISPATCH(interleave_group)
      (in + row * k * element, element == 2, k, std::min(group, rows - row), interleaved_.data() + row * k);
    });
  }

  Precision precision_;
  std::shared_ptr<Team> team_;
  std::string why_;
  HostArena arena_;  // the weights
  std::vector<float> interleaved_;
};

}  // namespace

std::unique_ptr<MatrixProduct> make_tile_product(Precision precision, std::shared_ptr<Team> team,
                                                 const std::string& why) {
  return std::make_unique<TileProduct>(precision, std::move(team), why);
}

}  // namespace assay
#endif  // HWY_ONCE
