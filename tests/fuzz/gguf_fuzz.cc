// Any bytes as a GGUF file: metadata of every kind and the configuration are read, only Error may come out.
#include <cstdint>
#include <string>

#include "core/error.h"
#include "model_backend/checkpoint/gguf.h"
#include "model_backend/checkpoint/gguf_config.h"

namespace {

template <typename Read>
void allow_error(Read&& read) {
  try {
    read();
  } catch (const assay::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_error([&] {
    assay::GgufFile file = assay::GgufFile::view({data, size}, "fuzz.gguf");
    for (const char* key : {"general.architecture", "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "a"}) {
      allow_error([&] { file.text(key); });
      allow_error([&] { file.integer(key); });
      allow_error([&] { file.number(key); });
      allow_error([&] { file.boolean(key); });
      allow_error([&] { file.texts(key); });
      allow_error([&] { file.integers(key); });
      allow_error([&] { file.numbers(key); });
    }
    allow_error([&] { assay::read_gguf_config(file); });
  });
  return 0;
}
