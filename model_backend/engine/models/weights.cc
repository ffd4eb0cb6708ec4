#include "model_backend/engine/models/weights.h"

#include <algorithm>
#include <cstring>

#include "model_backend/engine/bfloat16.h"

namespace assay {
namespace {

constexpr int64_t kChunkElements = 1 << 20;

// Calls take(bytes, count) for the tensor's elements in the type of the precision, some rows at a time.
template <typename Take>
void for_each_chunk(const Checkpoint& checkpoint, const TensorView& tensor, Precision precision, const Take& take) {
  const int64_t step = std::max<int64_t>(1, kChunkElements / tensor.columns());
  std::vector<float> values;
  std::vector<uint16_t> halves;
  for (int64_t first = 0; first < tensor.rows(); first += step) {
    values.resize(std::min(step, tensor.rows() - first) * tensor.columns());
    checkpoint.read_rows_f32(tensor, first, static_cast<int64_t>(values.size()) / tensor.columns(), values.data());
    if (precision == Precision::kFloat32) {
      take(values.data(), values.size());
    } else {
      halves.resize(values.size());
      std::transform(values.begin(), values.end(), halves.begin(), round_to_bfloat16);
      take(halves.data(), halves.size());
    }
  }
}

}  // namespace

std::unique_ptr<PackedWeight> WeightLoader::pack(const std::vector<std::string>& names) {
  HostMatrix matrix;
  for (const std::string& name : names) matrix.n += checkpoint_.tensor(name).rows();
  matrix.k = checkpoint_.tensor(names.front()).columns();
  matrix.is_bfloat16 = ops_.precision() == Precision::kBFloat16;
  std::vector<uint8_t> host(matrix.n * matrix.k * ops_.act_bytes());
  size_t filled = 0;
  for (const std::string& name : names) {
    for_each_chunk(checkpoint_, checkpoint_.tensor(name), ops_.precision(), [&](const void* elements, size_t count) {
      std::memcpy(host.data() + filled, elements, count * ops_.act_bytes());
      filled += count * ops_.act_bytes();
    });
  }
  matrix.data = host.data();
  return ops_.pack(matrix);
}

std::unique_ptr<DeviceBuffer> WeightLoader::floats(const std::vector<std::string>& names) {
  std::vector<float> all;
  for (const std::string& name : names) {
    const TensorView& tensor = checkpoint_.tensor(name);
    all.resize(all.size() + tensor.elements());
    checkpoint_.read_f32(tensor, all.data() + all.size() - tensor.elements());
  }
  auto buffer = ops_.allocate(all.size() * sizeof(float));
  ops_.upload(buffer->data(), all.data(), all.size() * sizeof(float));
  return buffer;
}

std::unique_ptr<DeviceBuffer> WeightLoader::table(const std::string& name) {
  const TensorView& tensor = checkpoint_.tensor(name);
  auto buffer = ops_.allocate(tensor.elements() * ops_.act_bytes());
  auto* to = static_cast<uint8_t*>(buffer->data());
  for_each_chunk(checkpoint_, tensor, ops_.precision(), [&](const void* elements, size_t count) {
    ops_.upload(to, elements, count * ops_.act_bytes());
    to += count * ops_.act_bytes();
  });
  return buffer;
}

}  // namespace assay
