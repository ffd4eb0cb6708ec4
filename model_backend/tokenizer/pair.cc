#include "model_backend/tokenizer/pair.h"

#include <algorithm>

#include "core/text.h"

namespace assay {
namespace {

EncodedPair encode_after_prefix(const Tokenizer& tokenizer, std::string_view continuation, EncodeMemory& memory) {
  EncodedPair pair;
  pair.continuation = encode_context(tokenizer, continuation, memory);
  auto prefix = prefix_token(tokenizer);
  if (!prefix) return pair;
  pair.context = {*prefix};
  if (!pair.continuation.empty() && pair.continuation.front() == *prefix) {
    pair.continuation.erase(pair.continuation.begin());
  }
  return pair;
}

}  // namespace

std::optional<TokenId> prefix_token(const Tokenizer& tokenizer) {
  return tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
}

std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view text) {
  EncodeMemory memory;
  return encode_context(tokenizer, text, memory);
}

std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view text, EncodeMemory& memory) {
  std::vector<TokenId> ids = tokenizer.encode(text, memory);
  if (tokenizer.add_bos() && !starts_with(text, tokenizer.bos_text())) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context, std::string_view continuation) {
  EncodeMemory memory;
  return encode_pairs(tokenizer, context, {std::string(continuation)}, memory).front();
}

std::vector<EncodedPair> encode_pairs(const Tokenizer& tokenizer, std::string_view context,
                                      const std::vector<std::string>& continuations, EncodeMemory& memory) {
  const std::string_view stem = strip_right(context);
  const std::vector<TokenId> stem_ids = stem.empty() ? std::vector<TokenId>() : encode_context(tokenizer, stem, memory);
  std::vector<EncodedPair> pairs;
  for (const std::string& text : continuations) {
    const std::string both = std::string(context) + text;
    const std::string_view continuation = std::string_view(both).substr(stem.size());
    if (stem.empty()) {
      pairs.push_back(encode_after_prefix(tokenizer, continuation, memory));
      continue;
    }
    EncodedPair& pair = pairs.emplace_back();
    pair.context = stem_ids;
    const std::vector<TokenId> whole = encode_context(tokenizer, both, memory);
    const size_t length = std::min(pair.context.size(), whole.size());
    pair.continuation.assign(whole.begin() + static_cast<ptrdiff_t>(length), whole.end());
    pair.joined =
        pair.context.size() > whole.size() || !std::equal(pair.context.begin(), pair.context.end(), whole.begin());
    if (pair.continuation.empty() && !continuation.empty()) {
      pair.joined = true;
      pair.continuation = tokenizer.encode(continuation, memory);
    }
  }
  return pairs;
}

}  // namespace assay
