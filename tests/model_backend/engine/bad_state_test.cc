// States that are not finite: who fails, and who does not.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>

#include "model_backend/engine/run.h"
#include "tests/support.h"

namespace assay {
namespace {

// A model without weights: the state of every row whose token is `broken` is not finite, from layer 3 on; the head says
// token 5 with log-probability -1.
class BreakingModel final : public Model {
 public:
  explicit BreakingModel(int32_t broken) : broken_(broken) {}
  ModelCost cost() const override { return {}; }
  int vocab() const override { return 256; }
  int layers() const override { return 1; }
  int64_t kv_width() const override { return 2; }
  bool forward(const Batch& batch, KvCache&, const std::function<bool()>&) override {
    bad_layers_.clear();
    for (int32_t token : batch.tokens) bad_layers_.push_back(token == broken_ ? 3 : -1);
    return true;
  }
  std::span<const int32_t> bad_layers() const override { return bad_layers_; }
  void read(std::span<const int32_t>, std::span<const HeadRead> reads, HeadAnswer* answers) override {
    std::fill_n(answers, reads.size(), HeadAnswer{-1.0f, 5});
  }
  void logits(std::span<const int32_t> rows, float* logits) override { std::fill_n(logits, rows.size() * 256, 0.0f); }

 private:
  int32_t broken_;
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

}  // namespace

TEST_CASE("a state that is not finite fails the requests that see it and no other") {
  const std::string folder = std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00040";
  const auto tokenizer = load_tokenizer(folder);
  const std::vector<int> broken = tokenizer->encode("#");
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
    auto ops = make_cpu_ops(Precision::kFloat32, 1);
    BreakingModel model(broken.back());
    Keeper keeper;
    keeper.responses.resize(requests.size());
    RunSettings settings;
    settings.context_length = 512;
    settings.batch_tokens = batch_tokens;
    settings.kv_bytes = 1 << 20;
    const std::atomic<bool> cancelled = false;
    Run(*ops, model, *tokenizer, settings, requests, keeper, cancelled).answer_all();
    for (size_t i = 0; i < requests.size(); ++i) {
      INFO("request " << i << ", " << batch_tokens << " rows a pass");
      const Response& response = keeper.responses[i];
      CHECK((response.status == ResponseStatus::kFailed) == fails[i]);
      if (fails[i]) CHECK(response.detail.find("after layer 3") != std::string::npos);
    }
    CHECK(keeper.responses[6].texts.at(0).tokens == 3);
    CHECK(keeper.responses[0].continuations.at(0).logprob == -1.0 * keeper.responses[0].continuations.at(0).tokens);
  }
}

}  // namespace assay
