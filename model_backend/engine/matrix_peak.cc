#include "model_backend/engine/matrix_peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace assay {
namespace {

// One product [rows, k] x [k, n], large enough to run for a few milliseconds on any device.
class Product {
 public:
  Product(Ops& ops, int64_t rows, int64_t size) : ops_(ops), rows_(rows), size_(size) {
    const std::vector<float> values(static_cast<size_t>(size * size), 0.01f);
    weight_ = ops.pack({values.data(), false, size, size});
    in_ = ops.allocate(static_cast<size_t>(rows * size) * ops.act_bytes());
    out_ = ops.allocate(static_cast<size_t>(rows * size) * sizeof(float));
    const std::vector<char> zeros(in_->bytes());
    ops.upload(in_->data(), zeros.data(), zeros.size());
  }
  double operations() const { return 2.0 * static_cast<double>(rows_) * static_cast<double>(size_ * size_); }
  double seconds() {
    const auto begin = std::chrono::steady_clock::now();
    ops_.linear(in_->data(), *weight_, nullptr, rows_, static_cast<float*>(out_->data()));
    float last;
    ops_.download(&last, out_->data(), sizeof last);  // waits for the device
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  Ops& ops_;
  int64_t rows_, size_;
  std::unique_ptr<PackedWeight> weight_;
  std::unique_ptr<DeviceBuffer> in_, out_;
};

}  // namespace

double measure_matrix_peak(Ops& ops) {
  constexpr double kLongEnough = 0.004;
  constexpr int64_t kLargest = 8192;
  constexpr int kTries = 6;
  for (int64_t size = 1024;; size *= 2) {
    Product product(ops, size / 3, size);
    product.seconds();  // the first one warms up
    const double once = product.seconds();
    if (once < kLongEnough && size < kLargest) continue;
    double best = once;
    for (int i = 0; i < kTries; ++i) best = std::min(best, product.seconds());
    return product.operations() / best;
  }
}

}  // namespace assay
