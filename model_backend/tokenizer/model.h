// The part of a tokenizer that knows the vocabulary: turns one piece of pre-tokenised text into ids.
#pragma once

#include <string_view>
#include <vector>

#include "model_backend/tokenizer/vocab.h"

namespace assay {

// Immutable; any thread may encode.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `piece`, valid UTF-8 and not empty. The result depends on the piece alone.
  virtual void encode(std::string_view piece, std::vector<TokenId>& out) const = 0;
  virtual const Vocab& vocab() const = 0;
};

}  // namespace assay
