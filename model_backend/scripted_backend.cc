// The file is one JSON object; every field may be left out, others are refused:
//
//   {
//     "context_length": 2048,            tokens (words); longer prompts are kTooLong, or cut where the request says so
//     "loglikelihood": "hash",           "hash": from a stable hash of context and continuation;
//                                        "gold-first": the first continuation is the likeliest, then in order;
//                                        a number: each word of a continuation has this log-probability
//     "generate": [                      the first rule whose "match" is part of the messages, of the context or of the
//       {"match": "2 + 2", "text": "4"}  item id, gives the text
//     ],
//     "default": "",                     the text where no rule matches
//     "delay_ms": 0,                     pause before each answer
//     "fail_after": 10                   after this many answers answer() throws, as a lost device would
//   }
//
// A token is a word between white space; a text of n words has n tokens. A text stops at stop strings and at the token
// budget like any other. Log-probabilities lie in (-10, 0) a continuation and do not depend on the machine.
#include "model_backend/scripted_backend.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"

namespace assay {
namespace {

struct Rule {
  std::string match, text;
};

struct Script {
  enum Likelihood { kHash, kGoldFirst, kConstant } likelihood = kHash;
  double constant = 0;
  int context_length = 2048;
  std::vector<Rule> rules;
  std::string otherwise;
  int64_t delay_ms = 0;
  int64_t fail_after = -1;  // -1 = never
};

void read_likelihood(const JsonObject& file, Script& script) {
  if (!file.has("loglikelihood")) return;
  const Json& value = file.child("loglikelihood");
  if (value.is_number()) {
    script.likelihood = Script::kConstant;
    script.constant = value.get<double>();
  } else if (value == "gold-first") {
    script.likelihood = Script::kGoldFirst;
  } else if (value != "hash") {
    file.fail("loglikelihood", "must be \"hash\", \"gold-first\" or a number");
  }
}

Script read_script(const Json& json, const std::string& path) {
  const JsonObject file(json, path);
  for (const auto& [key, value] : json.items()) {
    constexpr const char* kFields[] = {"context_length", "loglikelihood", "generate",
                                       "default",        "delay_ms",      "fail_after"};
    if (std::find(std::begin(kFields), std::end(kFields), key) == std::end(kFields)) file.fail(key, "unknown field");
  }
  Script script;
  script.context_length = static_cast<int>(file.integer("context_length", script.context_length));
  read_likelihood(file, script);
  if (file.has("generate")) {
    if (!file.child("generate").is_array()) file.fail("generate", "must be a list of rules");
    for (const Json& rule : file.child("generate")) {
      const JsonObject object(rule, path + ": generate");
      script.rules.push_back({object.text("match"), object.text("text")});
    }
  }
  script.otherwise = file.text("default", "");
  script.delay_ms = file.integer("delay_ms", 0);
  script.fail_after = file.integer("fail_after", -1);
  return script;
}

// Hash of what the script answers. When it pauses and when it fails changes no answer.
std::string identity_of(Json json) {
  json.erase("delay_ms");
  json.erase("fail_after");
  return sha256_hex(dump_json(json));
}

// The contents of all turns, a line each.
std::string joined(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) text += message.content + "\n";
  return text;
}

int count_words(std::string_view text) {
  int words = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const bool space = is_space(next_code_point(text, i));
    words += !space && !inside;
    inside = !space;
  }
  return words;
}

// The first `words` words of a text, with the white space before and between them.
std::string first_words(const std::string& text, int words) {
  size_t end = 0;
  bool inside = false;
  int seen = 0;
  for (size_t i = 0; i < text.size();) {
    const bool space = is_space(next_code_point(text, i));
    if (!space && !inside && ++seen > words) break;
    inside = !space;
    if (inside) end = i;
  }
  return text.substr(0, end);
}

class ScriptedBackend final : public Backend {
 public:
  ScriptedBackend(const std::string& path, const std::string& bytes)
      : script_(read_script(parse_json(bytes, path), path)) {
    info_.name = "scripted";
    info_.label = path.substr(path.find_last_of('/') + 1);
    info_.weights_hash = identity_of(parse_json(bytes, path));
    info_.tokenizer_hash = "words";
    info_.numerics = "scripted-1";
    info_.identity = FieldHash().add(info_.weights_hash).add(info_.tokenizer_hash).add(info_.numerics).hex();
    info_.loglikelihood = info_.rolling = info_.generate = info_.chat = true;
    info_.context_length = script_.context_length;
  }

