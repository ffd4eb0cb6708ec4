// The first stage: text -> text, before the vocabulary is looked at. Steps of tokenizer.json that are understood:
// Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, ByteLevel.
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

  void add(Step step) { steps_.push_back(std::move(step)); }
  std::string apply(std::string text) const;

 private:
  std::vector<Step> steps_;
};

// In front of every text that is not empty.
Normalizer::Step prepend_step(std::string prefix);
Normalizer::Step replace_step(Pattern pattern, std::string content);

// `json` may be null: no steps. Throws Error(kInput) headed by `where`; a type that is not understood is refused by
// name.
Normalizer read_normalizer(const Json& json, const std::string& where);

}  // namespace assay
