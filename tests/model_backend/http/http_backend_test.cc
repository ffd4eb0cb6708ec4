// The client against a server that makes every fault on request.
#include "model_backend/http/http_backend.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/model_backend/http/fault_server.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::FaultServer;

struct Collected final : ResponseSink {
  std::map<size_t, Response> responses;
  void deliver(size_t index, Response response) override {
    REQUIRE(responses.emplace(index, std::move(response)).second);
  }
  void progress(const RunStats&) override {}
};

BackendOptions options_for(const FaultServer& server) {
  BackendOptions options;
  options.http.base_url = server.base_url();
  options.http.chat = true;
  options.http.request_s = 2;
  options.http.first_pause_s = 0.01;
  options.http.max_reply_bytes = 1 << 20;
  return options;
}

std::vector<Request> chat_requests(int count) {
  std::vector<Request> requests(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    Request& request = requests[static_cast<size_t>(i)];
    request.kind = RequestKind::kChat;
    request.item_id = "item/" + std::to_string(i);
    request.messages = {{"user", "question " + std::to_string(i)}};
  }
  return requests;
}

struct Asked {
  Collected sink;
  RunStats stats;
};

Asked ask(FaultServer& server, const std::string& model, int count, BackendOptions options) {
  options.http.base_url = server.base_url();
  auto backend = open_http_backend(model, options);
  Asked asked;
  const std::vector<Request> requests = chat_requests(count);
  const std::atomic<bool> never{false};
  asked.stats = backend->answer(requests, asked.sink, never);
  return asked;
}

}  // namespace

TEST_CASE("a passing fault is asked again, and the answer is sold once") {
  for (const char* fault :
       {"ok", "429", "429-after", "500", "503", "cut", "slow", "hang", "type", "truncated", "empty", "error-200"}) {
    INFO(fault);
    FaultServer server;
    const Asked asked = ask(server, fault, 3, options_for(server));
    REQUIRE(asked.sink.responses.size() == 3);
    for (const auto& [index, response] : asked.sink.responses) {
      CHECK(response.status == ResponseStatus::kAnswered);
      CHECK(response.texts.at(0).text == "the answer");
      CHECK(response.prompt_tokens == 7);
      CHECK(response.texts.at(0).tokens == 3);
      CHECK(response.answered_by == std::string(fault) + "-2026");
    }
    CHECK(server.sold() == 3);
    CHECK(server.replays() == 0);
    const bool faulty = std::string(fault) != "ok";
    CHECK(server.requests() == (faulty ? 6 : 3));
    CHECK(asked.stats.events.count("sent again") == (faulty ? 1 : 0));
  }
}

TEST_CASE("a lasting fault loses the request, with words that say why, and no other") {
  struct Row {
    const char* model;
    const char* words;
    int64_t requests;
  };
  for (const Row& row :
       {Row{"always-500", "inner trouble (given up after 3 attempts)", 3},
        Row{"always-429", "slow down (given up after 3 attempts)", 3},
        Row{"always-type", "content type \"text/html\" instead of JSON", 3},
        Row{"always-truncated", "the JSON is broken or cut short", 3},
        Row{"always-empty", "the list of choices is empty or absent", 3}, Row{"always-error-200", "try later", 3},
        Row{"always-cut", "given up after 3 attempts", 3},
        Row{"always-redirect", "redirects to http://other.example/v1", 1},
        Row{"always-huge", "longer than 1048576 bytes", 1}, Row{"always-bad-request", "no such setting", 1}}) {
    INFO(row.model);
    FaultServer server;
    BackendOptions options = options_for(server);
    options.http.max_attempts = 3;
    const Asked asked = ask(server, row.model, 1, options);
    REQUIRE(asked.sink.responses.size() == 1);
    const Response& response = asked.sink.responses.at(0);
    CHECK(response.status == ResponseStatus::kFailed);
    CHECK_THAT(response.detail, Catch::Contains(row.words));
    CHECK_THAT(asked.stats.first_failure, Catch::Contains(row.words));
    CHECK(server.requests() == row.requests);
    CHECK(asked.stats.events.at("requests given up") == 1);
  }
}

