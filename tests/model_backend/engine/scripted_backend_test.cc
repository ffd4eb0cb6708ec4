#include "model_backend/scripted_backend.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {
namespace {

class Keeper final : public ResponseSink {
 public:
  void deliver(size_t index, Response response) override {
    CHECK(index == responses.size());
    responses.push_back(std::move(response));
  }
  void progress(const RunStats&) override {}
  std::vector<Response> responses;
};

std::vector<Response> ask(const std::string& script, const std::vector<Request>& requests) {
  testing::TemporaryFolder folder;
  auto backend = open_backend("scripted:" + folder.write("script.json", script), {});
  Keeper keeper;
  const std::atomic<bool> cancelled = false;
  backend->answer(requests, keeper, cancelled);
  return keeper.responses;
}

Request options(const std::string& context) {
  Request request;
  request.context = context;
  request.continuations = {" A", " B b", " C"};
  return request;
}

Request question(const std::string& context) {
  Request request;
  request.kind = RequestKind::kGenerate;
  request.context = context;
  request.generate.stop = {"\n\n"};
  return request;
}

}  // namespace

TEST_CASE("scripted log-likelihoods are stable, gold first or constant") {
  const auto hashed = ask("{}", {options("x"), options("x"), options("y")});
  CHECK(hashed[0].continuations[1].logprob == hashed[1].continuations[1].logprob);
  CHECK(hashed[0].continuations[1].logprob != hashed[2].continuations[1].logprob);
  CHECK(hashed[0].continuations[1].tokens == 2);
  CHECK(hashed[0].continuations[1].bytes == 4);
  const auto gold = ask(R"({"loglikelihood": "gold-first"})", {options("x")});
  CHECK(gold[0].continuations[0].logprob > gold[0].continuations[1].logprob);
  CHECK(gold[0].continuations[0].is_greedy);
  CHECK(ask(R"({"loglikelihood": -2})", {options("x")})[0].continuations[1].logprob == -4);
}

TEST_CASE("scripted texts follow the rules, stop strings and the budget") {
  const std::string script = R"({"generate": [{"match": "2+2", "text": "It is 4\n\nQ: next"},
                                              {"match": "test/7", "text": "by id"}], "default": "no idea at all"})";
  Request by_id = question("unknown"), short_one = question("?");
  by_id.item_id = "test/7";
  short_one.generate.max_tokens = 2;
  const auto responses = ask(script, {question("2+2?"), by_id, short_one});
  CHECK(responses[0].texts[0].text == "It is 4");
  CHECK(responses[0].texts[0].finish == FinishReason::kStop);
  CHECK(responses[1].texts[0].text == "by id");
  CHECK(responses[2].texts[0].text == "no idea");
  CHECK(responses[2].texts[0].finish == FinishReason::kLength);
}

TEST_CASE("a scripted backend fails when told, and refuses what it does not know") {
  CHECK_THAT(testing::error_of([] {
               ask(R"({"fail_after": 1})", {options("a"), options("b")});
             }),
             Catch::Contains("scripted backend"));
  CHECK_THAT(testing::error_of([] { ask(R"({"delay": 1})", {}); }), Catch::Contains("delay"));
  CHECK_THAT(testing::error_of([] { ask(R"({"loglikelihood": "best"})", {}); }), Catch::Contains("loglikelihood"));
  CHECK(ask(R"({"context_length": 2})", {options("one two three")})[0].status == ResponseStatus::kTooLong);
}

}  // namespace assay
