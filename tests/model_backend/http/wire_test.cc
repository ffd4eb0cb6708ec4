#include "model_backend/http/wire.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

Request chat_request() {
  Request request;
  request.kind = RequestKind::kChat;
  request.messages = {{"system", "Be brief."}, {"user", "1+1?"}};
  request.generate.max_tokens = 9;
  request.generate.stop = {"\n"};
  return request;
}

Request score_request() {
  Request request;
  request.context = "ab";
  request.continuations = {"cd"};
  return request;
}

}  // namespace

TEST_CASE("a chat request is written as the server reads it") {
  const WireCall call = make_call(chat_request(), 0, "m");
  CHECK(call.path == "chat/completions");
  CHECK(call.body ==
        R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"1+1?"}],)"
        R"("max_tokens":9,"temperature":0.0,"stop":["\n"]})");
}

TEST_CASE("a continuation is scored through a prompt that ends in it") {
  const WireCall call = make_call(score_request(), 0, "m");
  CHECK(call.path == "completions");
  CHECK(call.body == R"({"model":"m","prompt":"abcd","echo":true,"logprobs":1,"max_tokens":1,"temperature":0})");
}

TEST_CASE("no bytes of a server do harm, and each defect has its kind") {
  using Kind = WireReply::Kind;
  struct Row {
    Request request;
    int status;
    const char *type, *body;
    Kind kind;
  };
  const char* json = "application/json";
  const Row rows[] = {
      {chat_request(), 200, json, "", Kind::kDefect},
      {chat_request(), 200, json, "null", Kind::kDefect},
      {chat_request(), 200, json, "[1]", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": {}})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [null]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": 3}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {}}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]})",
       Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": null}}]})", Kind::kAnswer},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": "a"}, "finish_reason": 7}], "usage": []})",
       Kind::kAnswer},
      {chat_request(), 200, "", R"({"choices": [{"message": {"content": "a"}}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"error": "down"})", Kind::kDefect},
      {chat_request(), 422, json, R"({"error": 5})", Kind::kRefused},
      {chat_request(), 400, json, R"({"error": {"message": "This model's maximum context length is 5 tokens"}})",
       Kind::kTooLong},
      {chat_request(), 500, "", "\xff\xfe", Kind::kDefect},
      {score_request(), 200, json, R"({"choices": [{"text": "abcd"}]})", Kind::kNoPrompt},
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["a"], "token_logprobs": [], "text_offset": [0]}}]})", Kind::kNoPrompt},
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["ab", "cd"], "token_logprobs": [null, null], "text_offset": [0, 2]}}]})",
       Kind::kNoPrompt},
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["x"], "token_logprobs": [-1], "text_offset": [4]}}]})",
       Kind::kNoPrompt},
      {score_request(), 200, json, R"({"choices": [{"logprobs": {"tokens": ["ab", 7], "token_logprobs": [-1, -2]}}]})",
       Kind::kDefect},
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["ab", "cx"], "token_logprobs": [-1, -2]}}]})", Kind::kNoPrompt},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": 7}}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": [7]}}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": [{"type": "image"}]}}]})", Kind::kDefect},
      {chat_request(), 200, json, R"({"choices": [{"message": {"content": []}}]})", Kind::kAnswer},
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["ab", "cd"], "token_logprobs": [-1, -2], "text_offset": [0, 2]}}]})",
       Kind::kAnswer},
  };
  for (const Row& row : rows) {
    INFO(row.body);
    CHECK(read_reply(row.request, 0, row.status, row.type, row.body).kind == row.kind);
  }
}

TEST_CASE("an error that nests a million deep is read, and said in some words") {
  const std::string deep(1000000, '[');
  for (const std::string& body : {R"({"error": )" + deep + std::string(deep.size(), ']') + "}", deep}) {
    const WireReply reply = read_reply(chat_request(), 0, 500, "application/json", body);
    CHECK(reply.kind == WireReply::Kind::kDefect);
    CHECK(reply.detail.size() < 400);
  }
}

