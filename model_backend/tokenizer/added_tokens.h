// Tokens that are found in the text itself, before (or, with `normalized`, after) the normaliser and ahead of the
// model: special tokens and those added to a vocabulary later. At each place the longest one wins.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/normalizer.h"
#include "model_backend/tokenizer/trie.h"
#include "model_backend/tokenizer/vocab.h"

namespace assay {

struct AddedToken {
  TokenId id;
  std::string content;
  bool single_word = false;  // not between word characters
  bool lstrip = false;       // swallows the white space in front of it
  bool rstrip = false;       // and behind it
  bool normalized = false;   // searched in the normalised text, and itself normalised for that
  bool special = false;      // left out by decode(skip_special)
};

// Immutable; any thread may search.
class AddedTokens {
 public:
  AddedTokens() = default;
  // Throws Error(kInput) headed by `where` when two tokens share an id or one token has two.
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer, const std::string& where);

  // A stretch of the text: an added token, or plain text (token null).
  struct Part {
    std::string_view text;
    const AddedToken* token;
  };
  // Cuts a raw text at the tokens that are not `normalized`, a normalised one at those that are.
  std::vector<Part> split_raw(std::string_view text) const { return split(text, raw_); }
  std::vector<Part> split_normalized(std::string_view text) const { return split(text, normalized_); }

  // Whether the bytes of a token alone decide that it is found, wherever it stands and whatever is around it.
  bool match_locally() const { return match_locally_; }
  size_t longest() const { return longest_; }  // bytes

  const Vocab& vocab() const { return vocab_; }
  bool is_special(TokenId id) const;

 private:
  std::vector<Part> split(std::string_view text, const Trie& trie) const;

  std::vector<AddedToken> tokens_;
  Vocab vocab_;
  std::vector<bool> special_;  // by id
  Trie raw_, normalized_;      // text -> index in tokens_
  bool match_locally_ = true;
  size_t longest_ = 0;
};

}  // namespace assay
