#include "model_backend/http/wire.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kShownBytes = 300;

std::string shown(const std::string& body) {
  std::string text = replace_invalid_utf8(std::string_view(body).substr(0, kShownBytes));
  return replace_all(std::string(strip(text)), "\n", " ");
}

void put_settings(const GenerateSettings& settings, Json& body) {
  body["max_tokens"] = settings.max_tokens;
  body["temperature"] = settings.temperature;
  if (settings.top_p != 1) body["top_p"] = settings.top_p;
  if (settings.top_k > 0) body["top_k"] = settings.top_k;
  if (!settings.stop.empty()) body["stop"] = settings.stop;
  if (settings.samples > 1) body["n"] = settings.samples;
  if (settings.temperature > 0) body["seed"] = settings.seed & 0x7FFFFFFF;
}

WireReply failed(WireReply::Kind kind, std::string detail) {
  WireReply reply;
  reply.kind = kind;
  reply.detail = std::move(detail);
  return reply;
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_at(const Json& object, const char* key) {
  const Json* value = find(object, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

int count_at(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (!value || !value->is_number_integer()) return 0;
  return static_cast<int>(std::clamp<int64_t>(value->get<int64_t>(), 0, INT32_MAX));
}

// Empty where the error says nothing in words. (It is never written out again: that would recurse as deep as it nests.)
std::string error_text(const Json& error) {
  return error.is_string() ? error.get<std::string>() : text_at(error, "message");
}

bool says_too_long(const Json& error) {
  const std::string text = to_lower_ascii(error_text(error));
  return text_at(error, "code") == "context_length_exceeded" ||
         text.find("maximum context length") != std::string::npos || text.find("context window") != std::string::npos;
}

WireReply from_error(int status, const Json* error, const std::string& body) {
  const std::string words = error ? error_text(*error) : "";
  const std::string detail = "status " + std::to_string(status) + ": " + shown(words.empty() ? body : words);
  if (error && says_too_long(*error)) return failed(WireReply::Kind::kTooLong, detail);
  // A 200 that carries an error is a server in trouble; a 4xx is about the request.
  const bool about_request = status >= 400 && status < 500;
  return failed(about_request ? WireReply::Kind::kRefused : WireReply::Kind::kDefect, detail);
}

FinishReason finish_of(const std::string& reason) {
  return reason == "length" ? FinishReason::kLength : FinishReason::kEndOfText;
}

WireReply read_texts(const Request& request, const Json& reply, const Json& choices) {
  WireReply out;
  const size_t wanted = static_cast<size_t>(request.generate.samples);
  if (choices.size() != wanted) {
    return failed(WireReply::Kind::kDefect,
                  std::to_string(choices.size()) + " choices instead of " + std::to_string(wanted));
  }
  for (const Json& choice : choices) {
    GeneratedText text;
    text.finish = finish_of(text_at(choice, "finish_reason"));
    if (request.kind == RequestKind::kChat) {
      const Json* message = find(choice, "message");
      if (!message || !message->is_object()) return failed(WireReply::Kind::kDefect, "a choice without a message");
      text.text = text_at(*message, "content");
      // A refusal in a field of its own is what the model said.
      if (text.text.empty()) text.text = text_at(*message, "refusal");
      if (text.text.empty() && !message->contains("content"))
        return failed(WireReply::Kind::kDefect, "a message without content");
    } else {
      if (!choice.is_object() || !choice.contains("text"))
        return failed(WireReply::Kind::kDefect, "a choice without text");
      text.text = text_at(choice, "text");
    }
    out.response.texts.push_back(std::move(text));
  }
  if (const Json* usage = find(reply, "usage")) {
    out.response.prompt_tokens = count_at(*usage, "prompt_tokens");
    const int tokens = count_at(*usage, "completion_tokens");
    // The server counts all choices together.
    for (GeneratedText& text : out.response.texts) text.tokens = tokens / static_cast<int>(wanted);
  }
  out.kind = WireReply::Kind::kAnswer;
  return out;
}

// The likeliest token of a place, where the server says: the given one must not be less likely.
bool is_likeliest(const Json* tops, size_t place, double logprob) {
  if (!tops || !tops->is_array() || place >= tops->size() || !(*tops)[place].is_object()) return false;
  for (const auto& [token, value] : (*tops)[place].items()) {
    if (value.is_number() && value.get<double>() > logprob) return false;
  }
  return true;
}

WireReply read_logprobs(const Request& request, size_t call, const Json& reply, const Json& choices) {
  const Json* logprobs = choices.size() == 1 ? find(choices[0], "logprobs") : nullptr;
  const Json* tokens = logprobs ? find(*logprobs, "tokens") : nullptr;
  const Json* values = logprobs ? find(*logprobs, "token_logprobs") : nullptr;
  const Json* offsets = logprobs ? find(*logprobs, "text_offset") : nullptr;
  if (!tokens || !values || !offsets || !tokens->is_array() || !values->is_array() || !offsets->is_array() ||
      tokens->size() != values->size() || tokens->size() != offsets->size() || tokens->empty()) {
    return failed(WireReply::Kind::kNoPrompt, "the reply has no log-probabilities of the prompt's tokens");
  }
  const std::string& continuation = request.continuations[call];
  const int64_t begin = static_cast<int64_t>(count_code_points(request.context));
  const int64_t end = begin + static_cast<int64_t>(count_code_points(continuation));
  ContinuationScore score;
  score.bytes = static_cast<int64_t>(continuation.size());
  score.characters = end - begin;
  score.is_greedy = true;
  for (size_t i = 0; i < tokens->size(); ++i) {
    if (!(*offsets)[i].is_number_integer()) return failed(WireReply::Kind::kDefect, "a text offset that is no number");
    const int64_t from = (*offsets)[i].get<int64_t>();
    const int64_t to =
        i + 1 < tokens->size() && (*offsets)[i + 1].is_number_integer() ? (*offsets)[i + 1].get<int64_t>() : INT64_MAX;
    if (from >= end || to <= begin) continue;
    if (!(*values)[i].is_number() || !std::isfinite((*values)[i].get<double>()))
      return failed(WireReply::Kind::kNoPrompt, "a token of the continuation has no log-probability");
    const double logprob = (*values)[i].get<double>();
    score.logprob += logprob;
    score.is_greedy = score.is_greedy && is_likeliest(find(*logprobs, "top_logprobs"), i, logprob);
    ++score.tokens;
  }
  if (score.tokens == 0) {
    return failed(WireReply::Kind::kNoPrompt, "the reply has no log-probabilities of the prompt's tokens");
  }
  WireReply out;
  out.kind = WireReply::Kind::kAnswer;
  out.response.continuations = {score};
  if (const Json* usage = find(reply, "usage")) out.response.prompt_tokens = count_at(*usage, "prompt_tokens");
  return out;
}

}  // namespace

WireCall make_call(const Request& request, size_t call, const std::string& model) {
  Json body = {{"model", model}};
  switch (request.kind) {
    case RequestKind::kChat:
      for (const Message& message : request.messages)
        body["messages"].push_back({{"role", message.role}, {"content", message.content}});
      put_settings(request.generate, body);
      return {"chat/completions", dump_json(body)};
    case RequestKind::kGenerate:
      body["prompt"] = request.context;
      put_settings(request.generate, body);
      return {"completions", dump_json(body)};
    case RequestKind::kLoglikelihood:
      body["prompt"] = request.context + request.continuations.at(call);
      body["echo"] = true;
      body["logprobs"] = 1;
      body["max_tokens"] = 1;
      body["temperature"] = 0;
      return {"completions", dump_json(body)};
    case RequestKind::kRolling:
      break;
  }
  ASSAY_ASSERT(false, "a server is not asked for rolling texts");
  return {};
}

WireCall first_token_call(const std::string& prompt, const std::string& model) {
  return {"completions",
          dump_json({{"model", model}, {"prompt", prompt}, {"logprobs", 1}, {"max_tokens", 1}, {"temperature", 0}})};
}

std::optional<FirstToken> read_first_token(const std::string& body) {
  const Json reply = Json::parse(body, nullptr, false);
  const Json* choices = find(reply, "choices");
  const Json* logprobs =
      choices && choices->is_array() && choices->size() == 1 ? find((*choices)[0], "logprobs") : nullptr;
  const Json* tokens = logprobs ? find(*logprobs, "tokens") : nullptr;
  const Json* values = logprobs ? find(*logprobs, "token_logprobs") : nullptr;
  if (!tokens || !values || !tokens->is_array() || !values->is_array() || tokens->size() != 1 || values->size() != 1 ||
      !(*tokens)[0].is_string() || !(*values)[0].is_number()) {
    return std::nullopt;
  }
  FirstToken first{(*tokens)[0].get<std::string>(), (*values)[0].get<double>()};
  if (first.text.empty() || !std::isfinite(first.logprob)) return std::nullopt;
  return first;
}

WireReply read_reply(const Request& request, size_t call, int status, const std::string& content_type,
                     const std::string& body) {
  const Json reply = Json::parse(body, nullptr, false);
  if (status != 200) return from_error(status, find(reply, "error"), body);
  if (to_lower_ascii(content_type).find("json") == std::string::npos)
    return failed(WireReply::Kind::kDefect, "content type \"" + shown(content_type) + "\" instead of JSON");
  if (reply.is_discarded()) return failed(WireReply::Kind::kDefect, "the JSON is broken or cut short");
  if (const Json* error = find(reply, "error")) return from_error(status, error, body);
  const Json* choices = find(reply, "choices");
  if (!choices || !choices->is_array() || choices->empty())
    return failed(WireReply::Kind::kDefect, "the list of choices is empty or absent");
  WireReply out = request.kind == RequestKind::kLoglikelihood ? read_logprobs(request, call, reply, *choices)
                                                              : read_texts(request, reply, *choices);
  out.response.answered_by = text_at(reply, "model");
  return out;
}

}  // namespace assay
