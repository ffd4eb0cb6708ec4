// The special tokens that tokenizer.json itself puts around a text. Types that are understood: Sequence,
// TemplateProcessing, ByteLevel (adds nothing), BertProcessing, RobertaProcessing.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "model_backend/tokenizer/vocab.h"

namespace assay {

struct SpecialFrame {
  std::vector<TokenId> before;
  std::vector<TokenId> after;
};

// `json` may be null: nothing is added. Throws Error(kInput) headed by `where`; a type that is not understood is
// refused by name.
SpecialFrame read_post_processor(const Json& json, const std::string& where);

}  // namespace assay
