// SentencePiece's normaliser as tokenizer.json holds it: a table of replacements, compiled ("precompiled_charsmap").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/pattern.h"

namespace assay {

// Bytes, little-endian:
//
//   u32                  size of the trie in bytes, a multiple of 4
//   u32...               a double-array trie over UTF-8 keys; a key's value is an offset into the texts
//   bytes                the replacements, each ended by a zero byte
//
// A cluster of code points (a letter and its marks, CR and LF) of fewer than 6 bytes is replaced as one, by the
// replacement of the shortest key that it begins with, marks behind that key included; every other code point by
// itself. That is what the library behind these files does, oddities and all.
class Precompiled {
 public:
  // `base64`: the value in the file. Throws Error(kInput) headed by `where`.
  Precompiled(std::string_view base64, const std::string& where);

  std::string apply(const std::string& text) const;

 private:
  // Whether `part` begins with a key; then its replacement is appended.
  bool replace(std::string_view part, std::string& out) const;

  std::vector<uint32_t> trie_;
  std::string texts_;
  Pattern clusters_;  // those of several code points
};

}  // namespace assay
