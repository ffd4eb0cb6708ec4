// Every operation that a model file may call, once, for all devices.
//
// A model file (models/llama.cc) is written against this interface and includes no device header. cpu/ and cuda/ each
// fill it: the same names, the same shapes, the same test bodies (tests/model_backend/engine/ops_test.cc).
//
// Dimension letters, the same everywhere:
//   T  rows of a batch: tokens, back to back, no padding       H  hidden size
//   Q  query heads    K  key/value heads    D  head size       F  size inside the feed-forward block
//   V  vocabulary     R  rows that the output head reads       S  key/value slots
//
// Rules that make a score a pure function of checkpoint, tokens, precision and kind of device:
//   - every row of every output depends on its own inputs alone, and its sums run in a fixed order, whatever T is,
//     wherever the row stands, and however many threads work;
//   - attention meets the keys of a row in blocks of kKeyBlock at absolute positions 0.., so that a key is reduced at
//     the same place whether its prefix is shared or not, prefilled or decoded;
//   - sums are float32; a softmax and a log-softmax are float32.
//
// Types. "act" is the activation type of the chosen precision: float in float32, bfloat16 in bfloat16. The residual
// stream and the outputs of linear() are float in both.
//
// Calls on one Ops come from one thread, in order. A device may run them asynchronously; download() and the functions
// that fill host memory wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace assay {

enum class Precision { kFloat32, kBFloat16 };

// Of an activation and of a weight.
inline constexpr size_t element_bytes(Precision precision) {
  return precision == Precision::kFloat32 ? 4 : 2;
}

inline constexpr int kKeyBlock = 64;  // positions

// Memory of one device. Freed when it dies; must not outlive its Ops.
class DeviceBuffer {
 public:
  virtual ~DeviceBuffer() = default;
  virtual void* data() = 0;  // device address
  virtual size_t bytes() const = 0;
};

// A weight matrix [n, k] (n outputs, k inputs) laid out once for linear(), in the type of the precision.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  virtual int64_t n() const = 0;
  virtual int64_t k() const = 0;
  virtual size_t bytes() const = 0;
};

// Host rows of a weight matrix being packed: float32 or bfloat16 bits, row-major [n, k].
struct HostMatrix {
  const void* data = nullptr;
  bool is_bfloat16 = false;
  int64_t n = 0, k = 0;
};

struct AttentionShape {
  int query_heads = 0;  // Q
  int kv_heads = 0;     // K; divides Q
  int head_dim = 0;     // D
  // A row at position p sees positions max(0, p - window + 1) .. p. 0 = all of 0 .. p.
  int window = 0;
};

// Rows of a batch that continue one another: positions `first_position` .. + rows - 1 of one sequence.
struct RowSegment {
  int first_row = 0;
  int rows = 0;
  int first_position = 0;
  // Slot of each position 0 .. first_position + rows - 1 of this sequence (those of the segment itself included).
  // Host memory; must stay valid until the next synchronising call.
  const int32_t* slots = nullptr;
};

// One read of the output head: what does row `row` say about `token`?
struct HeadRead {
  int row = 0;        // index into the rows given
  int32_t token = 0;  // in [0, V)
};
struct HeadAnswer {
  float logprob = 0;       // natural log, float32 log-softmax over the whole vocabulary
  int32_t best_token = 0;  // arg max of the row, the lowest id on a tie
};

class Ops {
 public:
  virtual ~Ops() = default;

  // "cpu avx512_bf16 onednn-2.6.3 kernels-2", ...: everything about this device that can change a bit of a result.
  virtual std::string numerics() const = 0;
  virtual Precision precision() const = 0;
  size_t act_bytes() const { return element_bytes(precision()); }

  // What this device suggests: rows in one pass, and bytes that allocate() could still give (an estimate).
  virtual int default_batch_tokens() const = 0;
  virtual int64_t available_bytes() const = 0;

