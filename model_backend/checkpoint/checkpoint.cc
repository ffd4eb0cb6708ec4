#include "model_backend/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "model_backend/checkpoint/block_types.h"
#include "model_backend/checkpoint/messages.h"
#include "model_backend/checkpoint/weights_hash.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

// Where canonical row `row` of `rows` lies in a file that stores the two numbers that rotate together side by side:
// within a head, canonical row j * half + i (j = 0, 1) is stored row 2 * i + j.
int64_t stored_row(int64_t row, int64_t rows, int heads) {
  if (heads == 0) return row;
  int64_t head_dim = rows / heads, half = head_dim / 2;
  int64_t head = row / head_dim, within = row % head_dim;
  return head * head_dim + 2 * (within % half) + within / half;
}

// Whole blocks without a branch in them, which the compiler turns into vector code.
int64_t finite_blocks(const float* values, int64_t count) {
  constexpr int64_t kBlock = 64;
  constexpr uint32_t kExponent = 0x7F800000;  // all of its bits set: infinite, or not a number
  int64_t begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    uint32_t bad = 0;
    for (int64_t i = 0; i < kBlock; ++i) {
      bad |= (std::bit_cast<uint32_t>(values[begin + i]) & kExponent) == kExponent ? 1u : 0u;
    }
    if (bad) break;
  }
  return begin;
}

void check_finite(const TensorView& tensor, const float* values, int64_t count) {
  for (int64_t i = finite_blocks(values, count); i < count; ++i) {
    if (std::isfinite(values[i])) continue;
    throw_input(tensor.file, fmt::format("tensor {} holds {}, which no usable weight is", in_quotes(tensor.stored_name),
                                         std::isnan(values[i]) ? "a value that is not a number" : "an infinite value"));
  }
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path) {
  std::error_code unreachable;
  if (fs::is_directory(path, unreachable)) return open_folder(path);
  if (!fs::exists(path, unreachable)) throw_input(path, "no such file or folder");
  if (!ends_with(path, ".gguf")) throw_input(path, "is neither a folder nor a .gguf file");
  return open_gguf(path);
}

std::string Checkpoint::label() const {
  fs::path whole = fs::absolute(path_).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  return whole.filename().string();
}

const TensorView& Checkpoint::tensor(std::string_view name) const {
  auto it = tensors_.find(name);
  ASSAY_ASSERT(it != tensors_.end(), "a tensor was asked for that the configuration does not have");
  return it->second;
}

void Checkpoint::read_f32(const TensorView& tensor, float* out) const {
  read_rows_f32(tensor, 0, tensor.rows(), out);
}

void Checkpoint::read_rows_f32(const TensorView& tensor, int64_t first, int64_t count, float* out) const {
  ASSAY_ASSERT(first >= 0 && count >= 0 && first + count <= tensor.rows(), "rows outside the tensor");
  const int64_t columns = tensor.columns();
  const size_t row_bytes = bytes_for(tensor.dtype, static_cast<size_t>(columns));
  const auto* data = static_cast<const uint8_t*>(tensor.data);
  const bool is_vector = tensor.shape.size() == 1;
  for (int64_t i = 0; i < count; ++i) {
    int64_t row = is_vector ? 0 : stored_row(first + i, tensor.rows(), tensor.interleaved_heads);
    dequantize(tensor.dtype, data + static_cast<size_t>(row) * row_bytes, static_cast<size_t>(columns),
               out + i * columns);
  }
  if (is_vector && count == 1 && tensor.interleaved_heads > 0) {
    std::vector<float> stored(out, out + columns);
    for (int64_t i = 0; i < columns; ++i) out[i] = stored[stored_row(i, columns, tensor.interleaved_heads)];
  }
  check_finite(tensor, out, count * columns);
}

void Checkpoint::copy_rows_bf16(const TensorView& tensor, int64_t first, int64_t count, uint16_t* out) const {
  ASSAY_ASSERT(tensor.dtype == DType::kBF16 && tensor.shape.size() > 1, "a matrix that is stored as bfloat16");
  ASSAY_ASSERT(first >= 0 && count >= 0 && first + count <= tensor.rows(), "rows outside the tensor");
  const int64_t columns = tensor.columns();
  const auto* data = static_cast<const uint8_t*>(tensor.data);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = stored_row(first + i, tensor.rows(), tensor.interleaved_heads);
    uint16_t* to = out + i * columns;
    std::memcpy(to, data + row * columns * 2, static_cast<size_t>(columns) * 2);
    // All bits of the exponent: infinite, or not a number.
    if (std::none_of(to, to + columns, [](uint16_t half) { return (half & 0x7F80) == 0x7F80; })) continue;
    std::vector<float> values(static_cast<size_t>(columns));
    read_rows_f32(tensor, first + i, 1, values.data());  // throws
  }
}

std::string Checkpoint::weights_hash() const {
  std::vector<std::string> files;
  for (const auto& shard : shards_) files.push_back(shard->path());
  if (gguf_) files.push_back(gguf_->path());
  FieldHash hash;
  return hash.add(hash_config(config_)).add(remembered_tensor_hash(tensors_, files)).hex();
}

}  // namespace assay
