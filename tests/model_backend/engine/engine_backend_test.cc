// The whole engine on stories260K: goldens, exactness, windows, stop strings, bad input.
#include "model_backend/engine/engine_backend.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <random>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "model_backend/engine/encode.h"
#include "model_backend/engine/memory_check.h"
#include "tests/support.h"

namespace assay {
namespace {

// Keeps responses by index and checks that each came once.
class Keeper final : public ResponseSink {
 public:
  explicit Keeper(size_t count) : responses(count), times(count) {}
  void deliver(size_t index, Response response) override {
    responses.at(index) = std::move(response);
    ++times.at(index);
  }
  void progress(const RunStats&) override {}
  std::vector<Response> responses;
  std::vector<int> times;
};

std::vector<Response> ask(Backend& backend, const std::vector<Request>& requests, RunStats* stats = nullptr) {
  Keeper keeper(requests.size());
  const std::atomic<bool> cancelled = false;
  const RunStats done = backend.answer(requests, keeper, cancelled);
  CHECK(done.requests_done == static_cast<int64_t>(requests.size()));
  for (int times : keeper.times) CHECK(times == 1);
  if (stats) *stats = done;
  return keeper.responses;
}

Request loglikelihood(const std::string& context, const std::vector<std::string>& continuations) {
  Request request;
  request.context = context;
  request.continuations = continuations;
  return request;
}

Request rolling(const std::string& text) {
  Request request;
  request.kind = RequestKind::kRolling;
  request.text = text;
  return request;
}

Request generate(const std::string& context, int max_tokens, std::vector<std::string> stop = {}) {
  Request request;
  request.kind = RequestKind::kGenerate;
  request.context = context;
  request.generate.max_tokens = max_tokens;
  request.generate.stop = std::move(stop);
  return request;
}

std::unique_ptr<Backend> open(const std::string& folder, const std::string& dtype, int threads = 2,
                              int batch_tokens = 0, int64_t kv_bytes = 0) {
  BackendOptions options;
  options.dtype = dtype;
  options.threads = threads;
  options.batch_tokens = batch_tokens;
  options.kv_memory_bytes = kv_bytes;
  return open_engine_backend(folder, options);
}

// Every bit of a response that a user could see.
std::string bits(const Response& response) {
  std::string all = std::string(to_string(response.status)) + response.detail + std::to_string(response.prompt_tokens);
  for (const ContinuationScore& score : response.continuations) {
    all.append(reinterpret_cast<const char*>(&score.logprob), sizeof score.logprob);
    all += std::to_string(score.tokens) + (score.is_greedy ? "g" : "-");
  }
  for (const GeneratedText& text : response.texts) {
    all += text.text + to_string(text.finish) + std::to_string(text.tokens) + "|";
  }
  return all;
}

// A few hundred requests of all kinds: shared beginnings, options, endings, windows, samples.
std::vector<Request> mixed_requests() {
  const std::string shots =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
      "big, red ball. ";
  const char* names[] = {"Tim", "Lily", "Tom", "Anna", "Ben", "the dog"};
  std::vector<Request> all;
  for (int i = 0; i < 60; ++i) {
    const std::string stem = (i % 3 ? shots : "") + names[i % 6] + " went to the " + (i % 4 ? "park" : "shop") +
                             " with " + std::to_string(i / 6) + " friends. ";
    all.push_back(loglikelihood(stem, {" A", " B", " C", " D"}));
    all.push_back(
        loglikelihood(stem + "They", {" were happy.", " were sad and cried.", " saw a big cat in the tree."}));
    all.push_back(rolling(i % 2 ? stem : shots + stem + shots + stem + shots + shots));
    all.push_back(generate(stem, 1 + i % 17, i % 5 ? std::vector<std::string>{} : std::vector<std::string>{".", "n"}));
    Request sampled = generate(stem, 12);
    sampled.generate.temperature = 0.9, sampled.generate.top_p = 0.95, sampled.generate.samples = 3,
    sampled.generate.seed = 5;
    all.push_back(sampled);
  }
  std::string book;
  for (int i = 0; i < 20; ++i) book += shots;
  all.push_back(rolling(book));
  return all;
}

std::optional<std::string> stories() {
  const auto golden = testing::shared_file("models/stories260K/golden.json");
  if (!golden) return std::nullopt;
  return golden->substr(0, golden->rfind('/'));
}

}  // namespace

TEST_CASE("stories260K: log-probabilities are the reference's") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  const Json golden = read_json_file(*folder + "/golden.json");
  for (const Json& row : golden["cases"]) {
    const std::string text = row["text"];
    if (text.empty()) continue;
    INFO(text);
    const auto responses = ask(*backend, {rolling(text)});
    const ContinuationScore& score = responses[0].continuations.at(0);
    CHECK(score.tokens == static_cast<int>(row["token_logprobs"].size()));
    CHECK(score.logprob == Approx(row["sum_logprob"].get<double>()).margin(1e-4));
    CHECK(score.bytes == static_cast<int64_t>(text.size()));

    std::vector<double> logprobs = row["token_logprobs"].get<std::vector<double>>();
    std::sort(logprobs.begin(), logprobs.end());
    const size_t rare = std::max<size_t>(1, logprobs.size() / 5);
    const double sum = std::accumulate(logprobs.begin(), logprobs.begin() + static_cast<ptrdiff_t>(rare), 0.0);
    REQUIRE(score.rarest);
    CHECK(*score.rarest == Approx(sum / static_cast<double>(rare)).margin(1e-4));
  }
}

