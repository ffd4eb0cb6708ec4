// The second stage: cuts a normalised text into the pieces that the vocabulary's model sees one by one. Steps of
// tokenizer.json that are understood: Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace,
// WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "model_backend/tokenizer/pattern.h"

namespace assay {

struct Piece {
  size_t begin;
  size_t end;     // half-open, bytes of Pieces::text
  bool at_start;  // begins where the whole text given to the tokenizer begins
};

// A text and its pieces, in order and never empty. Parts of the text may belong to no piece.
struct Pieces {
  std::string text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

// What becomes of the matches of a split's pattern. Contiguous: neighbouring matches are one piece.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Metaspace: when the stand-in for a space goes in front of a piece. First: of the text's first piece only.
enum class PrependScheme { kAlways, kNever, kFirst };

class PreTokenizer {
 public:
  // What is known of a step. Digits: each one is a piece. Words: one of the expressions of GPT-2, Llama 3 and Qwen2,
  // every match of which depends on the text from its beginning on only, and where it ends with a letter on no more
  // than the code point that follows. Bytes: the byte alphabet's stand-ins (byte_level.h).
  enum class Kind { kOther, kDigits, kWords, kBytes };
  struct Step {
    std::function<void(Pieces&)> apply;
    Kind kind = Kind::kOther;
  };

  void add(Step step) { steps_.push_back(std::move(step)); }
  void apply(Pieces& pieces) const;
  // Whether a text may be cut behind each piece that ends with an ASCII letter: the pieces up to there are the same
  // whatever follows the next code point, and those behind it are the ones of the rest by itself. Each byte of a text
  // is one code point of a piece.
  bool cuts_locally() const;

 private:
  std::vector<Step> steps_;
};

// invert: the text between the matches takes the part of the matches.
PreTokenizer::Step split_step(Pattern pattern, SplitBehavior behavior, bool invert = false);
// Replaces each piece by the stand-ins of its bytes (byte_level.h).
PreTokenizer::Step byte_level_step();
// GPT-2's own expression, which ByteLevel with "use_regex" splits by; those of Llama 3 and Qwen2.
extern const char* const kGpt2Expression;
extern const char* const kLlama3Expression;
extern const char* const kQwen2Expression;

// `json` may be null: no steps. Throws Error(kInput) headed by `where`; a type that is not understood is refused by
// name.
PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where);
// The stand-in and scheme of a Metaspace object, as pre-tokenizer or decoder.
struct Metaspace {
  std::string replacement;
  PrependScheme scheme;
};
Metaspace read_metaspace(const JsonObject& object);

}  // namespace assay
