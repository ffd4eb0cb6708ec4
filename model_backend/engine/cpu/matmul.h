// Matrix products of the CPU: two ways to the same contract, chosen once by the machine (make_matrix_product).
//
//   onednn_matmul.cc  oneDNN, where it has brgemm kernels (AVX-512): near the peak, and measured to give a row the same
//                     bits for any number of rows. That is no promise of oneDNN's, so it is probed before it is used.
//   tile_matmul.cc    ours, everywhere else. oneDNN 2.6 falls back to a generic gemm below AVX-512: it has no bfloat16,
//                     repacks the weights in every call and gives a row other bits when the number of rows changes.
//
// Weights are cut into tiles of kTileOutputs outputs, each packed by itself, so that the output head can be walked tile
// by tile and its logits never exist whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model_backend/engine/cpu/team.h"
#include "model_backend/engine/ops.h"

namespace assay {

inline constexpr int64_t kTileOutputs = 4096;

// A weight of the CPU: knows its tiles; what lies in them is its MatrixProduct's own matter.
class CpuWeight : public PackedWeight {
 public:
  CpuWeight(int64_t n, int64_t k) : n_(n), k_(k) {}
  int64_t n() const override { return n_; }
  int64_t k() const override { return k_; }
  int64_t tiles() const { return (n_ + kTileOutputs - 1) / kTileOutputs; }
  int64_t tile_begin(int64_t tile) const { return tile * kTileOutputs; }
  int64_t tile_outputs(int64_t tile) const { return std::min(kTileOutputs, n_ - tile * kTileOutputs); }

 private:
  int64_t n_, k_;
};

// Not thread-safe: one caller, as Ops.
class MatrixProduct {
 public:
  virtual ~MatrixProduct() = default;
  // Library, version and kernel: part of Ops::numerics().
  virtual std::string name() const = 0;
  // Throws Error(kWorld) when memory is out.
  virtual std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) = 0;
  // out[r, j] = in[r, :] * row (tile_begin + j) of the weight.
  //   in [rows, k] act   out [rows, tile_outputs(tile)], rows `out_stride` floats apart
  virtual void multiply(const void* in, const CpuWeight& weight, int64_t tile, int64_t rows, float* out,
                        int64_t out_stride) = 0;
};

// `team` is the one of the other kernels too. `why` stands in the name: why it is this product, where that needs
// saying.
std::unique_ptr<MatrixProduct> make_tile_product(Precision precision, std::shared_ptr<Team> team,
                                                 const std::string& why = "");
// Null where oneDNN has no kernel for the precision on this machine.
std::unique_ptr<MatrixProduct> make_onednn_product(Precision precision, std::shared_ptr<Team> team);
// The faster of the two that gives a row the same bits whatever rows come along.
std::unique_ptr<MatrixProduct> make_matrix_product(Precision precision, const std::shared_ptr<Team>& team);

// `fast` where its rows are independent; otherwise ours, whose name says so.
std::unique_ptr<MatrixProduct> checked_product(std::unique_ptr<MatrixProduct> fast, Precision precision,
                                               const std::shared_ptr<Team>& team);

// True when rows computed alone, in small groups and in a large group came out with the same bits on a trial shape.
bool rows_are_independent(MatrixProduct& product, Precision precision);

// Row-major copy of `matrix` rows [first, first + count) in the type of the precision; float32 is rounded to the
// nearest bfloat16. out: count * k elements of 2 or 4 bytes.
void convert_rows(const HostMatrix& matrix, int64_t first, int64_t count, Precision precision, void* out);

}  // namespace assay
