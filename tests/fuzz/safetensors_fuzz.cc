// Any bytes as a safetensors file: only Error may come out, and every span that comes out lies inside the input.
#include <cstdint>
#include <cstdlib>

#include "core/error.h"
#include "model_backend/checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    assay::SafetensorsFile file = assay::SafetensorsFile::view({data, size}, "fuzz.safetensors");
    for (const assay::SafetensorsTensor& tensor : file.tensors()) {
      if (tensor.bytes.data() < data || tensor.bytes.data() + tensor.bytes.size() > data + size) std::abort();
    }
  } catch (const assay::Error&) {
  }
  return 0;
}
