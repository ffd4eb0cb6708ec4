// Requests made ready for the engine: tokenised, in one plan, with what each of them is still owed. Depends on the
// requests, the tokenizer and the context length, never on weights: a sweep over checkpoints makes it once.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/records.h"
#include "model_backend/engine/plan.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

struct PlannedRequests {
  // What is left to do for one request, and its response so far.
  struct Open {
    Response response;
    int sequences_left = 0;  // scored sequences and texts; 0: the response is whole
    int max_tokens = 0;
    int32_t last_prompt_token = 0;
    uint64_t sampling_key = 0;
  };
  // The sequence of the plan with the same index: whose it is, what it has read.
  struct Asked {
    size_t request = 0;
    int continuation = 0;
    int reads_left = 0;
  };
  std::vector<Open> open;    // [requests]
  std::vector<Asked> asked;  // [sequences of the plan]
  std::shared_ptr<const Plan> plan;
  int64_t requested_tokens = 0, tree_tokens = 0;
};

// Tokenises on `threads` threads. Stops early when `keep_going` says so; then the requests behind that point are owed
// nothing and must not be answered.
PlannedRequests plan_requests(const Tokenizer& tokenizer, int context_length, int threads,
                              std::span<const Request> requests, const std::function<bool()>& keep_going);

}  // namespace assay
