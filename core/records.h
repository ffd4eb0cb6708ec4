// The plain structs that flow through a run: Document -> Prompt -> Request -> Response -> Score.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/hash.h"
#include "core/json.h"

namespace assay {

// One row of a benchmark file.
struct Document {
  std::string id;  // "<split>/<file stem>/<0-based row>"
  Json fields;     // an object; prompts are templates over these names
};

// Conventions that begin so are the forms in which the audit asks a task's items: not results of their own.
inline constexpr const char* kAuditPrefix = "audit-";

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
  bool operator==(const Message&) const = default;
};

// What the model will see for one document, and what counts as right. All texts are final: no template is left.
struct Prompt {
  std::string item_id;
  std::string context;            // everything before the answer: description, shots, the item
  size_t shared_bytes = 0;        // length of the head of `context` that comes before the item (description + shots)
  std::vector<Message> messages;  // the same content as turns, for chat; empty unless asked for
  std::vector<std::string> next_turns;  // what is asked after the answer to the turn before, in this order
  std::string delimiter;                // stands between context and a choice ("target_delimiter")
  std::vector<std::string>
      choices;  // multiple choice: the answers, without the delimiter; reversed: the contexts' ends
  std::vector<std::string> contexts;  // reversed form only: one full context a choice, `shared continuation` in target
  int gold_index = -1;                // multiple choice: in [0, choices.size()); -1 = none
  std::vector<std::string> golds;     // generated answers: every accepted text (aliases); also the single target
  std::string target;                 // first gold, or the shared continuation, or the text of a rolling item
  PackedJson fields;                  // the document's fields, for scorers and checkers
};

enum class RequestKind { kLoglikelihood, kRolling, kGenerate, kChat };
const char* to_string(RequestKind kind);

// Settings that change what is generated. Part of a request's identity.
struct GenerateSettings {
  std::vector<std::string> stop;  // the text ends before the first occurrence of any of these
  int max_tokens = 256;
  double temperature = 0;  // 0 = greedy
  double top_p = 1;
  int top_k = 0;      // 0 = off
  int samples = 1;    // n independent texts
  uint64_t seed = 0;  // the run's seed; ignored when greedy
};

// What is asked of a model.
struct Request {
  RequestKind kind = RequestKind::kLoglikelihood;
  // Who asks: not part of the identity.
  std::string task;  // "mmlu_anatomy@deepseek"
  std::string item_id;
  int part = 0;  // 0-based position among the requests of this item; see tasks/requests.h for its meaning

  std::string context;                     // kLoglikelihood, kGenerate
  size_t shared_bytes = 0;                 // as in Prompt: lets storage keep the common head once. Not identity.
  std::vector<std::string> continuations;  // kLoglikelihood: at least one, delimiter included
  std::string text;                        // kRolling: the whole text
  std::vector<Message> messages;           // kChat
  GenerateSettings generate;               // kGenerate, kChat
  // How a prompt that is longer than the model's context is treated: cut from the left, or left unanswered.
  bool truncate_left = false;
};

// Whether what comes back is text.
inline bool generates(const Request& request) {
  return request.kind == RequestKind::kGenerate || request.kind == RequestKind::kChat;
}

// What a model said about one continuation (or one rolling text).
struct ContinuationScore {
  double logprob = 0;  // sum over its tokens of the natural-log probability
  int tokens = 0;
  int64_t bytes = 0;       // UTF-8 length of the continuation's text
  int64_t characters = 0;  // code points
  bool is_greedy = false;  // every token was the most probable one
  // kRolling, where the backend says it: mean log-probability of the fifth of the text's tokens that are least likely,
  // of one token at least ("Min-20% Prob", Shi et al. 2024, "Detecting pretraining data from large language models").
  std::optional<double> rarest;
};

// kContentFilter: a server withheld the text, or its rest.
enum class FinishReason { kStop, kEndOfText, kLength, kContentFilter };
const char* to_string(FinishReason reason);

struct GeneratedText {
  std::string text;  // stop string not included
  FinishReason finish = FinishReason::kStop;
  int tokens = 0;
};

// How a request ended. Anything but kAnswered leaves the item missing, never wrong.
enum class ResponseStatus {
  kAnswered,
  kTooLong,  // the prompt does not fit the context and its convention does not allow cutting it
  kFailed,   // the backend lost it (server gave up, ...): `detail` says how
};
const char* to_string(ResponseStatus status);

// What came back, raw, before any judging.
struct Response {
  ResponseStatus status = ResponseStatus::kAnswered;
  std::string detail;
  std::vector<ContinuationScore> continuations;  // kLoglikelihood: one each; kRolling: exactly one
  std::vector<GeneratedText> texts;              // kGenerate, kChat: one a sample
  int prompt_tokens = 0;
  bool truncated = false;   // the prompt was cut from the left
  std::string answered_by;  // the model's name as the server gives it, with its version; empty = not said
};

// What kind of result a score is.
enum class Outcome {
  kScored,
  kUnparsed,  // the model answered, no answer was found in it: counts as wrong in the mean, is counted apart
  kTimedOut,
  kRefused,
  kMissing,  // never answered: not in the mean, the run says it is incomplete
};
const char* to_string(Outcome outcome);

// One number for one item under one metric and one answer filter.
struct Score {
  std::string item_id;
  std::string metric;  // "acc", "exact_match", ...
  std::string filter;  // name of the extraction pipeline, "none" where there is none
  Outcome outcome = Outcome::kScored;
  double value = 0;
  double weight = 1;      // bits_per_byte: bytes of the text; mcc and f1 of choices: choice_pair(); else 1
  std::string extracted;  // the answer as extracted, for people
  std::string gold;       // the gold answer, for people
  // Items of one cluster are not independent (one passage, one stem); empty: on its own.
  std::string cluster;
};

// The gold choice and the one that the model chose, as the one number that a score can carry.
inline constexpr int kMostChoices = 1 << 20;
inline double choice_pair(int gold, int chosen) {
  return static_cast<double>(gold) * kMostChoices + chosen;
}
inline int gold_of_pair(double pair) {
  return static_cast<int>(pair / kMostChoices);
}
inline int chosen_of_pair(double pair) {
  return static_cast<int>(pair - static_cast<double>(gold_of_pair(pair)) * kMostChoices);
}

// Identity of a request: hash over everything that can change its answer, and of nothing else.
//   model_identity: BackendInfo::identity (weights, tokenizer, numerics)
Digest request_hash(const Request& request, const std::string& model_identity);

}  // namespace assay
