#include "model_backend/engine/encode.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/pair.h"

namespace assay {
namespace {

EncodedRequest unanswered(ResponseStatus status, std::string detail) {
  EncodedRequest request;
  request.status = status;
  request.detail = std::move(detail);
  return request;
}

EncodedRequest too_long(size_t tokens, int context_length) {
  return unanswered(ResponseStatus::kTooLong,
                    std::to_string(tokens) + " tokens, the model's context has " + std::to_string(context_length));
}

EncodedRequest no_prefix() {
  return unanswered(ResponseStatus::kFailed, "the tokenizer has no BOS or EOS to stand for an empty context");
}

ContinuationScore sized(std::string_view text, int tokens) {
  ContinuationScore score;
  score.tokens = tokens;
  score.bytes = static_cast<int64_t>(text.size());
  score.characters = static_cast<int64_t>(count_code_points(text));
  score.is_greedy = true;
  return score;
}

EncodedRequest encode_loglikelihood(const Tokenizer& tokenizer, const Request& request, int context_length,
                                    EncodeMemory& memory) {
  EncodedRequest encoded;
  std::vector<EncodedPair> pairs = encode_pairs(tokenizer, request.context, request.continuations, memory);
  for (size_t i = 0; i < request.continuations.size(); ++i) {
    EncodedPair& pair = pairs[i];
    if (pair.context.empty()) return no_prefix();
    const int asked = static_cast<int>(pair.continuation.size());
    encoded.prompt_tokens = std::max(encoded.prompt_tokens, static_cast<int>(pair.context.size()));
    encoded.continuations.push_back(sized(request.continuations[i], asked));
    if (asked == 0) continue;

    ScoredTokens scored;
    scored.continuation = static_cast<int>(i);
    scored.last_target = pair.continuation.back();
    scored.tokens = std::move(pair.context);
    scored.tokens.insert(scored.tokens.end(), pair.continuation.begin(), pair.continuation.end() - 1);
    const int excess = static_cast<int>(scored.tokens.size()) - context_length;
    if (excess > 0) {
      if (!request.truncate_left || asked > context_length) return too_long(scored.tokens.size(), context_length);
      scored.tokens.erase(scored.tokens.begin(), scored.tokens.begin() + excess);
      encoded.truncated = true;
    }
    scored.first_read = static_cast<int>(scored.tokens.size()) - asked;
    encoded.scored.push_back(std::move(scored));
  }
  return encoded;
}

EncodedRequest encode_rolling(const Tokenizer& tokenizer, const Request& request, int context_length,
                              EncodeMemory& memory) {
  const auto prefix = prefix_token(tokenizer);
  if (!prefix) return no_prefix();
  const std::vector<TokenId> tokens = tokenizer.encode(request.text, memory);
  const int total = static_cast<int>(tokens.size());
  EncodedRequest encoded;
  encoded.prompt_tokens = total;
  encoded.continuations.push_back(sized(request.text, total));
  for (int done = 0; done < total;) {
    const int end = std::min(total, done + context_length);
    ScoredTokens window;
    // The token before position `begin` is the first input; for the first window that is the prefix.
    const int begin = done == 0 ? 0 : std::max(0, end - context_length);
    window.tokens.push_back(begin == 0 ? *prefix : tokens[begin - 1]);
    window.tokens.insert(window.tokens.end(), tokens.begin() + begin, tokens.begin() + end - 1);
    window.first_read = done - begin;
    window.last_target = tokens[end - 1];
    encoded.scored.push_back(std::move(window));
    done = end;
  }
  return encoded;
}

EncodedRequest encode_generate(const Tokenizer& tokenizer, const Request& request, int context_length,
                               EncodeMemory& memory) {
  EncodedRequest encoded;
  encoded.prompt = encode_context(tokenizer, request.context, memory);
  if (encoded.prompt.empty()) {
    const auto prefix = prefix_token(tokenizer);
    if (!prefix) return no_prefix();
    encoded.prompt.push_back(*prefix);
  }
  const int room = context_length - request.generate.max_tokens;
  const int length = static_cast<int>(encoded.prompt.size());
  if (length > room && room > 0 && request.truncate_left) {
    encoded.prompt.erase(encoded.prompt.begin(), encoded.prompt.end() - room);
    encoded.truncated = true;
  } else if (length >= context_length) {
    return too_long(encoded.prompt.size() + 1, context_length);
  }
  encoded.prompt_tokens = static_cast<int>(encoded.prompt.size());
  encoded.max_tokens = std::min(request.generate.max_tokens, context_length - encoded.prompt_tokens);
  return encoded;
}

}  // namespace

EncodedRequest encode_request(const Tokenizer& tokenizer, const Request& request, int context_length,
                              EncodeMemory& memory) try {
  switch (request.kind) {
    case RequestKind::kLoglikelihood:
      return encode_loglikelihood(tokenizer, request, context_length, memory);
    case RequestKind::kRolling:
      return encode_rolling(tokenizer, request, context_length, memory);
    case RequestKind::kGenerate:
      return encode_generate(tokenizer, request, context_length, memory);
    case RequestKind::kChat:
      break;
  }
  ASSAY_ASSERT(false, "chat requests are rendered before they reach a backend");
} catch (const Error& error) {
  return unanswered(ResponseStatus::kFailed, error.what());
}

}  // namespace assay
