#include "model_backend/http/wire.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kShownBytes = 300;
constexpr size_t kLeastSecret = 12;
constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD: a part of a character

// JSON's escapes of ASCII characters (\/ and \u00XX) undone, so that a secret in them can be found.
std::string without_escapes(const std::string& body) {
  std::string text = replace_all(body, "\\/", "/");
  for (size_t at = 0; (at = text.find("\\u00", at)) != std::string::npos; ++at) {
    const std::string digits = text.substr(at + 4, 2);
    char* end = nullptr;
    const long code = std::strtol(digits.c_str(), &end, 16);
    if (end == digits.c_str() + 2 && code >= 0x20 && code < 0x7F) text.replace(at, 6, 1, static_cast<char>(code));
  }
  return text;
}

// The head of a reply in one line; the secret is hidden before anything is cut.
std::string shown(const std::string& body, const std::string& secret) {
  const std::string whole = hide_secret(secret.empty() ? body : without_escapes(body), secret);
  std::string text = replace_invalid_utf8(std::string_view(whole).substr(0, kShownBytes));
  return replace_all(std::string(strip(text)), "\n", " ");
}

void put_settings(const Request& request, size_t call, const Dialect& dialect, Json& body) {
  const GenerateSettings& settings = request.generate;
  body[dialect.completion_tokens ? "max_completion_tokens" : "max_tokens"] = settings.max_tokens;
  if (!dialect.own_temperature) body["temperature"] = settings.temperature;
  if (settings.top_p != 1) body["top_p"] = settings.top_p;
  if (settings.top_k > 0) body["top_k"] = settings.top_k;
  if (!settings.stop.empty()) body["stop"] = settings.stop;
  if (settings.samples > 1 && !dialect.single) body["n"] = settings.samples;
  if (settings.temperature > 0) body["seed"] = (settings.seed + call) & 0x7FFFFFFF;
}

Json messages_of(const Request& request, const Dialect& dialect) {
  Json messages = Json::array();
  std::string system;
  for (const Message& message : request.messages) {
    if (dialect.folded_system && message.role == "system") {
      system += message.content + "\n\n";
      continue;
    }
    messages.push_back(
        {{"role", message.role}, {"content", message.role == "user" ? system + message.content : message.content}});
    if (message.role == "user") system.clear();
  }
  if (!system.empty()) messages.push_back({{"role", "user"}, {"content", std::string(strip(system))}});
  return messages;
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

bool holds_any(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return text.find(word) != std::string::npos; });
}

// How to ask instead, where the words of a refusal (in lower case) name a setting that can be done without.
std::optional<Dialect> other_dialect(const Request& request, const Dialect& used, const Json& error,
                                     const std::string& words) {
  Dialect other = used;
  const std::string parameter = text_at(error, "param");
  const bool refuses = holds_any(words, {"support", "not allowed", "not permitted", "only", "at most", "must be 1",
                                         "unrecognized", "deprecated", "must alternate", "not take"});
  const bool system = !request.messages.empty() && request.messages.front().role == "system";
  if (!used.completion_tokens && words.find("max_completion_tokens") != std::string::npos) {
    other.completion_tokens = true;
  } else if (!refuses) {
    return std::nullopt;
  } else if (!used.own_temperature && (parameter == "temperature" || words.find("temperature") != std::string::npos)) {
    other.own_temperature = true;
  } else if (!used.single && request.generate.samples > 1 &&
             (parameter == "n" || holds_any(words, {"'n'", "\"n\"", "`n`", "n > 1", "n=1", "n must", "best_of",
                                                    "completion choice", "multiple completions"}))) {
    other.single = true;
  } else if (!used.folded_system && system &&
             holds_any(words, {"system role", "role system", "'system'", "\"system\"", "system message",
                               "system prompt", "roles must"})) {
    other.folded_system = true;
  } else {
    return std::nullopt;
  }
  return other;
}

// A server that withholds an answer has spoken: the text is empty and says why it ended.
WireReply withheld(const Request& request, const Dialect& dialect) {
  WireReply out;
  out.kind = WireReply::Kind::kAnswer;
  const size_t texts = dialect.single ? 1 : static_cast<size_t>(request.generate.samples);
  out.response.texts.assign(texts, {"", FinishReason::kContentFilter, 0});
  return out;
}

