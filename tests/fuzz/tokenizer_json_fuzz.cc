// tokenizer.json: any bytes are a tokenizer or an Error. The first byte says how many bytes of the input are the text
// to encode with the result.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "model_backend/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string_view text = input.substr(0, data[0]);
  try {
    auto tokenizer = assay::make_tokenizer(input.substr(text.size()), "", "fuzz");
    auto ids = tokenizer->encode_with_special(text);
    tokenizer->decode(ids, true);
    for (auto id : ids) tokenizer->token_bytes(id);
  } catch (const assay::Error&) {
  }
  return 0;
}
