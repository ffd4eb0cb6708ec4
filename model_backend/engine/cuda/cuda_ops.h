// Ops on one CUDA device. Each family of ops has its file: matmul.cu, attention.cu, norm.cu, pointwise.cu, rope.cu,
// logprob.cu; memory and start-up are in cuda_ops.cc.
//
// Everything runs in one stream, in the order of the calls. Ids, positions, slots and segments come as host memory and
// are copied to scratch inside the op; the copy stands in the same stream, so the scratch of the op before is not
// overwritten while it is read. These bodies are the simple ones: right first, and what faster ones are compared with.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "model_backend/engine/cuda/cuda_util.h"
#include "model_backend/engine/cuda/matmul.h"
#include "model_backend/engine/ops.h"

namespace assay {

class CudaOps final : public Ops {
 public:
  // The device must be there (make_cuda_ops looks first) and must be current on this thread.
  CudaOps(Precision precision, int device_index);

  int device_index() const { return device_index_; }
  cudaStream_t stream() const { return stream_.get(); }

  std::string numerics() const override { return numerics_; }
  Precision precision() const override { return precision_; }
  int default_batch_tokens() const override { return 8192; }
  int64_t available_bytes() const override;

  std::unique_ptr<DeviceBuffer> allocate(size_t bytes) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  std::unique_ptr<PackedWeight> pack(const HostMatrix& matrix) override;

  void embed(const void* table, int64_t hidden, std::span<const int32_t> ids, float* out) override;
  void rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t hidden, void* out) override;
  void linear(const void* in, const PackedWeight& weight, const float* bias, int64_t rows, float* out) override;
  void rotate_and_store(const float* qkv, const AttentionShape& shape, std::span<const int32_t> positions,
                        std::span<const int32_t> slots, const float* inverse_frequency, float attention_scale,
                        void* q_out, void* keys, void* values) override;
  void attention(const void* q, const void* keys, const void* values, const AttentionShape& shape,
                 std::span<const RowSegment> segments, void* out) override;
  void silu_multiply(const float* gate_up, int64_t rows, int64_t inner, void* out) override;
  void note_bad_rows(const float* x, int64_t rows, int64_t hidden, int layer, int32_t* bad_layer) override;
  void add(float* x, const float* y, int64_t count) override;
  void gather_rows(const void* x, std::span<const int32_t> rows, size_t row_bytes, void* out) override;
  void head_logprobs(const void* h, int64_t rows, const PackedWeight& head, std::span<const HeadRead> reads,
                     HeadAnswer* answers) override;
  void head_logits(const void* h, int64_t rows, const PackedWeight& head, float* logits) override;

 private:
  // One op in progress: makes the device current on the calling thread and opens a profiler range.
  class Stage;

  const Precision precision_;
  const int device_index_;
  const std::string numerics_;
  Stream stream_;
  RowTileProduct product_;
  Scratch ids_, positions_, slots_;      // host metadata of the op in progress
  Scratch tile_in_, tile_out_, logits_;  // padded rows of a product; one tile of logits
  Scratch rows_;                         // rows of attention; running values of the output head
  Scratch reads_, targets_, answers_;    // of the output head

  const void* full_row_tile(const void* in, int64_t rows, int64_t k);
  template <typename Visit>
  void for_each_logit_tile(const void* h, int64_t rows, const CudaWeight& head, Visit&& visit);
  void wait();
};

}  // namespace assay