WireReply from_error(const Request& request, int status, const Json* error, const std::string& body,
                     const Dialect& dialect, const std::string& secret) {
  const std::string words = error ? error_text(*error) : "";
  const std::string low = to_lower_ascii(words.empty() ? body : words);
  const std::string detail = "status " + std::to_string(status) + ": " + shown(words.empty() ? body : words, secret);
  const std::string code = error ? text_at(*error, "code") : "", type = error ? text_at(*error, "type") : "";
  if (error && says_too_long(*error)) return failed(WireReply::Kind::kTooLong, detail);
  if (status == 402 || code == "insufficient_quota" || type == "insufficient_quota")
    return failed(WireReply::Kind::kHopeless, detail);
  if (status == 404) return failed(WireReply::Kind::kHopeless, detail);
  const bool texts = generates(request);
  if (status >= 400 && status < 500 && texts) {
    if (code == "content_filter" || type == "content_filter" || holds_any(low, {"content management policy"}))
      return withheld(request, dialect);
    if (status == 400 || status == 422) {
      if (const auto other = other_dialect(request, dialect, error ? *error : Json(), low)) {
        WireReply out = failed(WireReply::Kind::kDialect, detail);
        out.dialect = *other;
        return out;
      }
    }
  }
  // A 200 that carries an error is a server in trouble; a 4xx is about the request.
  const bool about_request = status >= 400 && status < 500;
  return failed(about_request ? WireReply::Kind::kRefused : WireReply::Kind::kDefect, detail);
}

FinishReason finish_of(const std::string& reason) {
  return reason == "length"           ? FinishReason::kLength
         : reason == "content_filter" ? FinishReason::kContentFilter
                                      : FinishReason::kEndOfText;
}

// The text of a message's content: a string, null, or a list of parts of which those of text count. Nothing where it
// is anything else.
std::optional<std::string> content_text(const Json& content) {
  if (content.is_null()) return "";
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  bool any = content.empty();
  for (const Json& part : content) {
    const std::string type = text_at(part, "type");
    if (!part.is_object() || (type.empty() && !part.contains("text"))) return std::nullopt;
    if (type != "text" && type != "output_text" && !type.empty()) continue;  // what it thought, an image, ...
    const Json* words = find(part, "text");
    if (!words || !words->is_string()) return std::nullopt;
    text += words->get<std::string>();
    any = true;
  }
  if (!any) return std::nullopt;
  return text;
}

