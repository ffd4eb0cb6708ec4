// What a thread remembers from one text to the next while it encodes many of them with one tokenizer: the ids of words,
// and the last text with the places from which encoding may go on. Few-shot prompts begin alike, so most of a prompt
// is not encoded again. Ids never depend on it.
//
// A place may be used by every text that has the same bytes up to there and Pipeline's safe distance beyond.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model_backend/tokenizer/model.h"

namespace assay {

// Pieces and their ids, some thousands of them; when it is full it starts anew.
class WordMemory {
 public:
  // Appends the ids of `piece`, as `model` encodes it. Always the same model.
  void encode(std::string_view piece, const TokenModel& model, std::vector<TokenId>& out);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Known {
    size_t begin;  // into ids_
    size_t count;
  };
  std::unordered_map<std::string, Known, Hash, std::equal_to<>> words_;
  std::vector<TokenId> ids_;
};

// One thread's, and one tokenizer's.
struct EncodeMemory {
  struct Place {
    size_t bytes;  // the text up to here
    size_t ids;    // became so many ids
  };
  std::string text;
  std::vector<TokenId> ids;   // of `text`
  std::vector<Place> places;  // ascending; none: nothing of `text` can be used
  WordMemory words;

  // Forgets what is not the beginning of `next` too, up to the last place that lies `distance` before the first
  // difference. Gives the bytes that need not be encoded again; `ids` are theirs.
  size_t keep_common(std::string_view next, size_t distance);
  // Notes a place, unless the last one is near.
  void add_place(size_t bytes, size_t ids_so_far);
  void forget_text();
};

}  // namespace assay
