#include "model_backend/engine/generation.h"

#include <algorithm>

namespace assay {
namespace {

size_t first_stop(std::string_view text, const std::vector<std::string>& stop, size_t from) {
  size_t first = std::string::npos;
  for (const std::string& word : stop) {
    if (word.empty()) continue;
    const size_t begin = from >= word.size() ? from - word.size() + 1 : 0;
    first = std::min(first, text.find(word, begin));
  }
  return first;
}

}  // namespace

std::string cut_at_stop(std::string text, const std::vector<std::string>& stop) {
  const size_t at = first_stop(text, stop, 0);
  if (at != std::string::npos) text.resize(at);
  return text;
}

GeneratedSequence::GeneratedSequence(const Tokenizer& tokenizer, const std::vector<std::string>& stop,
                                     const std::vector<int>& eos, int max_tokens)
    : tokenizer_(tokenizer), stop_(stop), eos_(eos), max_tokens_(max_tokens) {}

std::optional<GeneratedText> GeneratedSequence::add(int32_t token) {
  if (std::find(eos_.begin(), eos_.end(), token) != eos_.end()) return finish(FinishReason::kEndOfText, tokens() + 1);
  const size_t old_size = bytes_.size();
  tokens_.push_back(token);
  bytes_ += tokenizer_.token_bytes(token);
  ends_.push_back(bytes_.size());
  if (auto stop_at = find_stop(old_size)) {
    return GeneratedText{text_before(*stop_at), FinishReason::kStop, tokens()};
  }
  if (tokens() == max_tokens_) return finish(FinishReason::kLength, tokens());
  return std::nullopt;
}

std::optional<size_t> GeneratedSequence::find_stop(size_t old_size) const {
  const size_t at = first_stop(bytes_, stop_, old_size);
  if (at == std::string::npos) return std::nullopt;
  return at;
}

GeneratedText GeneratedSequence::finish(FinishReason reason, int tokens) const {
  return {tokenizer_.decode(tokens_, true), reason, tokens};
}

// The decoded text is cut itself, since its beginning may differ from the joined bytes (SentencePiece drops the first
// space). A stop string that is a special token is not in the decoded text: then whole tokens are left out.
std::string GeneratedSequence::text_before(size_t stop_at) const {
  const std::string text = tokenizer_.decode(tokens_, true);
  if (first_stop(text, stop_, 0) != std::string::npos) return cut_at_stop(text, stop_);
  const size_t whole = std::upper_bound(ends_.begin(), ends_.end(), stop_at) - ends_.begin();
  return tokenizer_.decode({tokens_.data(), whole}, true);
}

}  // namespace assay
