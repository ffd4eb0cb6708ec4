#include "model_backend/engine/planned_requests.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "core/hash.h"
#include "model_backend/engine/encode.h"

namespace assay {
namespace {

// Requests encoded at a time: enough for all threads, few enough that their whole token lists are soon in the tree.
constexpr size_t kEncodeGroup = 1024;

// `memories`: one for each thread.
std::vector<EncodedRequest> encode_group(const Tokenizer& tokenizer, std::span<const Request> requests,
                                         int context_length, std::span<EncodeMemory> memories) {
  std::vector<EncodedRequest> encoded(requests.size());
  std::atomic<size_t> next = 0;
  const auto work = [&](EncodeMemory& memory) {
    for (size_t i = next++; i < requests.size(); i = next++) {
      encoded[i] = encode_request(tokenizer, requests[i], context_length, memory);
    }
  };
  std::vector<std::jthread> helpers;
  for (size_t i = 1; i < memories.size() && i < requests.size(); ++i) helpers.emplace_back(work, std::ref(memories[i]));
  work(memories.front());
  helpers.clear();
  return encoded;
}

uint64_t sampling_key(const Request& request) {
  return stable_hash(0, request.context);
}

class Planner {
 public:
  explicit Planner(size_t requests) { planned_.open.resize(requests); }

  void add(size_t index, const Request& request, EncodedRequest&& encoded) {
    PlannedRequests::Open& open = planned_.open[index];
    open.response.status = encoded.status;
    open.response.detail = std::move(encoded.detail);
    open.response.prompt_tokens = encoded.prompt_tokens;
    open.response.truncated = encoded.truncated;
    if (encoded.status != ResponseStatus::kAnswered) return;
    open.response.continuations = std::move(encoded.continuations);
    for (const ScoredTokens& scored : encoded.scored) {
      builder_.add(scored.tokens, scored.first_read, scored.last_target);
      const int reads = static_cast<int>(scored.tokens.size()) - scored.first_read;
      planned_.asked.push_back({index, scored.continuation, reads});
      ++open.sequences_left;
    }
    if (request.kind == RequestKind::kGenerate) add_texts(index, request, encoded);
  }

  PlannedRequests finish() {
    planned_.plan = std::make_shared<const Plan>(builder_.finish());
    planned_.tree_tokens += planned_.plan->tree_tokens();
    planned_.requested_tokens += planned_.plan->requested_tokens();
    return std::move(planned_);
  }

 private:
  void add_texts(size_t index, const Request& request, const EncodedRequest& encoded) {
    PlannedRequests::Open& open = planned_.open[index];
    const int samples = request.generate.samples;
    const int shared = static_cast<int>(encoded.prompt.size()) - 1;
    builder_.add({encoded.prompt.data(), static_cast<size_t>(shared)}, shared, 0);
    planned_.asked.push_back({index, 0, 0});
    open.max_tokens = encoded.max_tokens;
    open.last_prompt_token = encoded.prompt.back();
    open.sampling_key = sampling_key(request);
    open.response.texts.resize(static_cast<size_t>(samples));
    open.sequences_left = open.max_tokens > 0 ? samples : 0;
    if (open.max_tokens == 0) {
      for (GeneratedText& text : open.response.texts) text.finish = FinishReason::kLength;
    }
    // Each text reads the last prompt token itself, and one by one each would read the rest too.
    planned_.tree_tokens += open.sequences_left;
    planned_.requested_tokens += open.sequences_left + int64_t{shared} * std::max(0, open.sequences_left - 1);
  }

  PlanBuilder builder_;
  PlannedRequests planned_;
};

}  // namespace

PlannedRequests plan_requests(const Tokenizer& tokenizer, int context_length, int threads,
                              std::span<const Request> requests, const std::function<bool()>& keep_going) {
  Planner planner(requests.size());
  std::vector<EncodeMemory> memories(static_cast<size_t>(std::max(1, threads)));
  for (size_t first = 0; first < requests.size() && keep_going(); first += kEncodeGroup) {
    const auto group = requests.subspan(first, std::min(kEncodeGroup, requests.size() - first));
    auto encoded = encode_group(tokenizer, group, context_length, memories);
    for (size_t i = 0; i < encoded.size(); ++i) planner.add(first + i, group[i], std::move(encoded[i]));
  }
  return planner.finish();
}

}  // namespace assay
