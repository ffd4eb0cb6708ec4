#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/matmul.h"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

// out[r, c] += bias[c]
__global__ void add_bias_kernel(const float* bias, int64_t count, int64_t n, float* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) out[i] += bias[i % n];
}

template <typename From, typename To>
__global__ void convert_kernel(const From* from, int64_t count, To* to) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) to[i] = from_float<To>(to_float(from[i]));
}

bool is_aligned(const void* address) {
  return reinterpret_cast<uintptr_t>(address) % kProductAlignment == 0;
}

template <typename T>
void prefer(const LtPreference& preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  ASSAY_CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
}

// Of a kernel with no such setting: 0.
uint32_t setting(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute) {
  uint32_t value = 0;
  size_t written = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof value, &written);
  return status == CUBLAS_STATUS_SUCCESS ? value : 0;
}

}  // namespace

// Float32 is computed as float32: CUBLAS_COMPUTE_32F does not allow TF32.
RowTileProduct::RowTileProduct(Precision precision)
    : act_type_(precision == Precision::kFloat32 ? CUDA_R_32F : CUDA_R_16BF),
      handle_(make_lt_handle()),
      operation_(make_lt_operation(CUBLAS_COMPUTE_32F, CUDA_R_32F)) {
  const cublasOperation_t transpose = CUBLAS_OP_T;
  ASSAY_CUDA_CHECK(
      cublasLtMatmulDescSetAttribute(operation_.get(), CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof transpose));
}

// cuBLASLt is column-major, where our row-major [r, c] reads as [c, r]. So it is asked for
// out^T [n, rows] = (weight read as [k, n])^T * (in read as [k, rows]).
const RowTileProduct::Plan& RowTileProduct::plan(int64_t n, int64_t k) {
  const auto found = plans_.find({n, k});
  if (found != plans_.end()) return found->second;
  Plan plan{make_lt_layout(act_type_, k, n, k),
            make_lt_layout(act_type_, k, kRowTile, k),
            make_lt_layout(CUDA_R_32F, n, kRowTile, n),
            {}};
  plan.algorithm = choose_algorithm(plan, n, k);
  return plans_.emplace(std::pair(n, k), std::move(plan)).first->second;
}

cublasLtMatmulAlgo_t RowTileProduct::choose_algorithm(const Plan& plan, int64_t n, int64_t k) const {
  const LtPreference preference = make_lt_preference();
  prefer<uint64_t>(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 0);
  prefer<uint32_t>(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, CUBLASLT_REDUCTION_SCHEME_NONE);
  for (auto operand : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                       CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    prefer<uint32_t>(preference, operand, kProductAlignment);
  }
  std::array<cublasLtMatmulHeuristicResult_t, 16> candidates{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle_.get(), operation_.get(), plan.weight.get(), plan.in.get(), plan.out.get(), plan.out.get(),
      preference.get(), static_cast<int>(candidates.size()), candidates.data(), &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_SUCCESS) {
    fail_device_call("cublasLtMatmulAlgoGetHeuristic", describe(status), __FILE__, __LINE__);
  }
  for (int i = 0; i < count; ++i) {
    const cublasLtMatmulAlgo_t& algorithm = candidates[static_cast<size_t>(i)].algo;
    cublasLtMatmulHeuristicResult_t check{};
    const cublasStatus_t checked =
        cublasLtMatmulAlgoCheck(handle_.get(), operation_.get(), plan.weight.get(), plan.in.get(), plan.out.get(),
                                plan.out.get(), &algorithm, &check);
    const bool is_one_sum = setting(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM) <= 1 &&
                            setting(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) == CUBLASLT_REDUCTION_SCHEME_NONE;
    if (checked == CUBLAS_STATUS_SUCCESS && check.workspaceSize == 0 && is_one_sum) return algorithm;
  }
  throw_world("cuBLASLt",
              "it has no repeatable kernel (one sum over k, no workspace) for a matrix of " + std::to_string(n) +
                  " x " + std::to_string(k),
              "use --device cpu or --dtype float32");
}