  // Memory. Throw Error(kWorld) when the device has no more.
  virtual std::unique_ptr<DeviceBuffer> allocate(size_t bytes) = 0;
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  virtual std::unique_ptr<PackedWeight> pack(const HostMatrix& matrix) = 0;

  // out[t, :] = table[ids[t], :].   table [V, H] act   ids [T] host   out [T, H] float
  virtual void embed(const void* table, int64_t hidden, std::span<const int32_t> ids, float* out) = 0;

  // out = x / sqrt(mean(x^2) + eps) * weight.   x [rows, H] float   weight [H] float   out [rows, H] act
  virtual void rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t hidden, void* out) = 0;

  // out = in * W^T + bias.   in [rows, k] act   bias [n] float or null   out [rows, n] float
  virtual void linear(const void* in, const PackedWeight& weight, const float* bias, int64_t rows, float* out) = 0;

  // Rotates q and k (half-split layout: pair (i, i + D/2), angle = position * inverse_frequency[i]; cos and sin are
  // multiplied by attention_scale), writes q to `q_out` and k, v to their slots.
  //   qkv [T, (Q + 2K) * D] float   positions [T] host   slots [T] host   inverse_frequency [D/2] float, device
  //   q_out [T, Q * D] act   keys, values [S, K * D] act: the cache of one layer
  // A value that is not finite is stored as 0: a masked key has weight 0, and 0 times infinity would break the rows
  // that must not see it. note_bad_rows() says which rows are broken.
  virtual void rotate_and_store(const float* qkv, const AttentionShape& shape, std::span<const int32_t> positions,
                                std::span<const int32_t> slots, const float* inverse_frequency, float attention_scale,
                                void* q_out, void* keys, void* values) = 0;

  // Causal attention of every segment's rows over its sequence, softmax(q k / sqrt(D)) v.
  //   q [T, Q * D] act   keys, values [S, K * D] act   out [T, Q * D] act
  // All keys of the segments have been stored before, those of the same batch included.
  virtual void attention(const void* q, const void* keys, const void* values, const AttentionShape& shape,
                         std::span<const RowSegment> segments, void* out) = 0;

  // out = silu(gate) * up.   gate_up [rows, 2F] float: gate then up   out [rows, F] act
  virtual void silu_multiply(const float* gate_up, int64_t rows, int64_t inner, void* out) = 0;

  // Where row t of x holds a value that is not finite and bad_layer[t] is negative, bad_layer[t] becomes `layer`.
  //   x [T, H] float   bad_layer [T] int32, device
  virtual void note_bad_rows(const float* x, int64_t rows, int64_t hidden, int layer, int32_t* bad_layer) = 0;

  // x += y, elementwise, float.
  virtual void add(float* x, const float* y, int64_t count) = 0;

  // out[i] = x[rows[i]], rows of `row_bytes`, an even number.   x [T]   rows [R] host   out [R], apart from x
  virtual void gather_rows(const void* x, std::span<const int32_t> rows, size_t row_bytes, void* out) = 0;

  // For each read: the log-probability of its token at its row, and the row's most probable token. The vocabulary is
  // walked in tiles; [R, V] never exists. Waits. Reads may share a row.
  //   h [R, H] act   head: [V, H] packed, optional bias-free   answers [reads.size()] host
  virtual void head_logprobs(const void* h, int64_t rows, const PackedWeight& head, std::span<const HeadRead> reads,
                             HeadAnswer* answers) = 0;

  // Logits of a few rows, for sampling. Waits.   h [rows, H] act   logits [rows, V] float, host
  virtual void head_logits(const void* h, int64_t rows, const PackedWeight& head, float* logits) = 0;
};

// threads: 0 = all cores. Throws Error when the device is not there, saying how far it came and why it stopped.
std::unique_ptr<Ops> make_cpu_ops(Precision precision, int threads);
std::unique_ptr<Ops> make_cuda_ops(Precision precision, int device_index);  // cuda/no_cuda.cc where CUDA is not built

}  // namespace assay
