// All stages of a tokenizer in their order:
//
//   text -> added tokens cut out -> normaliser -> added tokens again -> pre-tokeniser -> model -> ids   (-> frame)
//   ids -> token texts -> decoder -> text
//
// read_tokenizer_json and read_gguf_vocab build one; tokenizer.h is the face of it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/added_tokens.h"
#include "model_backend/tokenizer/decoder.h"
#include "model_backend/tokenizer/encode_memory.h"
#include "model_backend/tokenizer/model.h"
#include "model_backend/tokenizer/normalizer.h"
#include "model_backend/tokenizer/post_processor.h"
#include "model_backend/tokenizer/pre_tokenizer.h"

namespace assay {

struct Pipeline {
  AddedTokens added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const TokenModel> model;  // never null in a finished pipeline
  SpecialFrame frame;
  Decoder decoder;

  // Bytes that are not UTF-8 are read as U+FFFD. Added nothing: the frame is the caller's.
  std::vector<TokenId> encode(std::string_view text, EncodeMemory& memory) const;
  // Ids without a token are left out.
  std::string decode(std::span<const TokenId> ids, bool skip_special) const;
  // Null for an id without a token.
  const std::string* token_text(TokenId id) const;
  size_t vocab_size() const;  // highest id + 1

 private:
  // Whether the text may be encoded from a place in its middle on (encode_memory.h): nothing but the pre-tokeniser's
  // words and the added tokens decides what becomes of it, and both look only a few bytes beyond.
  bool can_resume(std::string_view text) const;
  void encode_plain(std::string_view text, bool at_start, size_t offset, bool note_places, EncodeMemory& memory) const;
};

}  // namespace assay