TEST_CASE("a prompt that is too long for the server is too long, not lost") {
  FaultServer server;
  CHECK(ask(server, "always-too-long", 1, options_for(server)).sink.responses.at(0).status == ResponseStatus::kTooLong);
}

TEST_CASE("a refusal in a field of its own is the answer") {
  FaultServer server;
  CHECK(ask(server, "refusal", 1, options_for(server)).sink.responses.at(0).texts.at(0).text == "I will not.");
}

TEST_CASE("Retry-After is honoured") {
  FaultServer server;
  const auto begin = std::chrono::steady_clock::now();
  ask(server, "429-after", 1, options_for(server));
  CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() >= 1.0);
}

TEST_CASE("a pause that the server asks for beyond the total time-out ends the run at once, however much is left") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.give_up_s = 0.5;
  CHECK_THAT(
      testing::error_of([&] { ask(server, "429-after", 100, options); }),
      Catch::Contains("asks to wait 1 seconds") && Catch::Contains("slow down") && Catch::Contains("--total-timeout"));
  CHECK(server.requests() <= 4);
}

TEST_CASE("concurrency grows on success, and stays below its cap") {
  FaultServer server;
  server.delay_ms = 5;
  BackendOptions options = options_for(server);
  options.http.max_in_flight = 16;
  ask(server, "ok", 300, options);
  CHECK(server.most_at_once() > 8);
  CHECK(server.most_at_once() <= 16);
}

TEST_CASE("every fault at once: each request is answered, each answer sold once") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.max_attempts = 30;
  options.http.first_pause_s = 0.002;
  const Asked asked = ask(server, "mixed", 200, options);
  REQUIRE(asked.sink.responses.size() == 200);
  for (const auto& [index, response] : asked.sink.responses) CHECK(response.status == ResponseStatus::kAnswered);
  CHECK(server.sold() == 200);
  CHECK(server.replays() == 0);
}

TEST_CASE("a refused key ends the run without showing it") {
  FaultServer server;
  testing::TemporaryFolder folder;
  BackendOptions options = options_for(server);
  options.http.key_file = folder.write("key", "secret-key-17\n");
  const std::string message = testing::error_of([&] { ask(server, "key", 1, options); });
  CHECK_THAT(message, Catch::Contains("refuses the key") && Catch::Contains("--api-key-file"));
  CHECK(message.find("secret-key-17") == std::string::npos);
  CHECK(server.keys_seen().at(0) == "Bearer secret-key-17");
}

TEST_CASE("a key that the server repeats in an answer is not kept") {
  FaultServer server;
  server.text = "You sent secret-key-17.";
  testing::TemporaryFolder folder;
  BackendOptions options = options_for(server);
  options.http.key_file = folder.write("key", "  secret-key-17 \r\nsecond line");
  CHECK(ask(server, "ok", 1, options).sink.responses.at(0).texts.at(0).text == "You sent ***.");
  CHECK(server.keys_seen().at(0) == "Bearer secret-key-17");
}

TEST_CASE("a key that no header may hold is refused without showing it") {
  testing::TemporaryFolder folder;
  BackendOptions options;
  options.http.base_url = "http://127.0.0.1:1/v1";
  ::setenv("ASSAY_TEST_KEY", "secret-key-17\r\nX-Other: 1", 1);
  options.http.key_variable = "ASSAY_TEST_KEY";
  const std::string message = testing::error_of([&] { open_http_backend("m", options); });
  CHECK_THAT(message, Catch::Contains("ASSAY_TEST_KEY") && Catch::Contains("characters that no key has"));
  CHECK(message.find("secret") == std::string::npos);
  options.http.key_file = folder.write("key", "two words");
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("characters that no key"));
  options.http.key_file = folder.write("key", "\nsecond line");
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("no key in its first line"));
  options.http.key_file = folder.file("none");
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("none"));
}

