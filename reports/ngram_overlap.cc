#include "reports/ngram_overlap.h"

#include <string>

#include "core/hash.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr uint64_t kBase = 0x9E3779B97F4A7C15;  // odd, so that every place of a word counts

// Characters that are words by themselves: CJK ideographs, kana, hangul.
bool is_word_alone(char32_t c) {
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

// Letters and digits; beyond ASCII all but spaces and the blocks of punctuation.
bool is_in_word(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x2BFF) && !(c >= 0x3000 && c <= 0x303F) &&
         !(c >= 0xFE30 && c <= 0xFE4F) && !(c >= 0xFF00 && c <= 0xFF0F) && !is_space(c) && c != 0xFFFD;
}

template <typename Visit>
void for_each_word(std::string_view text, Visit&& visit) {
  std::string word;
  auto end_word = [&] {
    if (!word.empty()) visit(stable_hash(0, word));
    word.clear();
  };
  for (size_t position = 0; position < text.size();) {
    const char32_t c = next_code_point(text, position);
    if (is_word_alone(c)) {
      end_word();
      append_utf8(word, c);
      end_word();
    } else if (is_in_word(c)) {
      append_utf8(word, c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else {
      end_word();
    }
  }
  end_word();
}

uint64_t extended(uint64_t run, uint64_t word) {
  return (run + word) * kBase;
}

// Of the last `length` words, the newest at `last[(count - 1) % kWords]`. The length is part of the hash.
uint64_t run_hash(const uint64_t (&last)[NgramOverlap::kWords], size_t count, size_t length) {
  uint64_t run = length;
  for (size_t i = count - length; i < count; ++i) run = extended(run, last[i % NgramOverlap::kWords]);
  return run;
}

}  // namespace

void NgramOverlap::add_item(std::string_view text) {
  const auto item = static_cast<uint32_t>(seen_.size());
  std::vector<uint64_t> words;
  for_each_word(text, [&](uint64_t word) { words.push_back(word); });
  seen_.push_back(words.size() < kFewestWords ? Seen::kTooShort : Seen::kNo);
  if (words.size() < kFewestWords) return;
  const size_t length = words.size() < kWords ? words.size() : kWords;
  lengths_[length] = true;
  for (size_t first = 0; first + length <= words.size(); ++first) {
    uint64_t run = length;
    for (size_t i = first; i < first + length; ++i) run = extended(run, words[i]);
    grams_[run].push_back(item);
  }
}

void NgramOverlap::read(std::string_view document) {
  uint64_t last[kWords] = {};
  size_t count = 0;
  for_each_word(document, [&](uint64_t word) {
    last[count % kWords] = word, ++count;
    for (size_t length = kFewestWords; length <= kWords && length <= count; ++length) {
      if (!lengths_[length]) continue;
      auto found = grams_.find(run_hash(last, count, length));
      if (found == grams_.end()) continue;
      for (uint32_t item : found->second) seen_[item] = Seen::kYes;
    }
  });
}

}  // namespace assay
