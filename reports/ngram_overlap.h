// Which items stand in a training text: an item counts as seen when 13 words of it in a row occur there (the rule of
// Brown et al. 2020, "Language models are few-shot learners", appendix C). An item of 8 to 12 words must occur whole;
// a shorter one says nothing.
//
// Words: runs of letters and digits, ASCII in lower case; each Chinese, Japanese or Korean character is a word. All
// else only separates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay {

class NgramOverlap {
 public:
  static constexpr size_t kWords = 13, kFewestWords = 8;

  // Items first, then texts. Items are numbered from 0 in the order of these calls.
  void add_item(std::string_view text);
  // One document of the training text: no run of words goes on into the next one. Memory does not grow.
  void read(std::string_view document);

  enum class Seen { kNo, kYes, kTooShort };
  const std::vector<Seen>& items() const { return seen_; }

 private:
  std::unordered_map<uint64_t, std::vector<uint32_t>> grams_;  // hash of a run of words -> items that hold it
  bool lengths_[kWords + 1] = {};                              // which lengths of runs are looked for
  std::vector<Seen> seen_;
};

}  // namespace assay
