// One binary for every processor: the kernels of each instruction set that this machine can run give the scores of the
// widest one within rounding. oneDNN's lower targets: tests/harness/run_test.cc.
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "model_backend/engine/cpu/targets.h"
#include "model_backend/engine/engine_backend.h"
#include "tests/support.h"

#include <hwy/highway.h>

namespace assay {
namespace {

class Keeper final : public ResponseSink {
 public:
  void deliver(size_t index, Response response) override { responses.at(index) = std::move(response); }
  void progress(const RunStats&) override {}
  std::vector<Response> responses;
};

std::vector<Request> sentences() {
  std::vector<Request> requests;
  for (const char* context : {"Mara keeps a goat.", "The first row of the table shows", "Who wrote this, and when?"}) {
    Request request;
    request.context = context;
    request.continuations = {" It is old.", " Nobody knows.", " A"};
    requests.push_back(request);
  }
  Request rolling;
  rolling.kind = RequestKind::kRolling;
  for (int i = 0; i < 4; ++i) rolling.text += "Line " + std::to_string(i) + " of a longer text. ";
  requests.push_back(rolling);
  return requests;
}

// All log-probabilities of the sentences, and what the backend says of its numerics.
std::vector<double> scores(const char* dtype, std::string* numerics) {
  BackendOptions options;
  options.dtype = dtype;
  options.threads = 2;
  auto backend = open_engine_backend(std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00300", options);
  *numerics = backend->info().numerics;
  const std::vector<Request> requests = sentences();
  Keeper keeper;
  keeper.responses.resize(requests.size());
  const std::atomic<bool> cancelled = false;
  backend->answer(requests, keeper, cancelled);
  std::vector<double> all;
  for (const Response& response : keeper.responses) {
    CHECK(response.status == ResponseStatus::kAnswered);
    for (const ContinuationScore& score : response.continuations) all.push_back(score.logprob);
  }
  return all;
}

// 0: all that there are.
void use_targets(int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

TEST_CASE("every instruction set that this machine has gives the same scores within rounding") {
  for (const char* dtype : {"float32", "bfloat16"}) {
    std::string numerics;
    const std::vector<double> widest = scores(dtype, &numerics);
    REQUIRE(widest.size() == 10);
    std::set<std::string> seen = {numerics};
    for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
      use_targets(target);
      const std::vector<double> narrow = scores(dtype, &numerics);
      use_targets(0);
      seen.insert(numerics);
      REQUIRE(narrow.size() == widest.size());
      for (size_t i = 0; i < widest.size(); ++i) {
        INFO(dtype << ", " << hwy::TargetName(target) << ", score " << i << ": " << narrow[i] << " and " << widest[i]);
        const double allowed = std::string(dtype) == "float32" ? 1e-4 : 0.02;
        CHECK(std::abs(narrow[i] - widest[i]) <= allowed * std::abs(widest[i]) + allowed);
      }
    }
    INFO("instruction sets seen: " << seen.size());
    CHECK(seen.size() >= 2);
  }
}

}  // namespace assay
