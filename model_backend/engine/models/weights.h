// From a checkpoint's tensors to device memory, for model files. One tensor at a time: beside the weights already on
// the device never more than one matrix is held.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/engine/ops.h"

namespace assay {

class WeightLoader {
 public:
  // Both must outlive this.
  WeightLoader(Ops& ops, const Checkpoint& checkpoint) : ops_(ops), checkpoint_(checkpoint) {}

  // Matrices with equal inputs, stacked: outputs of the first come first.
  std::unique_ptr<PackedWeight> pack(const std::vector<std::string>& names);
  // Vectors end to end, as float.
  std::unique_ptr<DeviceBuffer> floats(const std::vector<std::string>& names);
  // A matrix by rows in the activation type, for embed().
  std::unique_ptr<DeviceBuffer> table(const std::string& name);

 private:
  Ops& ops_;
  const Checkpoint& checkpoint_;
  std::vector<uint8_t> host_;  // of the matrix that is being packed: made once, for the largest
};

}  // namespace assay
