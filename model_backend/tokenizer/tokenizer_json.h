// Hugging Face's tokenizer.json -> Pipeline. The file alone decides how texts are encoded, as in the `tokenizers`
// library: what tokenizer_config.json repeats or adds does not enter.
//
//   { "added_tokens": [...], "normalizer": {...}, "pre_tokenizer": {...}, "post_processor": {...}, "decoder": {...},
//     "model": { "type": "BPE", "vocab": {text: id, ...}, "merges": ["a b", ...] or [["a", "b"], ...], ... } }
//
// Models that are understood: BPE without dropout, Unigram.
#pragma once

#include <string>
#include <string_view>

#include "model_backend/tokenizer/pipeline.h"

namespace assay {

// Throws Error(kInput) headed by `where` and the place in the file.
Pipeline read_tokenizer_json(std::string_view text, const std::string& where);

}  // namespace assay
