// The CPU's side of ops.h. Each member lives in the file of its family: matmul.cc, attention.cc, norm.cc, pointwise.cc,
// rope.cc, logprob.cc; memory and the choice of matrix product in cpu_ops.cc.
//
// Kernels are written once with Highway and chosen at run time for the machine (targets.h). Their threads: team.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model_backend/engine/cpu/matmul.h"
#include "model_backend/engine/ops.h"

namespace assay {

class CpuOps final : public Ops {
 public:
  // product: serves `precision` on `team`, whose threads all kernels share.
  CpuOps(Precision precision, std::shared_ptr<Team> team, std::unique_ptr<MatrixProduct> product);

  std::string numerics() const override;
  Precision precision() const override { return precision_; }
  int default_batch_tokens() const override { return 512; }
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
  bool bfloat16() const { return precision_ == Precision::kBFloat16; }

  Precision precision_;
  std::shared_ptr<Team> team_;
  std::unique_ptr<MatrixProduct> product_;
  bool bfloat16_attention_;  // attention_bfloat16.cc computes it
  // cos and sin [position, 2, D / 2] of one rotation, made when a position is first met.
  struct Turns {
    std::vector<float> inverse_frequency;
    float scale = 0;
    std::vector<float> values;
  };
  const float* turns_up_to(int position, const float* inverse_frequency, float scale, int half);
  Turns turns_;
  std::vector<std::vector<float>> thread_scratch_;  // attention: one a thread
  std::vector<float> head_tile_;                    // head_logprobs: logits of one vocabulary tile
};

// "AVX2", "AVX3" (AVX-512), "EMU128": what our kernels run on here.
std::string kernel_instruction_set();

}  // namespace assay
