// The unigram language model of SentencePiece: of all ways to cut a piece into tokens, the one with the greatest sum of
// scores (Viterbi; the earlier start wins a tie). A code point that no token covers costs 10 more than the worst token;
// runs of such become bytes where there is byte fallback, else one unknown token.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/model.h"
#include "model_backend/tokenizer/trie.h"

namespace assay {

class Unigram : public TokenModel {
 public:
  // scores[id]: natural-log probability of the token `id`. Throws Error(kInput) headed by `where` when `unknown` is not
  // an id.
  Unigram(Vocab vocab, std::vector<double> scores, std::optional<int64_t> unknown, bool byte_fallback,
          std::string where);

  // Throws Error(kInput) for a text that needs the unknown token when there is none.
  void encode(std::string_view piece, std::vector<TokenId>& out) const override;
  const Vocab& vocab() const override { return vocab_; }

 private:
  void append_unknown(std::string_view text, std::vector<TokenId>& out) const;

  Vocab vocab_;
  std::vector<double> scores_;
  std::optional<TokenId> unknown_;
  bool byte_fallback_;
  std::string where_;
  double unknown_score_;
  Trie trie_;
};

}  // namespace assay