TEST_CASE("a missing key, a bad URL and a password in the URL are input errors") {
  ::unsetenv("ASSAY_API_KEY");
  ::unsetenv("OPENAI_API_KEY");
  BackendOptions options;
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("ASSAY_API_KEY"));
  options.http.key_variable = "ASSAY_NO_SUCH_VARIABLE";
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("ASSAY_NO_SUCH_VARIABLE"));
  options.http.key_variable.clear();
  options.http.base_url = "ftp://host";
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("no base URL"));
  options.http.base_url = "http://me:word@host/v1";
  CHECK_THAT(testing::error_of([&] { open_http_backend("m", options); }), Catch::Contains("password"));
  for (const char* url : {"ftp://me:secret@host/v1", "http://host/v1?key=secret"}) {
    options.http.base_url = url;
    const std::string message = testing::error_of([&] { open_http_backend("m", options); });
    CHECK_THAT(message, Catch::Contains("must not hold a password"));
    CHECK(message.find("secret") == std::string::npos);
  }
}

TEST_CASE("a scheme that nobody knows is named, with those that are there") {
  for (const char* model : {"anthropic:claude", "nosuch:name/part"}) {
    CHECK_THAT(testing::error_of([&] { open_backend(model, {}); }),
               Catch::Contains("there is no backend of the name") && Catch::Contains("openai:NAME"));
  }
  CHECK_THAT(testing::error_of([&] { open_backend("folder/with:colon", {}); }), Catch::Contains("no such file"));
}

TEST_CASE("a server that refuses everything at once is not asked for everything at once") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.max_attempts = 2;
  options.http.first_pause_s = 2;
  auto backend = open_http_backend("always-503", options);
  std::atomic<bool> cancelled{false};
  std::thread stop([&] { std::this_thread::sleep_for(std::chrono::milliseconds(100)), cancelled = true; });
  Collected sink;
  backend->answer(chat_requests(1000), sink, cancelled);
  stop.join();
  CHECK(server.requests() <= 8);  // within the first pause, whatever the machine's speed
}

TEST_CASE("log-probabilities come from the prompt's own, continuation by continuation") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.chat = false;
  auto backend = open_http_backend("ok", options);
  REQUIRE(backend->info().loglikelihood);
  std::vector<Request> requests(1);
  requests[0].context = "ä b";              // 3 code points
  requests[0].continuations = {"xy", "é"};  // places 3, 4 and 3
  Collected sink;
  const std::atomic<bool> never{false};
  backend->answer(requests, sink, never);
  const Response& response = sink.responses.at(0);
  REQUIRE(response.continuations.size() == 2);
  CHECK(response.continuations[0].logprob == Approx(-3.5));
  CHECK(response.continuations[0].tokens == 2);
  CHECK_FALSE(response.continuations[0].is_greedy);  // at place 3 another token is likelier
  CHECK(response.continuations[1].logprob == Approx(-1.5));
  CHECK(response.continuations[1].bytes == 2);
  CHECK(response.continuations[1].characters == 1);
}

TEST_CASE("a server without the prompt's log-probabilities, or with another token's, is found out before any work") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.chat = false;
  CHECK_FALSE(open_http_backend("no-logprobs", options)->info().loglikelihood);
  for (const char* model : {"shifted", "shifted-but-once", "no-first-token", "always-bad-request"}) {
    INFO(model);
    CHECK_FALSE(open_http_backend(model, options)->info().loglikelihood);
  }
  // A passing fault in the first probe proves nothing.
  CHECK(open_http_backend("500", options)->info().loglikelihood);
  options.http.chat = true;
  CHECK_FALSE(open_http_backend("ok", options)->info().loglikelihood);
}