TEST_CASE("stories260K: greedy texts are the reference's, token by token") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  std::vector<Request> requests;
  const Json cases = read_json_file(*folder + "/golden.json")["cases"];
  for (const Json& row : cases) requests.push_back(generate(row["text"], static_cast<int>(row["greedy_ids"].size())));
  const auto responses = ask(*backend, requests);
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO(cases[i]["text"]);
    const std::string expected = cases[i]["greedy_text"];
    CHECK(strip(responses[i].texts.at(0).text) == strip(expected));
  }
}

TEST_CASE("the same bits alone, in another order, in small batches, with little memory, on one thread") {
  const auto folder = stories();
  if (!folder) return;
  const std::vector<Request> requests = mixed_requests();
  for (const char* dtype : {"float32", "bfloat16"}) {
    INFO(dtype);
    RunStats stats;
    const auto base = ask(*open(*folder, dtype), requests, &stats);
    CHECK(stats.computed_tokens == stats.tree_tokens);
    CHECK(stats.tree_tokens < stats.requested_tokens);

    struct Setting {
      const char* name;
      int threads, batch_tokens;
      int64_t kv_bytes;
      bool shuffled;
    };
    // A slot takes 5 layers * 2 * 32 floats; the longest request has 512 tokens.
    const int64_t slot = 5 * 2 * 32 * (std::string(dtype) == "float32" ? 4 : 2);
    const Setting settings[] = {
        {"one thread", 1, 0, 0, false},
        {"another order", 2, 0, 0, true},
        {"batches of 7 rows", 2, 7, 0, false},
        {"batches of 64 rows, another order", 1, 64, 0, true},
        {"little memory", 2, 0, 513 * slot, false},
        {"little memory, batches of 33", 1, 33, 600 * slot, true},
    };
    for (const Setting& setting : settings) {
      INFO(setting.name);
      std::vector<size_t> order(requests.size());
      std::iota(order.begin(), order.end(), 0);
      if (setting.shuffled) std::shuffle(order.begin(), order.end(), std::mt19937(3));
      std::vector<Request> ordered;
      for (size_t i : order) ordered.push_back(requests[i]);
      auto backend = open(*folder, dtype, setting.threads, setting.batch_tokens, setting.kv_bytes);
      RunStats other;
      const auto responses = ask(*backend, ordered, &other);
      size_t different = 0;
      for (size_t i = 0; i < order.size(); ++i) different += bits(responses[i]) != bits(base[order[i]]);
      CHECK(different == 0);
      CHECK(other.computed_tokens == stats.computed_tokens);
    }
    auto backend = open(*folder, dtype);
    size_t different = 0;
    for (size_t i = 0; i < requests.size(); i += 3) different += bits(ask(*backend, {requests[i]})[0]) != bits(base[i]);
    CHECK(different == 0);
  }
}

