// Request <-> the JSON of an OpenAI-compatible server. Pure: no network here.
//
//   chat         POST chat/completions  {model, messages, temperature, top_p, max_tokens, stop, n, seed}
//                -> choices[i].message.content, choices[i].finish_reason, usage
//   generate     POST completions       {model, prompt, temperature, ...} -> choices[i].text
//   log-prob.    POST completions       {model, prompt: context + continuation, echo: true, logprobs: 1, max_tokens:
//   1},
//                one a continuation -> choices[0].logprobs {tokens, token_logprobs, top_logprobs}. The tokens' texts
//                must spell the prompt, but for a special token in front; the continuation's are those that end after
//                the context does and begin inside the prompt. The one generated token is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/records.h"

namespace assay {

// What a server turned out not to take: it is spoken to without it from then on.
struct Dialect {
  bool completion_tokens = false;  // "max_completion_tokens" in the place of "max_tokens"
  bool own_temperature = false;    // no "temperature": the server's own
  bool single = false;             // no "n": one request a text
  bool folded_system = false;      // no system role: its text heads the first user turn
};

struct WireCall {
  std::string path;  // "chat/completions" or "completions"
  std::string body;
};

// Calls that a request takes: one, or one a continuation, or one a text.
size_t calls_of(const Request& request, const Dialect& dialect);

// Call number `call` of a request. Precondition: no kRolling.
WireCall make_call(const Request& request, size_t call, const std::string& model, const Dialect& dialect = {});

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
    kNoPrompt,  // an answer without the log-probabilities of the prompt, or with those of another text
    kDialect,   // a setting is not taken: `dialect` is how to ask instead
    kHopeless,  // no request will do better: no such model or address, nothing left to pay with
  };
  Kind kind = Kind::kDefect;
  std::string detail;  // everything but kAnswer: what is wrong, in words
  Response response;
  Dialect dialect;
  // A reply with status 200 that is no answer: what it cost, where the server says (0: it does not).
  int paid_prompt_tokens = 0, paid_generated_tokens = 0;
};

// Reads the reply to call number `call` of the request, made in `dialect`. Where the reply holds `secret` (empty =
// none) it is kept as ***. Never throws on any bytes.
WireReply read_reply(const Request& request, size_t call, int status, const std::string& content_type,
                     const std::string& body, const Dialect& dialect = {}, const std::string& secret = "");

// `text` with *** in the place of the secret. Secrets of fewer than 12 characters are words like "none" and stay.
std::string hide_secret(std::string text, const std::string& secret);

}  // namespace assay