TEST_CASE("a server whose echo begins with the beginning's token is read as one without") {
  FaultServer server;
  BackendOptions options = options_for(server);
  options.http.chat = false;
  auto backend = open_http_backend("bos", options);
  REQUIRE(backend->info().loglikelihood);
  std::vector<Request> requests(1);
  requests[0].context = "ä b";
  requests[0].continuations = {"xy"};
  Collected sink;
  const std::atomic<bool> never{false};
  backend->answer(requests, sink, never);
  CHECK(sink.responses.at(0).continuations.at(0).logprob == Approx(-3.5));
  CHECK(sink.responses.at(0).continuations.at(0).tokens == 2);
}

TEST_CASE("a setting that a server refuses is left out from then on, and the run says so") {
  struct Row {
    const char *model, *said;
    int samples, least, most;  // requests for two of ours
  };
  for (const Row& row :
       {Row{"no-max-tokens", "max_completion_tokens", 1, 3, 4}, Row{"no-temperature", "own temperature", 1, 3, 4},
        Row{"one-choice", "one request a text", 3, 7, 8}, Row{"ignores-n", "one request a text", 3, 7, 8}}) {
    INFO(row.model);
    FaultServer server;
    BackendOptions options = options_for(server);
    auto backend = open_http_backend(row.model, options);
    std::vector<Request> requests = chat_requests(2);
    for (Request& request : requests) request.generate.samples = row.samples;
    Collected sink;
    const std::atomic<bool> never{false};
    const RunStats stats = backend->answer(requests, sink, never);
    REQUIRE(sink.responses.size() == 2);
    for (const auto& [index, response] : sink.responses) {
      CHECK(response.status == ResponseStatus::kAnswered);
      REQUIRE(response.texts.size() == static_cast<size_t>(row.samples));
      for (const GeneratedText& text : response.texts) CHECK(text.text == "the answer");
    }
    CHECK(server.requests() >= row.least);
    CHECK(server.requests() <= row.most);
    int said = 0;
    for (const auto& [event, count] : stats.events)
      if (event.find(row.said) != std::string::npos) said += static_cast<int>(count);
    CHECK(said == 1);
    // What was learnt is kept for the next call.
    const int64_t before = server.requests();
    Collected again;
    backend->answer(requests, again, never);
    CHECK(again.responses.size() == 2);
    CHECK(server.requests() - before == 2 * row.samples);
  }
}

TEST_CASE("a system role that the server refuses heads the first user turn") {
  FaultServer server;
  auto backend = open_http_backend("no-system", options_for(server));
  std::vector<Request> requests = chat_requests(1);
  requests[0].messages.insert(requests[0].messages.begin(), {"system", "Be kind."});
  Collected sink;
  const std::atomic<bool> never{false};
  const RunStats stats = backend->answer(requests, sink, never);
  CHECK(sink.responses.at(0).texts.at(0).text == "Be kind.\n\nquestion 0");
  CHECK(stats.events.count("switch to system texts in the first user turn (the server refuses the role)") == 1);
}

TEST_CASE("parts of text are one answer, and what a server withholds is an outcome that is not asked for again") {
  FaultServer server;
  CHECK(ask(server, "parts", 1, options_for(server)).sink.responses.at(0).texts.at(0).text == "the answer!");
  for (const char* model : {"filtered", "always-filter-400"}) {
    INFO(model);
    FaultServer other;
    const Asked asked = ask(other, model, 1, options_for(other));
    const Response& response = asked.sink.responses.at(0);
    CHECK(response.status == ResponseStatus::kAnswered);
    CHECK(response.texts.at(0).text.empty());
    CHECK(response.texts.at(0).finish == FinishReason::kContentFilter);
    CHECK(other.requests() == 1);
    CHECK(asked.stats.events.at("withheld by the server's content filter") == 1);
  }
}