WireReply read_texts(const Request& request, const Json& reply, const Json& choices, const Dialect& dialect,
                     const std::string& secret) {
  WireReply out;
  const size_t wanted = dialect.single ? 1 : static_cast<size_t>(request.generate.samples);
  if (choices.size() != wanted) {
    out = failed(WireReply::Kind::kDefect,
                 std::to_string(choices.size()) + " choices instead of " + std::to_string(wanted));
    if (choices.size() != 1) return out;
    out.kind = WireReply::Kind::kDialect;  // it passes over "n"
    out.dialect = dialect;
    out.dialect.single = true;
    return out;
  }
  for (const Json& choice : choices) {
    GeneratedText text;
    text.finish = finish_of(text_at(choice, "finish_reason"));
    if (request.kind == RequestKind::kChat) {
      const Json* message = find(choice, "message");
      if (!message || !message->is_object()) return failed(WireReply::Kind::kDefect, "a choice without a message");
      const auto content = message->find("content");
      std::optional<std::string> words = content == message->end() ? std::string() : content_text(*content);
      if (!words) return failed(WireReply::Kind::kDefect, "a message whose content is no text");
      // A refusal in a field of its own is what the model said.
      if (words->empty()) words = text_at(*message, "refusal");
      if (words->empty() && content == message->end() && text.finish != FinishReason::kContentFilter)
        return failed(WireReply::Kind::kDefect, "a message without content");
      text.text = std::move(*words);
    } else {
      if (!choice.is_object() || !choice.contains("text"))
        return failed(WireReply::Kind::kDefect, "a choice without text");
      if (const Json* words = find(choice, "text"); words && !words->is_string())
        return failed(WireReply::Kind::kDefect, "a choice whose text is no text");
      text.text = text_at(choice, "text");
    }
    text.text = hide_secret(std::move(text.text), secret);
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

// A token's text as bytes: "bytes:\xe4\xbd" is a part of a character, a vocabulary's signs for blanks are blanks.
std::string token_text(const std::string& shown) {
  static const std::string kBytes = "bytes:\\x";
  if (!starts_with(shown, kBytes)) return shown;
  std::string text;
  for (size_t i = kBytes.size() - 2; i + 3 < shown.size() && shown.compare(i, 2, "\\x") == 0; i += 4)
    text += static_cast<char>(std::strtol(shown.substr(i + 2, 2).c_str(), nullptr, 16));
  return text;
}

std::string without_vocabulary_signs(std::string text) {
  for (const auto& [sign, plain] : {std::pair{"Ġ", " "}, {"▁", " "}, {"Ċ", "\n"}})
    text = replace_all(std::move(text), sign, plain);
  return text;
}

// Where the tokens of a reply stand in its prompt.
struct TokenPlaces {
  size_t first = 0, end = 0;  // tokens [first, end) are placed
  std::vector<size_t> begin;  // byte where token first + i begins; one more: where the last ends
};

// Token texts that spell `prompt` from its first byte, after at most one token of another text (the beginning's) and
// maybe a blank that the tokenizer puts in front.
std::optional<TokenPlaces> places_from_the_front(const std::vector<std::string>& tokens, const std::string& prompt) {
  for (size_t skipped = 0; skipped <= 1 && skipped < tokens.size(); ++skipped) {
    for (const bool blank : {false, true}) {
      TokenPlaces places;
      places.first = skipped;
      size_t at = 0, i = skipped;
      for (; i < tokens.size() && at < prompt.size(); ++i) {
        std::string text = tokens[i];
        if (i == skipped && blank) {
          if (text.empty() || text[0] != ' ') break;
          text.erase(0, 1);
        }
        // The last one may reach beyond the prompt: it is no token of it then, and the prompt is not spelt.
        if (prompt.compare(at, text.size(), text) != 0) break;
        places.begin.push_back(at);
        at += text.size();
      }
      if (at != prompt.size()) continue;
      places.end = i;
      places.begin.push_back(at);
      return places;
    }
  }
  return std::nullopt;
}

// The same from the end, as far as the texts go: for prompts in whose head a token is a part of a character.
// `generated`: tokens of the reply after the prompt's.
std::optional<TokenPlaces> places_from_the_end(const std::vector<std::string>& tokens, const std::string& prompt,
                                               size_t generated) {
  if (generated >= tokens.size()) return std::nullopt;
  TokenPlaces places;
  places.first = places.end = tokens.size() - generated;
  size_t at = prompt.size();
  places.begin = {at};
  while (places.first > 0 && at > 0) {
    const std::string& text = tokens[places.first - 1];
    if (text.empty() || text.size() > at || text.find(kReplacement) != std::string::npos ||
        prompt.compare(at - text.size(), text.size(), text) != 0)
      break;
    at -= text.size();
    --places.first;
    places.begin.insert(places.begin.begin(), at);
  }
  return places;
}

WireReply read_logprobs(const Request& request, size_t call, const Json& reply, const Json& choices) {
  const Json* logprobs = choices.size() == 1 ? find(choices[0], "logprobs") : nullptr;
  const Json* tokens = logprobs ? find(*logprobs, "tokens") : nullptr;
  const Json* values = logprobs ? find(*logprobs, "token_logprobs") : nullptr;
  if (!tokens || !values || !tokens->is_array() || !values->is_array() || tokens->size() != values->size() ||
      tokens->empty()) {
    return failed(WireReply::Kind::kNoPrompt, "the reply has no log-probabilities of the prompt's tokens");
  }
  std::vector<std::string> texts, plain_texts;
  for (const Json& token : *tokens) {
    if (!token.is_string()) return failed(WireReply::Kind::kDefect, "a token that is no text");
    texts.push_back(token_text(token.get<std::string>()));
    plain_texts.push_back(without_vocabulary_signs(texts.back()));
  }
  const std::string& continuation = request.continuations[call];
  const std::string prompt = request.context + continuation;
  std::optional<TokenPlaces> places = places_from_the_front(texts, prompt);
  if (!places) places = places_from_the_front(plain_texts, prompt);
  if (!places) {
    const Json* usage = find(reply, "usage");
    // Without the server's count nobody knows which token is the first of the generated ones.
    if (usage && find(*usage, "completion_tokens"))
      places = places_from_the_end(texts, prompt, static_cast<size_t>(count_at(*usage, "completion_tokens")));
  }
  if (!places || places->begin.front() > request.context.size()) {
    return failed(WireReply::Kind::kNoPrompt,
                  "the texts of the reply's tokens do not spell the continuation (a token is a part of a character, or "
                  "the server changes the prompt)");
  }
  ContinuationScore score;
  score.bytes = static_cast<int64_t>(continuation.size());
  score.characters = static_cast<int64_t>(count_code_points(continuation));
  score.is_greedy = true;
  for (size_t i = places->first; i < places->end; ++i) {
    const size_t begin = places->begin[i - places->first], end = places->begin[i - places->first + 1];
    if (begin == end && end == request.context.size() && end > 0) {
      return failed(WireReply::Kind::kNoPrompt,
                    "a token without a text stands where the continuation begins: nobody knows whose it is");
    }
    if (end <= request.context.size()) continue;
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

WireReply read_success(const Request& request, size_t call, const std::string& content_type, const std::string& body,
                       const Json& reply, const Dialect& dialect, const std::string& secret) {
  if (to_lower_ascii(content_type).find("json") == std::string::npos)
    return failed(WireReply::Kind::kDefect, "content type \"" + shown(content_type, secret) + "\" instead of JSON");
  if (reply.is_discarded()) return failed(WireReply::Kind::kDefect, "the JSON is broken or cut short");
  if (const Json* error = find(reply, "error")) return from_error(request, 200, error, body, dialect, secret);
  const Json* choices = find(reply, "choices");
  if (!choices || !choices->is_array() || choices->empty())
    return failed(WireReply::Kind::kDefect, "the list of choices is empty or absent");
  return request.kind == RequestKind::kLoglikelihood ? read_logprobs(request, call, reply, *choices)
                                                     : read_texts(request, reply, *choices, dialect, secret);
}

}  // namespace

std::string hide_secret(std::string text, const std::string& secret) {
  if (secret.size() < kLeastSecret || text.find(secret) == std::string::npos) return text;
  return replace_all(std::move(text), secret, "***");
}

size_t calls_of(const Request& request, const Dialect& dialect) {
  if (request.kind == RequestKind::kLoglikelihood) return request.continuations.size();
  return dialect.single ? static_cast<size_t>(std::max(1, request.generate.samples)) : 1;
}

WireCall make_call(const Request& request, size_t call, const std::string& model, const Dialect& dialect) {
  Json body = {{"model", model}};
  switch (request.kind) {
    case RequestKind::kChat:
      body["messages"] = messages_of(request, dialect);
      put_settings(request, call, dialect, body);
      return {"chat/completions", dump_json(body)};
    case RequestKind::kGenerate:
      body["prompt"] = request.context;
      put_settings(request, call, dialect, body);
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
                     const std::string& body, const Dialect& dialect, const std::string& secret) {
  const Json reply = Json::parse(body, nullptr, false);
  if (status != 200) return from_error(request, status, find(reply, "error"), body, dialect, secret);
  WireReply out = read_success(request, call, content_type, body, reply, dialect, secret);
  out.response.answered_by = hide_secret(text_at(reply, "model"), secret);
  if (const Json* usage = find(reply, "usage")) {
    out.paid_prompt_tokens = count_at(*usage, "prompt_tokens");
    out.paid_generated_tokens = count_at(*usage, "completion_tokens");
  }
  return out;
}

}  // namespace assay