  const BackendInfo& info() const override { return info_; }

  RunStats answer(std::span<const Request> requests, ResponseSink& sink, const std::atomic<bool>& cancelled) override {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    auto last_report = begin;
    RunStats stats;
    for (size_t i = 0; i < requests.size() && !cancelled; ++i) {
      if (stats.requests_done == script_.fail_after)
        throw_world("scripted backend", "failed after as many answers as asked");
      if (script_.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(script_.delay_ms));
      Response response = answer_one(requests[i], stats);
      ++stats.requests_done;
      sink.deliver(i, std::move(response));
      const auto now = Clock::now();
      stats.seconds = std::chrono::duration<double>(now - begin).count();
      if (now - last_report < std::chrono::milliseconds(500)) continue;
      last_report = now;
      sink.progress(stats);
    }
    sink.progress(stats);
    return stats;
  }

 private:
  Response answer_one(const Request& request, RunStats& stats) const {
    Response response;
    const bool rolling = request.kind == RequestKind::kRolling;
    response.prompt_tokens = count_words(rolling                              ? request.text
                                         : request.kind == RequestKind::kChat ? joined(request.messages)
                                                                              : request.context);
    if (!rolling && response.prompt_tokens > script_.context_length) {
      if (!request.truncate_left) {
        response.status = ResponseStatus::kTooLong;
        response.detail = std::to_string(response.prompt_tokens) + " words, the script's context has " +
                          std::to_string(script_.context_length);
        return response;
      }
      response.truncated = true;
      response.prompt_tokens = script_.context_length;
    }
    stats.requested_tokens += response.prompt_tokens;
    if (rolling) {
      response.continuations = {score("", request.text, 0)};
    } else if (request.kind == RequestKind::kLoglikelihood) {
      for (size_t i = 0; i < request.continuations.size(); ++i) {
        response.continuations.push_back(score(request.context, request.continuations[i], static_cast<int>(i)));
        stats.requested_tokens += response.continuations.back().tokens;
      }
      mark_greedy(response);
    } else {
      response.texts.assign(request.generate.samples, generate(request));
    }
    stats.tree_tokens = stats.computed_tokens = stats.requested_tokens;
    return response;
  }

  ContinuationScore score(const std::string& context, const std::string& text, int place) const {
    ContinuationScore score;
    score.tokens = count_words(text);
    score.bytes = static_cast<int64_t>(text.size());
    score.characters = static_cast<int64_t>(count_code_points(text));
    switch (script_.likelihood) {
      case Script::kHash: {
        const uint64_t hash = stable_hash(stable_hash(0, context), text);
        score.logprob = -10.0 * (static_cast<double>(hash >> 11) + 1) * 0x1p-53;
        break;
      }
      case Script::kGoldFirst:
        score.logprob = -1.0 - place;
        break;
      case Script::kConstant:
        score.logprob = script_.constant * score.tokens;
        break;
    }
    return score;
  }

  // The likeliest continuation is the greedy one, the first of equals.
  static void mark_greedy(Response& response) {
    const auto likelier = [](const ContinuationScore& a, const ContinuationScore& b) { return a.logprob < b.logprob; };
    std::max_element(response.continuations.begin(), response.continuations.end(), likelier)->is_greedy = true;
  }

  GeneratedText generate(const Request& request) const {
    GeneratedText text{rule_text(request), FinishReason::kEndOfText, 0};
    size_t stop_at = std::string::npos;
    for (const std::string& stop : request.generate.stop) {
      if (!stop.empty()) stop_at = std::min(stop_at, text.text.find(stop));
    }
    if (stop_at != std::string::npos) {
      text.text.resize(stop_at);
      text.finish = FinishReason::kStop;
    }
    if (count_words(text.text) > request.generate.max_tokens) {
      text.text = first_words(text.text, request.generate.max_tokens);
      text.finish = FinishReason::kLength;
    }
    text.tokens = count_words(text.text);
    return text;
  }

  const std::string& rule_text(const Request& request) const {
    const std::string chat = joined(request.messages);
    for (const Rule& rule : script_.rules) {
      if (chat.find(rule.match) != std::string::npos) return rule.text;
      if (request.item_id.find(rule.match) != std::string::npos) return rule.text;
      if (request.context.find(rule.match) != std::string::npos) return rule.text;
    }
    return script_.otherwise;
  }

  Script script_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> open_scripted_backend(const std::string& path) {
  return std::make_unique<ScriptedBackend>(path, read_file(path));
}

}  // namespace assay