TEST_CASE("an unknown model and an empty account end the run with the server's words") {
  for (const auto& [model, words] : {std::pair{"always-no-model", "does not exist"}, {"always-quota", "quota"}}) {
    INFO(model);
    FaultServer server;
    CHECK_THAT(testing::error_of([&] { ask(server, model, 100, options_for(server)); }),
               Catch::Contains(words) && Catch::Contains("no request can be answered"));
    CHECK(server.requests() <= 4);
  }
}

TEST_CASE("pace is kept from one call to the next") {
  FaultServer server;
  server.delay_ms = 5;
  auto backend = open_http_backend("ok", options_for(server));
  const std::atomic<bool> never{false};
  Collected first, second;
  backend->answer(chat_requests(60), first, never);
  const int before = server.most_at_once();
  CHECK(before > 8);
  FaultServer slow;  // a second client of its own starts low
  slow.delay_ms = 50;
  ask(slow, "ok", 4, options_for(slow));
  CHECK(slow.most_at_once() <= 4);
  server.reset_most_at_once();
  server.delay_ms = 100;
  backend->answer(chat_requests(before), second, never);
  CHECK(server.most_at_once() > 8);
}

TEST_CASE("what a thrown away reply cost is counted") {
  FaultServer server;
  const Asked asked = ask(server, "truncated", 1, options_for(server));
  CHECK(asked.stats.wasted_prompt_tokens > 0);
  CHECK(asked.stats.wasted_generated_tokens > 0);
}

TEST_CASE("a key travels only to the host that it is meant for") {
  FaultServer server;
  const auto sent = [&](bool judge, const std::string& model_url) {
    BackendOptions options = options_for(server);
    options.http.judge = judge;
    options.http.model_url = model_url;
    ask(server, "ok", 1, options);
    return server.keys_seen().back();
  };
  ::unsetenv("ASSAY_API_KEY");
  ::unsetenv("ASSAY_JUDGE_API_KEY");
  ::setenv("OPENAI_API_KEY", "openai-key-0123", 1);
  CHECK(sent(false, "") == "");
  CHECK(sent(true, "") == "");
  ::setenv("ASSAY_API_KEY", "assay-key-01234", 1);
  CHECK(sent(false, "") == "Bearer assay-key-01234");
  CHECK(sent(true, "") == "");
  CHECK(sent(true, "http://elsewhere:8000/v1") == "");
  CHECK(sent(true, server.base_url() + "/") == "Bearer assay-key-01234");
  ::setenv("ASSAY_JUDGE_API_KEY", "judge-key-01234", 1);
  CHECK(sent(true, "") == "Bearer judge-key-01234");
  CHECK(sent(false, "") == "Bearer assay-key-01234");
  for (const char* name : {"ASSAY_API_KEY", "ASSAY_JUDGE_API_KEY", "OPENAI_API_KEY"}) ::unsetenv(name);
}

TEST_CASE("a key that is a plain word is not taken out of answers") {
  FaultServer server;
  server.text = "This is a test, none of it EMPTY.";
  testing::TemporaryFolder folder;
  for (const char* key : {"test", "EMPTY", "none"}) {
    BackendOptions options = options_for(server);
    options.http.key_file = folder.write("key", key);
    CHECK(ask(server, "ok", 1, options).sink.responses.at(0).texts.at(0).text == server.text);
  }
}

TEST_CASE("a cancelled answer ends soon, with what was under way delivered") {
  FaultServer server;
  server.delay_ms = 50;
  auto backend = open_http_backend("ok", options_for(server));
  std::atomic<bool> cancelled{false};
  struct CancelAtFirst final : ResponseSink {
    explicit CancelAtFirst(std::atomic<bool>& cancel) : cancel_(cancel) {}
    void deliver(size_t, Response) override { ++delivered, cancel_ = true; }
    void progress(const RunStats&) override {}
    int delivered = 0;
    std::atomic<bool>& cancel_;
  } sink(cancelled);
  backend->answer(chat_requests(1000), sink, cancelled);
  CHECK(sink.delivered == static_cast<int>(server.sold()));
  CHECK(sink.delivered < 50);
}

}  // namespace assay
