// Checkpoints of real shapes with random weights, for benchmarks: speed does not depend on what a weight says.
#pragma once

#include <cstdint>
#include <string>

namespace assay::bench {

struct Shape {
  std::string name;
  int hidden = 0, layers = 0, intermediate = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;
  int vocab = 0, context = 0;
  bool tied_head = true;
  int64_t q_width() const { return int64_t{heads} * head_dim; }
  int64_t kv_width() const { return int64_t{kv_heads} * head_dim; }
  int64_t body_weights() const;  // every weight matrix but the embedding and the output head
};

// "135m" (SmolLM2-135M) or "1b" (hidden 2048, 22 layers, 32 / 4 heads). Throws Error(kInput) for another name.
Shape shape_named(const std::string& name);

// config.json and model.safetensors (bfloat16, the same values for the same shape) in a folder under the system's
// temporary folder, which is removed with this object.
class RandomCheckpoint {
 public:
  // Throws Error(kWorld) when the folder can't be written.
  explicit RandomCheckpoint(const Shape& shape);
  ~RandomCheckpoint();
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace assay::bench