void RowTileProduct::run(const void* in, const void* weight, int64_t n, int64_t k, float* out, cudaStream_t stream) {
  ASSAY_ASSERT(is_aligned(in) && is_aligned(weight) && is_aligned(out), "operands of a product are aligned");
  const Plan& chosen = plan(n, k);
  const float one = 1, zero = 0;
  ASSAY_CUDA_CHECK(cublasLtMatmul(handle_.get(), operation_.get(), &one, weight, chosen.weight.get(), in,
                                  chosen.in.get(), &zero, out, chosen.out.get(), out, chosen.out.get(),
                                  &chosen.algorithm, nullptr, 0, stream));
}

// Copied in pieces, so that a conversion needs little memory beside the matrix itself.
std::unique_ptr<PackedWeight> CudaOps::pack(const HostMatrix& matrix) {
  Stage stage(*this, "pack");
  constexpr int64_t kPiece = int64_t{16} << 20;  // values
  auto weight = std::make_unique<CudaWeight>(matrix.n, matrix.k, act_bytes());
  const size_t host_bytes = matrix.is_bfloat16 ? 2 : 4;
  const int64_t count = matrix.n * matrix.k;
  if (host_bytes == act_bytes()) {
    upload(weight->data(), matrix.data, weight->bytes());
    return weight;
  }
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t piece = std::min(kPiece, count - begin);
    const char* host = static_cast<const char*>(matrix.data) + static_cast<size_t>(begin) * host_bytes;
    const std::span<const char> bytes(host, static_cast<size_t>(piece) * host_bytes);
    const void* raw = tile_in_.put(bytes, stream());
    if (matrix.is_bfloat16) {
      convert_kernel<<<blocks_for(piece), kThreads, 0, stream()>>>(static_cast<const __nv_bfloat16*>(raw), piece,
                                                                   static_cast<float*>(weight->data()) + begin);
    } else {
      convert_kernel<<<blocks_for(piece), kThreads, 0, stream()>>>(static_cast<const float*>(raw), piece,
                                                                   static_cast<__nv_bfloat16*>(weight->data()) + begin);
    }
    ASSAY_CUDA_CHECK_LAUNCH("convert_kernel");
  }
  wait();
  return weight;
}

// `rows` rows of `in` as a whole, aligned tile: in place where they already are one, else copied to scratch. What the
// other rows of the scratch hold does not matter: rows do not mix.
const void* CudaOps::full_row_tile(const void* in, int64_t rows, int64_t k) {
  if (rows == kRowTile && is_aligned(in)) return in;
  void* tile = tile_in_.reserve<char>(static_cast<size_t>(kRowTile * k) * act_bytes());
  ASSAY_CUDA_CHECK(
      cudaMemcpyAsync(tile, in, static_cast<size_t>(rows * k) * act_bytes(), cudaMemcpyDeviceToDevice, stream()));
  return tile;
}

void CudaOps::linear(const void* in, const PackedWeight& weight, const float* bias, int64_t rows, float* out) {
  Stage stage(*this, "linear");
  const auto& matrix = static_cast<const CudaWeight&>(weight);
  const int64_t n = matrix.n(), k = matrix.k();
  for (int64_t begin = 0; begin < rows; begin += kRowTile) {
    const int64_t tile_rows = std::min(kRowTile, rows - begin);
    const void* tile =
        full_row_tile(static_cast<const char*>(in) + static_cast<size_t>(begin * k) * act_bytes(), tile_rows, k);
    float* tile_out = out + begin * n;
    if (tile_rows == kRowTile && is_aligned(tile_out)) {
      product_.run(tile, matrix.data(), n, k, tile_out, stream());
      continue;
    }
    float* staged = tile_out_.reserve<float>(static_cast<size_t>(kRowTile * n));
    product_.run(tile, matrix.data(), n, k, staged, stream());
    ASSAY_CUDA_CHECK(cudaMemcpyAsync(tile_out, staged, static_cast<size_t>(tile_rows * n) * sizeof(float),
                                     cudaMemcpyDeviceToDevice, stream()));
  }
  if (bias == nullptr || rows == 0) return;
  add_bias_kernel<<<blocks_for(rows * n), kThreads, 0, stream()>>>(bias, rows * n, n, out);
  ASSAY_CUDA_CHECK_LAUNCH("add_bias_kernel");
}

}  // namespace assay
