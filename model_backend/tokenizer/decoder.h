// The way back: token texts -> text. Steps of tokenizer.json that are understood: Sequence, ByteLevel, ByteFallback,
// Fuse, Replace, Strip, Metaspace, BPEDecoder, WordPiece.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "model_backend/tokenizer/pattern.h"

namespace assay {

class Decoder {
 public:
  struct Step {
    std::function<void(std::vector<std::string>&)> apply;
    // What the step makes of one token in the middle of a text, in bytes; null: leaves it.
    std::function<std::string(std::string)> raw;
  };

  void add(Step step) { steps_.push_back(std::move(step)); }
  // Bytes that are not UTF-8 become U+FFFD. Without steps the tokens are joined by spaces.
  std::string decode(std::vector<std::string> tokens) const;
  // The bytes that one token adds to a text; may be a part of a UTF-8 sequence.
  std::string token_bytes(std::string token) const;

 private:
  std::vector<Step> steps_;
};

Decoder::Step byte_level_decoder();
Decoder::Step byte_fallback_decoder();
Decoder::Step fuse_decoder();
Decoder::Step replace_decoder(Pattern pattern, std::string content);
// Takes up to `start` copies of `content` from the front of each token and up to `stop` from its end.
Decoder::Step strip_decoder(std::string content, size_t start, size_t stop);

// `json` may be null: no steps. Throws Error(kInput) headed by `where`; a type that is not understood is refused by
// name.
Decoder read_decoder(const Json& json, const std::string& where);

}  // namespace assay
