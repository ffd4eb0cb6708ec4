// Context and continuation as tokens, by the rule of lm-evaluation-harness, so that scores agree with it:
//
//   - white space at the end of the context goes to the front of the continuation;
//   - context tokens = encode(context); continuation tokens = encode(context + continuation) from there on;
//   - BOS comes first where the checkpoint wants it (Tokenizer::add_bos), unless the text already begins with it;
//   - an empty context is one prefix token, BOS or else EOS; a continuation that itself begins with that token gives it
//   up
//     to the context.
//
// Where a token spans the join, the slice is still taken by length, as the harness does. When that leaves nothing of a
// continuation that is not empty, where the harness would stop, the continuation is encoded on its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/encode_memory.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

struct EncodedPair {
  std::vector<TokenId> context;       // at least one token, if the tokenizer has a BOS or EOS or the context has text
  std::vector<TokenId> continuation;  // empty only for an empty continuation
  // A token spans the join: the tokens of both together do not begin with those of the context.
  bool joined = false;
};

EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context, std::string_view continuation);

// The same for each of several continuations of one context, which is encoded once.
std::vector<EncodedPair> encode_pairs(const Tokenizer& tokenizer, std::string_view context,
                                      const std::vector<std::string>& continuations, EncodeMemory& memory);

// A text that the model continues, or whose own likelihood is asked: encode, and BOS by the rule above. EOS is never
// added.
std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view text);
std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view text, EncodeMemory& memory);

// The token that stands for an empty context: BOS, else EOS, else none.
std::optional<TokenId> prefix_token(const Tokenizer& tokenizer);

}  // namespace assay
