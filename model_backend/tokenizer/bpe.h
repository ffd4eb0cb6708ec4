// Byte-pair encoding. A piece starts as its code points; then, again and again, the neighbouring pair with the lowest
// rank is merged (the leftmost of equal ones), until no pair has a rank. Serves byte-level vocabularies, SentencePiece
// vocabularies with byte fallback, and GGUF vocabularies whose ranks come from scores.
//
// The work is a heap of candidate pairs over a linked list of symbols: O(n log n) in the length of the piece.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model_backend/tokenizer/model.h"

namespace assay {

struct BpeOptions {
  std::optional<std::string> unknown_token;  // stands for code points outside the vocabulary; none: they are dropped
  std::string continuing_subword_prefix;     // in front of every symbol but a piece's first
  std::string end_of_word_suffix;            // behind a piece's last symbol
  bool fuse_unknown = false;                 // a run of unknown code points is one token
  bool byte_fallback = false;                // unknown code points become their bytes, tokens "<0x00>".."<0xFF>"
  bool ignore_merges = false;                // a piece that is a token as a whole is that token
};

// Pair of ids -> rank and merged id. Open addressing: the lookup is the inner loop of encoding.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    TokenId merged;
  };
  explicit MergeTable(size_t expected);
  // A pair that comes again replaces its merge.
  void set(TokenId left, TokenId right, Merge merge);
  const Merge* find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    uint64_t key;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  void grow();
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

class Bpe : public TokenModel {
 public:
  using TextPair = std::pair<std::string, std::string>;

  // merges: in order of rank. Throws Error(kInput) headed by `where` when a merge names a text, or makes one, that the
  // vocabulary lacks, or when the unknown token is not in it.
  Bpe(Vocab vocab, const std::vector<TextPair>& merges, BpeOptions options, std::string where);

  // SentencePiece's view of the same thing: any two neighbours whose joint text is a token may merge, the token with
  // the highest score first. scores[id] belongs to the token `id`.
  static Bpe from_scores(Vocab vocab, const std::vector<double>& scores, BpeOptions options, std::string where);

  void encode(std::string_view piece, std::vector<TokenId>& out) const override;
  const Vocab& vocab() const override { return vocab_; }

 private:
  Bpe(Vocab vocab, MergeTable merges, BpeOptions options, std::string where);
  void read_first_symbols(std::string_view piece, std::vector<TokenId>& symbols) const;
  bool append_bytes(std::string_view text, std::vector<TokenId>& symbols) const;
  void merge(std::vector<TokenId>& symbols) const;

  Vocab vocab_;
  MergeTable merges_;
  BpeOptions options_;
  std::string where_;
  std::optional<TokenId> unknown_;
  std::vector<TokenId> byte_tokens_;  // 256, -1 where the vocabulary has none
  std::vector<TokenId> short_ids_;    // code point -> id below kShortIds, -1 unknown; empty with prefix or suffix
};

// The name of a byte's fallback token: "<0x0A>".
std::string byte_token_name(uint8_t byte);

}  // namespace assay
