#include "model_backend/engine/models/weights.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "model_backend/engine/bfloat16.h"

namespace assay {
namespace {

// A chunk's floats stay in a core's own cache, and are allocated without asking the system.
constexpr int64_t kChunkElements = 1 << 14;
constexpr unsigned kMostThreads = 4;

// In blocks of a fixed length, which the compiler turns into vector code.
void round_all(const std::vector<float>& floats, uint16_t* halves) {
  constexpr size_t kBlock = 64;
  size_t begin = 0;
  for (; begin + kBlock <= floats.size(); begin += kBlock) {
    for (size_t i = 0; i < kBlock; ++i) halves[begin + i] = round_to_bfloat16(floats[begin + i]);
  }
  for (; begin < floats.size(); ++begin) halves[begin] = round_to_bfloat16(floats[begin]);
}

// Rows [first, first + count) of the tensor in the type of the precision.
void read_chunk(const Checkpoint& checkpoint, const TensorView& tensor, Precision precision, int64_t first,
                int64_t count, uint8_t* to, std::vector<float>& floats) {
  if (precision == Precision::kFloat32) {
    checkpoint.read_rows_f32(tensor, first, count, reinterpret_cast<float*>(to));
    return;
  }
  auto* halves = reinterpret_cast<uint16_t*>(to);
  if (tensor.dtype == DType::kBF16 && tensor.shape.size() > 1) {
    checkpoint.copy_rows_bf16(tensor, first, count, halves);
    return;
  }
  floats.resize(count * tensor.columns());
  checkpoint.read_rows_f32(tensor, first, count, floats.data());
  round_all(floats, halves);
}

// All elements of the tensor in the type of the precision, read by several threads.
void read_elements(const Checkpoint& checkpoint, const TensorView& tensor, Precision precision, uint8_t* to) {
  const int64_t step = std::max<int64_t>(1, kChunkElements / tensor.columns());
  const int64_t row_bytes = tensor.columns() * (precision == Precision::kFloat32 ? 4 : 2);
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  const auto work = [&] {
    std::vector<float> floats;
    try {
      for (int64_t first = step * next++; first < tensor.rows(); first = step * next++) {
        const int64_t count = std::min(step, tensor.rows() - first);
        read_chunk(checkpoint, tensor, precision, first, count, to + first * row_bytes, floats);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
      next = tensor.rows();
    }
  };
  const int64_t chunks = (tensor.rows() + step - 1) / step;
  const int64_t threads = std::min<int64_t>(chunks, std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads));
  std::vector<std::jthread> helpers;
  for (int64_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

std::unique_ptr<PackedWeight> WeightLoader::pack(const std::vector<std::string>& names) {
  HostMatrix matrix;
  for (const std::string& name : names) matrix.n += checkpoint_.tensor(name).rows();
  matrix.k = checkpoint_.tensor(names.front()).columns();
  matrix.is_bfloat16 = ops_.precision() == Precision::kBFloat16;
  host_.resize(std::max<size_t>(host_.size(), matrix.n * matrix.k * ops_.act_bytes()));
  uint8_t* to = host_.data();
  for (const std::string& name : names) {
    const TensorView& tensor = checkpoint_.tensor(name);
    read_elements(checkpoint_, tensor, ops_.precision(), to);
    to += tensor.elements() * ops_.act_bytes();
  }
  matrix.data = host_.data();
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
  const size_t bytes = tensor.elements() * ops_.act_bytes();
  host_.resize(std::max(host_.size(), bytes));
  read_elements(checkpoint_, tensor, ops_.precision(), host_.data());
  auto buffer = ops_.allocate(bytes);
  ops_.upload(buffer->data(), host_.data(), bytes);
  return buffer;
}

}  // namespace assay
