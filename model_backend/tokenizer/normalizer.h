// The first stage: text -> text, before the vocabulary is looked at. Steps of tokenizer.json that are understood:
// Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, ByteLevel, Nmt, BertNormalizer,
// Precompiled.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "model_backend/tokenizer/pattern.h"

namespace assay {

class Normalizer {
 public:
  using Step = std::function<std::string(std::string)>;

  // keeps_ascii: the step changes no text of ASCII alone.
  void add(Step step, bool keeps_ascii = false) {
    steps_.push_back(std::move(step));
    keeps_ascii_ = keeps_ascii_ && keeps_ascii;
  }
  std::string apply(std::string text) const;
  bool empty() const { return steps_.empty(); }
  bool keeps_ascii() const { return keeps_ascii_; }

 private:
  std::vector<Step> steps_;
  bool keeps_ascii_ = true;
};

// In front of every text that is not empty.
Normalizer::Step prepend_step(std::string prefix);
Normalizer::Step replace_step(Pattern pattern, std::string content);

// `json` may be null: no steps. Throws Error(kInput) headed by `where`; a type that is not understood is refused by
// name.
Normalizer read_normalizer(const Json& json, const std::string& where);

}  // namespace assay
