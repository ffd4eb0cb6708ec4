// linear(), and what both matrix products share.
#include "model_backend/engine/cpu/matmul.h"

#include <cstring>

#include "core/error.h"
#include "model_backend/engine/bfloat16.h"
#include "model_backend/engine/cpu/cpu_ops.h"
#include "model_backend/engine/cpu/team.h"

namespace assay {
namespace {

// A value in (-1, 1) that looks random and is the same everywhere.
float trial_value(int64_t index) {
  const uint32_t mixed = static_cast<uint32_t>(index) * 2654435761u;
  return static_cast<float>(static_cast<int32_t>(mixed ^ (mixed >> 15))) * 0x1p-31f;
}

}  // namespace

void convert_rows(const HostMatrix& matrix, int64_t first, int64_t count, Precision precision, void* out) {
  const int64_t begin = first * matrix.k, elements = count * matrix.k;
  const bool to_bfloat16 = precision == Precision::kBFloat16;
  const auto* floats = static_cast<const float*>(matrix.data) + begin;
  const auto* halves = static_cast<const uint16_t*>(matrix.data) + begin;
  if (matrix.is_bfloat16 == to_bfloat16) {
    std::memcpy(out, to_bfloat16 ? static_cast<const void*>(halves) : floats, elements * (to_bfloat16 ? 2 : 4));
  } else if (to_bfloat16) {
    for (int64_t i = 0; i < elements; ++i) static_cast<uint16_t*>(out)[i] = round_to_bfloat16(floats[i]);
  } else {
    for (int64_t i = 0; i < elements; ++i) static_cast<float*>(out)[i] = widen_bfloat16(halves[i]);
  }
}

bool rows_are_independent(MatrixProduct& product, Precision precision) {
  // So many that every way to share out a product comes up.
  constexpr int64_t kRows = 600, kApart = 64, kInputs = 576, kOutputs = 192;
  std::vector<float> weight(kOutputs * kInputs), rows(kRows * kInputs);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = trial_value(i);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = trial_value(i + weight.size());
  std::vector<uint8_t> acts(rows.size() * 4);
  convert_rows({rows.data(), false, kRows, kInputs}, 0, kRows, precision, acts.data());
  const size_t row_bytes = kInputs * (precision == Precision::kBFloat16 ? 2 : 4);

  auto packed = product.pack({weight.data(), false, kOutputs, kInputs});
  std::vector<float> together(kRows * kOutputs), apart(kApart * kOutputs);
  product.multiply(acts.data(), *packed, 0, kRows, together.data(), kOutputs);
  for (int64_t group : {1, 3, 8, 17, 64}) {
    for (int64_t row = 0; row < kApart; row += group) {
      product.multiply(acts.data() + row * row_bytes, *packed, 0, std::min(group, kApart - row),
                       apart.data() + row * kOutputs, kOutputs);
    }
    if (std::memcmp(together.data(), apart.data(), kApart * kOutputs * sizeof(float)) != 0) return false;
  }
  return true;
}

std::unique_ptr<MatrixProduct> checked_product(std::unique_ptr<MatrixProduct> fast, Precision precision,
                                               const std::shared_ptr<Team>& team) {
  if (rows_are_independent(*fast, precision)) return fast;
  return make_tile_product(precision, team, "since rows depend on each other in " + fast->name());
}

std::unique_ptr<PackedWeight> CpuOps::pack(const HostMatrix& matrix) {
  return product_->pack(matrix);
}

void CpuOps::linear(const void* in, const PackedWeight& weight, const float* bias, int64_t rows, float* out) {
  if (rows == 0) return;
  const auto& packed = static_cast<const CpuWeight&>(weight);
  for (int64_t tile = 0; tile < packed.tiles(); ++tile) {
    product_->multiply(in, packed, tile, rows, out + packed.tile_begin(tile), packed.n());
  }
  if (!bias) return;
  parallel_for(*team_, rows, packed.n(), [&](int64_t row) {
    float* values = out + row * packed.n();
    for (int64_t j = 0; j < packed.n(); ++j) values[j] += bias[j];
  });
}

}  // namespace assay
