// Exactness: 2,000 mixed requests on a bundled checkpoint under every setting that must not matter.
#include "harness/selfcheck.h"

#include <catch2/catch.hpp>
#include <set>

namespace assay {

TEST_CASE("2000 mixed requests get the same bits under every setting, in both precisions") {
  const std::string model = std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00300";
  for (const char* dtype : {"float32", "bfloat16"}) {
    BackendOptions options;
    options.dtype = dtype;
    options.threads = 2;
    std::set<std::string> settings;
    const std::atomic<bool> cancelled = false;
    selfcheck(
        model, options, {2000, 24, 100},
        [&](const SelfcheckResult& result) {
          INFO(result.setting << ": " << result.difference);
          CHECK(result.equal);
          CHECK(result.requests >= 100);
          settings.insert(result.setting);
        },
        cancelled);
    CHECK(settings.size() >= 8);
  }
}

TEST_CASE("self-check requests are of every kind, share their beginnings, and are the same each time") {
  const auto requests = selfcheck_requests(500, 3, 60);
  int kinds[4] = {}, sampled = 0, greedy = 0;
  std::set<std::string> heads;
  for (const Request& request : requests) {
    ++kinds[static_cast<int>(request.kind)];
    if (request.kind == RequestKind::kGenerate) ++(request.generate.temperature > 0 ? sampled : greedy);
    if (request.kind == RequestKind::kLoglikelihood) heads.insert(request.context.substr(0, 60));
  }
  CHECK(kinds[static_cast<int>(RequestKind::kLoglikelihood)] > 200);
  CHECK(kinds[static_cast<int>(RequestKind::kRolling)] > 20);
  CHECK(sampled > 30);
  CHECK(greedy > 30);
  CHECK(heads.size() < 200);
  const auto again = selfcheck_requests(500, 3, 60);
  for (size_t i = 0; i < requests.size(); ++i) REQUIRE(request_hash(requests[i], "") == request_hash(again[i], ""));
}

}  // namespace assay