TEST_CASE("option letters cost their stem once and one row of the head") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  RunStats stats;
  const auto responses = ask(*backend, {loglikelihood("Once upon a time", {" a", " b", " c", " d"})}, &stats);
  const int stem = responses[0].prompt_tokens;
  CHECK(stats.computed_tokens == stem);
  CHECK(stats.requested_tokens == 4 * stem);
  CHECK(stats.head_rows == 1);
  int greedy = 0;
  for (const auto& score : responses[0].continuations) greedy += score.is_greedy;
  CHECK(greedy <= 1);
}

TEST_CASE("a text stops before its first stop string, also where that spans tokens") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  const auto full = ask(*backend, {generate("", 40)})[0].texts.at(0);
  CHECK(full.finish == FinishReason::kLength);
  CHECK(full.tokens == 40);
  struct Row {
    std::vector<std::string> stop;
    std::string expected;
  };
  const Row rows[] = {
      {{"girl named"}, "Once upon a time, there was a little "},
      {{"Lily.", ", there"}, "Once upon a time"},
      {{"ime, th"}, "Once upon a t"},
      {{"Once"}, ""},
  };
  for (const Row& row : rows) {
    INFO(row.stop[0]);
    const auto text = ask(*backend, {generate("", 40, row.stop)})[0].texts.at(0);
    CHECK(text.text == row.expected);
    CHECK(text.finish == FinishReason::kStop);
    CHECK(text.tokens < 40);
  }
}

TEST_CASE("samples differ from each other, and again are the same") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  Request request = generate("Once upon a time", 20);
  request.generate.temperature = 1, request.generate.samples = 4, request.generate.seed = 11;
  const auto first = ask(*backend, {request})[0];
  REQUIRE(first.texts.size() == 4);
  CHECK(first.texts[0].text != first.texts[1].text);
  CHECK(bits(ask(*backend, {request, request})[1]) == bits(first));
  request.generate.seed = 12;
  CHECK(bits(ask(*backend, {request})[0]) != bits(first));
}

TEST_CASE("a prompt longer than the context is unanswered, or cut from the left where its request says so") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  std::string text;
  for (int i = 0; i < 300; ++i) text += "Lily saw a cat. ";
  Request scored = loglikelihood(text, {" Then she"}), written = generate(text, 10);
  for (Request* request : {&scored, &written}) {
    CHECK(ask(*backend, {*request})[0].status == ResponseStatus::kTooLong);
    request->truncate_left = true;
    const auto response = ask(*backend, {*request})[0];
    CHECK(response.status == ResponseStatus::kAnswered);
    CHECK(response.truncated);
  }
  // What is cut off can't matter.
  Request other = scored;
  other.context = "Tom and Ben. " + text;
  CHECK(ask(*backend, {other})[0].continuations[0].logprob == ask(*backend, {scored})[0].continuations[0].logprob);
}

TEST_CASE("rolling windows cover a text once: the first from BOS, the last with all the context that fits") {
  const auto folder = stories();
  if (!folder) return;
  const auto tokenizer = load_tokenizer(*folder);
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  const auto tokens = tokenizer->encode(text);
  const int total = static_cast<int>(tokens.size());
  EncodeMemory memory;
  const auto encoded = encode_request(*tokenizer, rolling(text), 8, memory);
  int asked = 0;
  for (const ScoredTokens& window : encoded.scored) {
    const int length = static_cast<int>(window.tokens.size());
    CHECK(length <= 8);
    if (asked == 0) CHECK(window.tokens[0] == *tokenizer->bos());
    for (int i = window.first_read; i < length; ++i, ++asked) {
      if (asked > 0) CHECK(window.tokens[i] == tokens[asked - 1]);
      CHECK((i + 1 < length ? window.tokens[i + 1] : window.last_target) == tokens[asked]);
    }
  }
  CHECK(asked == total);
  CHECK(encoded.scored.back().tokens.size() == 8);
}

TEST_CASE("cancelling leaves the rest unanswered") {
  const auto folder = stories();
  if (!folder) return;
  auto backend = open(*folder, "float32");
  const auto requests = mixed_requests();
  Keeper keeper(requests.size());
  const std::atomic<bool> cancelled = true;
  CHECK(backend->answer(requests, keeper, cancelled).requests_done == 0);
}

