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
      {score_request(), 200, json,
       R"({"choices": [{"logprobs": {"tokens": ["ab", "cd"], "token_logprobs": [-1, -2], "text_offset": [0, "x"]}}]})",
       Kind::kDefect},
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
