// Requests as token ids: what the model reads, and at which positions it is asked. By the rules of
// lm-evaluation-harness wherever it has one, so that scores agree with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/records.h"
#include "model_backend/tokenizer/encode_memory.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

// Input tokens of which some positions are asked: at position i of [first_read, tokens.size()) for tokens[i + 1], at
// the last one for last_target.
struct ScoredTokens {
  std::vector<int32_t> tokens;
  int first_read = 0;
  int32_t last_target = 0;
  int continuation = 0;  // which of the request's continuations it belongs to; a rolling text has only number 0
};

struct EncodedRequest {
  // kAnswered: to be computed. Else the response is ready: status and detail say why.
  ResponseStatus status = ResponseStatus::kAnswered;
  std::string detail;
  int prompt_tokens = 0;
  bool truncated = false;
  std::vector<ScoredTokens> scored;              // kLoglikelihood, kRolling; none for an empty text
  std::vector<ContinuationScore> continuations;  // sizes filled in, log-probabilities 0
  std::vector<int32_t> prompt;                   // kGenerate: at least one token
  int max_tokens = 0;                            // kGenerate: no more than fits the context
};

// Pure, whatever `memory` (one thread's) holds; any thread. A text that the tokenizer can't encode makes a kFailed
// request.
//   loglikelihood  input = (context + continuation) without its last token; longer than the context length: cut from
//                  the left where the request says so, else kTooLong. A continuation that alone is longer is kTooLong.
//   rolling        disjoint windows of the context length; the first begins with BOS (else EOS), the later ones with
//                  one token of what came before, the last one with as much of it as fits.
//   generate       context + max_tokens longer than the context length: the context is cut from the left where the
//                  request says so; else fewer tokens are generated; kTooLong when not one fits.
EncodedRequest encode_request(const Tokenizer& tokenizer, const Request& request, int context_length,
                              EncodeMemory& memory);

}  // namespace assay
