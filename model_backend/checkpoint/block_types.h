// From stored elements to float: plain types and GGUF's block types. Layouts stand at the top of block_types.cc.
#pragma once

#include <cstddef>

#include "model_backend/checkpoint/dtype.h"

namespace assay {

// Converts `elements` stored elements to float.
//   blocks  bytes_for(dtype, elements) bytes, any alignment, little-endian
//   out     [elements]
// Pure; any thread. Not-a-number and infinite values pass through: the caller checks them.
// Precondition: `elements` is a multiple of block_elements(dtype).
void dequantize(DType dtype, const void* blocks, size_t elements, float* out);

}  // namespace assay