TEST_CASE("the tokens of a continuation are found by their texts, not by the server's offsets") {
  struct Row {
    const char *tokens, *values, *usage;
    double logprob;  // 1 = refused
  };
  // The prompt is "ä 你好"; the context is "ä ".
  Request request;
  request.context = "ä ";
  request.continuations = {"你好"};
  for (const Row& row : {
           Row{R"(["ä", " ", "你", "好", "!"])", "[null, -1, -2, -3, -9]", "null", -5},
           Row{R"(["<s>", "ä", " ", "你", "好", "!"])", "[null, -1, -1, -2, -3, -9]", "null", -5},
           Row{R"(["<s>", " ä", " ", "你好", "!"])", "[null, -1, -1, -4, -9]", "null", -4},
           Row{R"(["ä", "Ġ", "你", "好"])", "[null, -1, -2, -3]", "null", -5},
           Row{R"(["ä", " ", "bytes:\\xe4\\xbd", "bytes:\\xa0", "好", "!"])", "[null, -1, -2, -3, -4, -9]", "null", -9},
           // Parts of a character in the context: counted from the end, where the server says how much it generated.
           Row{R"(["\ufffd", "\ufffd", " ", "你", "好", "好"])", "[null, -1, -1, -2, -3, -9]",
               R"({"completion_tokens": 1})", -5},
           Row{R"(["\ufffd", "\ufffd", " ", "你", "好", "好"])", "[null, -1, -1, -2, -3, -9]", "null", 1},
           // In the continuation: nobody knows.
           Row{R"(["ä", " ", "\ufffd", "\ufffd", "好", "!"])", "[null, -1, -2, -3, -4, -9]",
               R"({"completion_tokens": 1})", 1},
           Row{R"(["ä", " ", "", "你", "好", "!"])", "[null, -1, -2, -3, -4, -9]", "null", 1},
       }) {
    INFO(row.tokens);
    const std::string body = std::string(R"({"choices": [{"logprobs": {"tokens": )") + row.tokens +
                             R"(, "token_logprobs": )" + row.values + R"(}}], "usage": )" + row.usage + "}";
    const WireReply reply = read_reply(request, 0, 200, "application/json", body);
    if (row.logprob > 0) {
      CHECK(reply.kind == WireReply::Kind::kNoPrompt);
    } else {
      REQUIRE(reply.kind == WireReply::Kind::kAnswer);
      CHECK(reply.response.continuations[0].logprob == row.logprob);
    }
  }
}

TEST_CASE("a key in a server's words is hidden however the server writes it") {
  const std::string key = "sk-secret/0123456789";
  for (const char* body : {R"({"choices": [{"message": {"content": "sk-secret\/0123456789"}}]})",
                           R"({"choices": [{"message": {"content": "s\u006b-secret/0123456789"}}]})"}) {
    const WireReply reply = read_reply(chat_request(), 0, 200, "application/json", body, {}, key);
    CHECK(reply.response.texts.at(0).text == "***");
  }
  for (const char* body : {R"({"oops": "sk-secret\/0123456789"})", R"({"oops": "s\u006b-secret/0123456789"})",
                           R"({"error": {"message": "not sk-secret\/0123456789"}})"}) {
    const WireReply reply = read_reply(chat_request(), 0, 500, "application/json", body, {}, key);
    CHECK_THAT(reply.detail, Catch::Contains("***"));
    CHECK(reply.detail.find("secret") == std::string::npos);
  }
  // Cut in the middle of the key: hidden all the same.
  const std::string body = std::string(295, 'x') + key;
  CHECK(read_reply(chat_request(), 0, 500, "", body, {}, key).detail.find("sk-s") == std::string::npos);
}

TEST_CASE("a token that begins in the context and ends in the continuation belongs to the continuation") {
  const WireReply reply =
      read_reply(score_request(), 0, 200, "application/json",
                 R"({"choices": [{"logprobs": {"tokens": ["a", "bc", "d", "e"], "token_logprobs": [null, -2, -3, -5],)"
                 R"( "text_offset": [0, 1, 3, 4]}}]})");
  REQUIRE(reply.kind == WireReply::Kind::kAnswer);
  CHECK(reply.response.continuations[0].logprob == -5);
  CHECK(reply.response.continuations[0].tokens == 2);
}

}  // namespace assay
