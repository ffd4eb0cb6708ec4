#include "core/records.h"

#include "core/error.h"
#include "core/hash.h"

namespace assay {

const char* to_string(RequestKind kind) {
  switch (kind) {
    case RequestKind::kLoglikelihood:
      return "loglikelihood";
    case RequestKind::kRolling:
      return "rolling";
    case RequestKind::kGenerate:
      return "generate";
    case RequestKind::kChat:
      return "chat";
  }
  ASSAY_ASSERT(false, "every request kind has a name");
}

const char* to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kEndOfText:
      return "end_of_text";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContentFilter:
      return "content_filter";
  }
  ASSAY_ASSERT(false, "every finish reason has a name");
}

const char* to_string(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::kAnswered:
      return "answered";
    case ResponseStatus::kTooLong:
      return "too_long";
    case ResponseStatus::kFailed:
      return "failed";
  }
  ASSAY_ASSERT(false, "every response status has a name");
}

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kScored:
      return "scored";
    case Outcome::kUnparsed:
      return "unparsed";
    case Outcome::kTimedOut:
      return "timed_out";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kMissing:
      return "missing";
  }
  ASSAY_ASSERT(false, "every outcome has a name");
}

Digest request_hash(const Request& request, const std::string& model_identity) {
  FieldHash hash;
  hash.add("assay-request-1").add(model_identity).add(to_string(request.kind));
  hash.add_number(request.truncate_left);
  switch (request.kind) {
    case RequestKind::kLoglikelihood:
      hash.add(request.context).add_number(static_cast<int64_t>(request.continuations.size()));
      for (const std::string& continuation : request.continuations) hash.add(continuation);
      return hash.digest();
    case RequestKind::kRolling:
      return hash.add(request.text).digest();
    case RequestKind::kGenerate:
      hash.add(request.context);
      break;
    case RequestKind::kChat:
      hash.add_number(static_cast<int64_t>(request.messages.size()));
      for (const Message& message : request.messages) hash.add(message.role).add(message.content);
      break;
  }
  const GenerateSettings& settings = request.generate;
  hash.add_number(static_cast<int64_t>(settings.stop.size()));
  for (const std::string& stop : settings.stop) hash.add(stop);
  hash.add_number(settings.max_tokens).add_real(settings.temperature).add_real(settings.top_p);
  hash.add_number(settings.top_k).add_number(settings.samples);
  // Greedy answers do not depend on the seed.
  hash.add_number(settings.temperature > 0 ? static_cast<int64_t>(settings.seed) : 0);
  return hash.digest();
}

}  // namespace assay
