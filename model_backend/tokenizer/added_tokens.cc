#include "model_backend/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/text.h"

namespace assay {
namespace {

// Start of the code point that ends at `end`.
size_t previous_start(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return start;
}

bool word_ends_at(std::string_view text, size_t end) {
  if (end == 0) return false;
  size_t start = previous_start(text, end);
  return is_word_character(next_code_point(text, start));
}

bool word_starts_at(std::string_view text, size_t start) {
  return start < text.size() && is_word_character(next_code_point(text, start));
}

size_t space_begin(std::string_view text, size_t end) {
  while (end > 0) {
    size_t start = previous_start(text, end), position = start;
    if (!is_white_space(next_code_point(text, position))) break;
    end = start;
  }
  return end;
}

size_t space_end(std::string_view text, size_t start) {
  while (start < text.size()) {
    size_t next = start;
    if (!is_white_space(next_code_point(text, next))) break;
    start = next;
  }
  return start;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer, const std::string& where)
    : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    vocab_.add(token.content, token.id, where);
    if (special_.size() < vocab_.size()) special_.resize(vocab_.size());
    if (token.special) special_[token.id] = true;
    if (token.single_word || token.lstrip || token.rstrip) match_locally_ = false;
    longest_ = std::max(longest_, token.content.size());
    int32_t index = static_cast<int32_t>(i);
    if (token.normalized) {
      normalized_.add(normalizer.apply(token.content), index);
    } else {
      raw_.add(token.content, index);
    }
  }
}

bool AddedTokens::is_special(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < special_.size() && special_[id];
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, const Trie& trie) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !trie.empty();) {
    size_t length = 0;
    int32_t index = -1;
    trie.for_each_prefix(text.substr(at), [&](size_t found_length, int32_t found_index) {
      length = found_length;
      index = found_index;
    });
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[index];
    size_t begin = at, end = at + length;
    at = end;
    if (token.single_word && (word_ends_at(text, begin) || word_starts_at(text, end))) continue;
    if (token.lstrip) begin = std::max(space_begin(text, begin), done);
    if (token.rstrip) end = space_end(text, end);
    if (done < begin) parts.push_back({text.substr(done, begin - done), nullptr});
    parts.push_back({text.substr(begin, end - begin), &token});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), nullptr});
  return parts;
}

}  // namespace assay
