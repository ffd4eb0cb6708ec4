// States that are not finite: who fails, and who does not.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>

#include "model_backend/engine/run.h"
#include "tests/support.h"

namespace assay {
namespace {

constexpr int kLayers = 5;

// A model without weights: the state of every row whose token is `broken` is not finite, as `layer` says
// (Model::bad_layers); the head says token 5 with log-probability `logprob`.
class BreakingModel final : public Model {
 public:
  BreakingModel(int32_t broken, int32_t layer, float logprob) : broken_(broken), layer_(layer), logprob_(logprob) {}
  ModelCost cost() const override { return {}; }
  int vocab() const override { return 256; }
  int layers() const override { return kLayers; }
  int64_t kv_width() const override { return 2; }
  bool forward(const Batch& batch, KvCache&, const std::function<bool()>&) override {
    bad_layers_.clear();
    for (int32_t token : batch.tokens) bad_layers_.push_back(token == broken_ ? layer_ : -1);
    return true;
  }
  std::span<const int32_t> bad_layers() const override { return bad_layers_; }
  void read(std::span<const int32_t>, std::span<const HeadRead> reads, HeadAnswer* answers) override {
    std::fill_n(answers, reads.size(), HeadAnswer{logprob_, 5});
  }
  void logits(std::span<const int32_t> rows, float* logits) override { std::fill_n(logits, rows.size() * 256, 0.0f); }

 private:
  int32_t broken_, layer_;
  float logprob_;
  std::vector<int32_t> bad_layers_;
};

class Keeper final : public ResponseSink {
 public:
  void deliver(size_t index, Response response) override { responses.at(index) = std::move(response); }
  void progress(const RunStats&) override {}
  std::vector<Response> responses;
};

Request scored(const std::string& context, const std::string& continuation) {
  Request request;
  request.context = context;
  request.continuations = {continuation};
  return request;
}

Request generated(const std::string& context) {
  Request request;
  request.kind = RequestKind::kGenerate;
  request.context = context;
  request.generate.max_tokens = 3;
  return request;
}

// What becomes of the requests where every row of token "#" is broken so.
std::vector<Response> answered(const std::vector<Request>& requests, int batch_tokens, int32_t layer,
                               float logprob = -1) {
  const auto tokenizer = load_tokenizer(std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00040");
  auto ops = make_cpu_ops(Precision::kFloat32, 1);
  BreakingModel model(tokenizer->encode("#").back(), layer, logprob);
  Keeper keeper;
  keeper.responses.resize(requests.size());
  RunSettings settings;
  settings.context_length = 512;
  settings.batch_tokens = batch_tokens;
  settings.kv_bytes = 1 << 20;
  const std::atomic<bool> cancelled = false;
  Run(*ops, model, *tokenizer, settings, requests, keeper, cancelled).answer_all();
  return keeper.responses;
}

}  // namespace

TEST_CASE("a state that is not finite fails the requests that see it and no other") {
  const std::vector<Request> requests = {
      scored("Mara keeps a goat.", " It is old."),            // 0: never meets it
      scored("Mara keeps a # goat.", " It is old."),          // 1: in its context
      scored("Mara keeps a # goat.", " It is young."),        // 2: shares that context
      scored("Mara keeps a", " goat."),                       // 3: shares only what comes before it
      scored("Mara keeps a", " #"),                           // 4: asks for it, but never reads it
      generated("Mara keeps a # goat"),                       // 5: prompt with it
      generated("Mara keeps a"),                              // 6: prompt without
      scored("Mara keeps a # goat. It", " is gone by now."),  // 7: far below it
  };
  const bool fails[] = {false, true, true, false, false, true, false, true};
  for (int batch_tokens : {1, 3, 512}) {
    const std::vector<Response> responses = answered(requests, batch_tokens, 3);
    for (size_t i = 0; i < requests.size(); ++i) {
      INFO("request " << i << ", " << batch_tokens << " rows a pass");
      const Response& response = responses[i];
      CHECK((response.status == ResponseStatus::kFailed) == fails[i]);
      if (fails[i]) CHECK(response.detail.find("after layer 3") != std::string::npos);
    }
    CHECK(responses[6].texts.at(0).tokens == 3);
    CHECK(responses[0].continuations.at(0).logprob == -1.0 * responses[0].continuations.at(0).tokens);
  }
}

TEST_CASE("what the last layer makes of a row fails those who read it, and nobody who only sees it") {
  const std::vector<Request> requests = {
      scored("Mara keeps a #", " goat."),             // 0: reads the row
      generated("Mara keeps a #"),                    // 1: reads the row
      scored("Mara keeps a # goat.", " It is old."),  // 2: sees it
      generated("Mara keeps a # goat"),               // 3: sees it
  };
  for (int batch_tokens : {1, 3, 512}) {
    const std::vector<Response> responses = answered(requests, batch_tokens, kLayers);
    for (const Response& response : {responses[0], responses[1]}) {
      CHECK(response.status == ResponseStatus::kFailed);
      CHECK(response.detail.find("after layer 4") != std::string::npos);
    }
    CHECK(responses[2].status == ResponseStatus::kAnswered);
    CHECK(responses[3].status == ResponseStatus::kAnswered);
  }
}

TEST_CASE("log-probabilities that are not finite are no answers") {
  const std::vector<Request> requests = {scored("Mara keeps a", " goat."), generated("Mara keeps a")};
  for (const float logprob : {NAN, -INFINITY}) {
    for (const Response& response : answered(requests, 512, -1, logprob)) {
      CHECK(response.status == ResponseStatus::kFailed);
      CHECK(response.detail.find("output head") != std::string::npos);
    }
  }
}

}  // namespace assay
