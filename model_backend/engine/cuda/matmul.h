// The matrix product of a fixed number of rows, and the weights it reads.
//
// A row's bits must not depend on how many rows are in the batch or where it stands. cuBLASLt chooses its kernel by
// shape, so a free choice would break that. Three things hold it:
//   - Rows always come in tiles of exactly kRowTile. Every product with an [n, k] matrix is then the same problem, and
//     the same launch; the last rows of a batch are padded (CudaOps::linear stages them).
//   - The kernel is the first that cuBLASLt's heuristic names for that problem, taken once per (n, k) and kept.
//   - Only kernels that finish each output inside one thread block are taken: no split of k, no reduction scheme, and
//     no workspace, so there is nowhere to pass partial sums. Each output is then one sum over k in that kernel's
//     order, the same for all rows.
// The choice rests on the device and the cuBLASLt version, and both are named in Ops::numerics().
//
// 256 rows: enough arithmetic per byte of weights to be bound by arithmetic on an H200 (about 206 operations a byte),
// and hardly slower for few rows, as these are bound by reading the weights.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "model_backend/engine/cuda/cuda_util.h"
#include "model_backend/engine/ops.h"

namespace assay {

inline constexpr int64_t kRowTile = 256;
inline constexpr size_t kProductAlignment = 16;  // bytes; of every address given to RowTileProduct

class CudaWeight final : public PackedWeight {
 public:
  CudaWeight(int64_t n, int64_t k, size_t element_bytes)
      : n_(n), k_(k), memory_(static_cast<size_t>(n * k) * element_bytes) {}
  int64_t n() const override { return n_; }
  int64_t k() const override { return k_; }
  size_t bytes() const override { return memory_.bytes(); }
  void* data() const { return memory_.data(); }  // [n, k] row-major

 private:
  int64_t n_, k_;
  DeviceMemory memory_;
};

// Lives on the device that was current when it was made; used by one thread.
class RowTileProduct {
 public:
  explicit RowTileProduct(Precision precision);

  // out = in * weight^T.   in [kRowTile, k] act   weight [n, k] act   out [kRowTile, n] float
  // Asynchronous on `stream`. Throws Error(kWorld) when cuBLASLt has no kernel of the kind described above.
  void run(const void* in, const void* weight, int64_t n, int64_t k, float* out, cudaStream_t stream);

 private:
  struct Plan {
    LtLayout weight, in, out;
    cublasLtMatmulAlgo_t algorithm;
  };
  cudaDataType_t act_type_;
  LtHandle handle_;
  LtOperation operation_;
  std::map<std::pair<int64_t, int64_t>, Plan> plans_;  // by (n, k)

  const Plan& plan(int64_t n, int64_t k);
  cublasLtMatmulAlgo_t choose_algorithm(const Plan& plan, int64_t n, int64_t k) const;
};

}  // namespace assay
