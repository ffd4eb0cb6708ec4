#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int kThreads = 256;  // bound by memory: any size that fills a multiprocessor will do

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

__device__ int64_t global_index() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

// One block a row: out[t, :] = table[rows[t], :].
template <typename Act>
__global__ void gather_kernel(const Act* table, const int32_t* rows, int64_t hidden, float* out) {
  const Act* row = table + rows[blockIdx.x] * hidden;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) out[blockIdx.x * hidden + i] = to_float(row[i]);
}

// One block a row, in units of two bytes.
__global__ void copy_rows_kernel(const uint16_t* x, const int32_t* rows, int64_t units, uint16_t* out) {
  const uint16_t* row = x + rows[blockIdx.x] * units;
  for (int64_t i = threadIdx.x; i < units; i += kThreads) out[blockIdx.x * units + i] = row[i];
}

__global__ void add_kernel(float* x, const float* y, int64_t count) {
  const int64_t i = global_index();
  if (i < count) x[i] += y[i];
}

// One block a row.
__global__ void note_bad_rows_kernel(const float* x, int64_t hidden, int layer, int32_t* bad_layer) {
  bool bad = false;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) bad |= !isfinite(x[blockIdx.x * hidden + i]);
  if (__syncthreads_or(bad) && threadIdx.x == 0 && bad_layer[blockIdx.x] < 0) bad_layer[blockIdx.x] = layer;
}

template <typename Act>
__global__ void silu_multiply_kernel(const float* gate_up, int64_t count, int64_t inner, Act* out) {
  const int64_t i = global_index();
  if (i >= count) return;
  const float* row = gate_up + i / inner * 2 * inner;
  const float gate = row[i % inner];
  const float up = row[inner + i % inner];
  out[i] = from_float<Act>(gate / (1.0f + expf(-gate)) * up);
}

}  // namespace

void CudaOps::embed(const void* table, int64_t hidden, std::span<const int32_t> ids, float* out) {
  Stage stage(*this, "embed");
  if (ids.empty()) return;
  const int32_t* device_ids = ids_.put(ids, stream());
  const unsigned blocks = static_cast<unsigned>(ids.size());
  with_act(precision_, [&](auto act) {
    using Act = decltype(act);
    gather_kernel<Act><<<blocks, kThreads, 0, stream()>>>(static_cast<const Act*>(table), device_ids, hidden, out);
  });
  ASSAY_CUDA_CHECK_LAUNCH("gather_kernel");
}

void CudaOps::gather_rows(const void* x, std::span<const int32_t> rows, size_t row_bytes, void* out) {
  Stage stage(*this, "gather_rows");
  ASSAY_ASSERT(row_bytes % sizeof(uint16_t) == 0, "rows hold whole elements");
  if (rows.empty()) return;
  const int32_t* device_rows = ids_.put(rows, stream());
  copy_rows_kernel<<<static_cast<unsigned>(rows.size()), kThreads, 0, stream()>>>(
      static_cast<const uint16_t*>(x), device_rows, static_cast<int64_t>(row_bytes / sizeof(uint16_t)),
      static_cast<uint16_t*>(out));
  ASSAY_CUDA_CHECK_LAUNCH("copy_rows_kernel");
}

void CudaOps::add(float* x, const float* y, int64_t count) {
  Stage stage(*this, "add");
  if (count == 0) return;
  add_kernel<<<blocks_for(count), kThreads, 0, stream()>>>(x, y, count);
  ASSAY_CUDA_CHECK_LAUNCH("add_kernel");
}

void CudaOps::note_bad_rows(const float* x, int64_t rows, int64_t hidden, int layer, int32_t* bad_layer) {
  Stage stage(*this, "note_bad_rows");
  if (rows == 0) return;
  note_bad_rows_kernel<<<static_cast<unsigned>(rows), kThreads, 0, stream()>>>(x, hidden, layer, bad_layer);
  ASSAY_CUDA_CHECK_LAUNCH("note_bad_rows_kernel");
}

void CudaOps::silu_multiply(const float* gate_up, int64_t rows, int64_t inner, void* out) {
  Stage stage(*this, "silu_multiply");
  const int64_t count = rows * inner;
  if (count == 0) return;
  with_act(precision_, [&](auto act) {
    using Act = decltype(act);
    silu_multiply_kernel<Act>
        <<<blocks_for(count), kThreads, 0, stream()>>>(gate_up, count, inner, static_cast<Act*>(out));
  });
  ASSAY_CUDA_CHECK_LAUNCH("silu_multiply_kernel");
}

}  // namespace assay
