// One text being generated: its tokens, and whether it is at an end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

class GeneratedSequence {
 public:
  // All must outlive this. `eos`: tokens that end the text and are not part of it. max_tokens >= 1.
  GeneratedSequence(const Tokenizer& tokenizer, const std::vector<std::string>& stop, const std::vector<int>& eos,
                    int max_tokens);
  // Takes the next token. Gives the finished text when it is the last one: an end token, the end of a stop string
  // (which may span tokens) or the last of the budget. After that the object may not be used.
  std::optional<GeneratedText> add(int32_t token);
  int tokens() const { return static_cast<int>(tokens_.size()); }

 private:
  // Where the first stop string begins in bytes_, looking only at what the newest token may have completed.
  std::optional<size_t> find_stop(size_t old_size) const;
  GeneratedText finish(FinishReason reason, int tokens) const;
  std::string text_before(size_t stop_at) const;

  const Tokenizer& tokenizer_;
  const std::vector<std::string>& stop_;
  const std::vector<int>& eos_;
  int max_tokens_;
  std::vector<int32_t> tokens_;
  std::vector<size_t> ends_;  // [tokens] length of bytes_ after each token
  std::string bytes_;         // the tokens' bytes, joined; special tokens too, since a stop string may name one
};

// `text` up to the first occurrence of any of `stop` (the earliest one); all of it when there is none.
std::string cut_at_stop(std::string text, const std::vector<std::string>& stop);

}  // namespace assay