TEST_CASE("what the engine can't run it refuses by name") {
  const auto folder = stories();
  if (!folder) return;
  CHECK_THAT(testing::error_of([&] { open(*folder, "float16"); }),
             Catch::Contains("--dtype float16: no such precision"));
  auto small = open(*folder, "float32", 2, 0, 10 * 5 * 2 * 32 * 4);
  CHECK_THAT(testing::error_of([&] { ask(*small, {loglikelihood("Once upon a time, there was a girl.", {" A"})}); }),
             Catch::Contains("key/value memory: the longest request has") && Catch::Contains("--kv-memory"));

  testing::TemporaryFolder copy;
  std::filesystem::copy(*folder, copy.path());
  for (const auto& entry : std::filesystem::directory_iterator(copy.path())) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
  }
  std::string weights = read_file(copy.file("model.safetensors"));
  std::fill(weights.end() - 4, weights.end(), '\xff');
  copy.write("model.safetensors", weights);
  CHECK_THAT(testing::error_of([&] { open(copy.path(), "float32"); }), Catch::Contains("model.safetensors"));
}

TEST_CASE("weights that need more memory than there is are refused before they are loaded, with both figures") {
  const Checkpoint checkpoint = Checkpoint::open(std::string(ASSAY_SOURCE_DIR) + "/examples/checkpoints/step-00040");
  const int64_t wide = weight_bytes(checkpoint, Precision::kFloat32);
  CHECK(wide == 2 * weight_bytes(checkpoint, Precision::kBFloat16));
  CHECK(wide > 100'000);
  check_memory(checkpoint, Precision::kFloat32, wide);
  check_memory(checkpoint, Precision::kBFloat16, wide / 2);
  CHECK_THAT(testing::error_of([&] { check_memory(checkpoint, Precision::kFloat32, wide - 1); }),
             Catch::Contains("step-00040") && Catch::Contains("GiB in float32, this machine has") &&
                 Catch::Contains("--dtype bfloat16"));
  CHECK_THAT(testing::error_of([&] { check_memory(checkpoint, Precision::kBFloat16, 0); }),
             Catch::Contains("GiB in bfloat16, this machine has 0 GiB left"));
  CHECK(machine_memory_bytes() > wide);
}

TEST_CASE("a tokenizer with more tokens than the embedding has rows is refused") {
  testing::TemporaryFolder copy;
  std::filesystem::copy(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/engine/llama-plain", copy.path());
  Json tokenizer = read_json_file(copy.file("tokenizer.json"));
  tokenizer["added_tokens"].push_back({{"id", 96},
                                       {"content", "<extra>"},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}});
  copy.write("tokenizer.json", tokenizer.dump());
  CHECK_THAT(testing::error_of([&] { open(copy.path(), "float32"); }),
             Catch::Contains("its tokenizer has 97 tokens, its embedding 96 rows"));
}

TEST_CASE("a tokenizer with far fewer tokens than the embedding has rows is refused") {
  testing::TemporaryFolder copy;
  const std::string source = ASSAY_SOURCE_DIR;
  std::filesystem::copy(source + "/examples/checkpoints/step-00040", copy.path());
  copy.write("tokenizer.json", read_file(source + "/tests/golden/engine/llama-plain/tokenizer.json"));
  CHECK_THAT(testing::error_of([&] { open(copy.path(), "float32"); }),
             Catch::Contains("its tokenizer has 96 tokens, its embedding 1280 rows") &&
                 Catch::Contains("belongs to another checkpoint"));
}

TEST_CASE("a text ends with the tokenizer's end token as with the configuration's") {
  testing::TemporaryFolder copy;
  std::filesystem::copy(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/engine/llama-plain", copy.path());
  const auto first_text = [&] { return ask(*open(copy.path(), "float32"), {generate("ab", 4)}).at(0).texts.at(0); };
  const std::string before = first_text().text;
  REQUIRE(!before.empty());
  const std::string first(1, before[0]);
  copy.write("tokenizer_config.json",
             Json({{"bos_token", "<bos>"}, {"eos_token", first}, {"add_bos_token", true}}).dump());
  const GeneratedText after = first_text();
  CHECK(after.text == "");
  CHECK(after.finish == FinishReason::kEndOfText);
}

}  // namespace assay
