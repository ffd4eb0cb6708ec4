// The tokenizer in a GGUF file's metadata, "tokenizer.ggml.*":
//
//   model           "llama" (SentencePiece by scores) or "gpt2" (byte-level BPE); others are refused by name
//   pre             gpt2 only: which pre-tokeniser, by the name that llama.cpp gives it
//   tokens scores token_type merges                        arrays over ids (merges: in order of rank)
//   bos_token_id eos_token_id add_bos_token add_eos_token add_space_prefix
//
// Texts are not normalised, as in llama.cpp, even where the original tokenizer.json had NFC.
#pragma once

#include "model_backend/checkpoint/gguf.h"
#include "model_backend/tokenizer/pipeline.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

struct GgufTokenizer {
  Pipeline pipeline;
  TokenizerFacts facts;
};

// Throws Error(kInput) naming file and key.
GgufTokenizer read_gguf_vocab(const GgufFile& file);

}  // namespace assay
