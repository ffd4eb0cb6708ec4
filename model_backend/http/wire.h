// Request <-> the JSON of an OpenAI-compatible server. Pure: no network here.
//
//   chat         POST chat/completions  {model, messages, temperature, top_p, max_tokens, stop, n, seed}
//                -> choices[i].message.content, choices[i].finish_reason, usage
//   generate     POST completions       {model, prompt, temperature, ...} -> choices[i].text
//   log-prob.    POST completions       {model, prompt: context + continuation, echo: true, logprobs: 1, max_tokens:
//   1},
//                one a continuation -> choices[0].logprobs {tokens, token_logprobs, top_logprobs, text_offset};
//                offsets are code points. The continuation's tokens are those that end after the context does and begin
//                inside the prompt; the one generated token is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/records.h"

namespace assay {

struct WireCall {
  std::string path;  // "chat/completions" or "completions"
  std::string body;
};

// Call number `call` of a request: there is one, or one a continuation. Precondition: no kRolling.
WireCall make_call(const Request& request, size_t call, const std::string& model);

// Asks for the likeliest first token after `prompt`, with its log-probability; what comes back, or nothing where it is
// not in the reply. A server's log-probabilities of prompts are checked against it.
struct FirstToken {
  std::string text;
  double logprob = 0;
};
WireCall first_token_call(const std::string& prompt, const std::string& model);
std::optional<FirstToken> read_first_token(const std::string& body);

// What a server's reply to one call is worth.
struct WireReply {
  enum class Kind {
    kAnswer,    // `response` holds it: texts, or one continuation
    kDefect,    // not an answer (truncated, wrong type, empty): another attempt may do better
    kTooLong,   // the server says that the prompt does not fit
    kRefused,   // the server will not take this request, ever
    kNoPrompt,  // an answer without the log-probabilities of the prompt
  };
  Kind kind = Kind::kDefect;
  std::string detail;  // everything but kAnswer: what is wrong, in words
  Response response;
};

// Reads the reply to call number `call` of the request. Never throws on any bytes.
WireReply read_reply(const Request& request, size_t call, int status, const std::string& content_type,
                     const std::string& body);

}  // namespace assay
