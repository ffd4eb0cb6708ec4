#include "reports/ngram_overlap.h"

#include <catch2/catch.hpp>
#include <string>

namespace assay {
namespace {

using Seen = NgramOverlap::Seen;

// "w<first> w<first+1> ..."
std::string words(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) text += "w" + std::to_string(i) + " ";
  return text;
}

Seen seen(const std::string& item, const std::string& document) {
  NgramOverlap overlap;
  overlap.add_item(item);
  overlap.read(document);
  return overlap.items()[0];
}

TEST_CASE("thirteen words in a row are enough, twelve are not") {
  CHECK(seen(words(0, 30), words(100, 50) + words(10, 13) + words(200, 50)) == Seen::kYes);
  CHECK(seen(words(0, 30), words(100, 50) + words(10, 12) + words(200, 50)) == Seen::kNo);
  CHECK(seen(words(0, 30), words(10, 6) + "between " + words(16, 12)) == Seen::kNo);
  CHECK(seen(words(0, 13), words(0, 13)) == Seen::kYes);
}

TEST_CASE("an item of eight to twelve words must stand there whole, a shorter one says nothing") {
  CHECK(seen(words(0, 8), "x " + words(0, 8)) == Seen::kYes);
  CHECK(seen(words(0, 12), "x " + words(0, 11)) == Seen::kNo);
  CHECK(seen(words(0, 7), words(0, 7)) == Seen::kTooShort);
  CHECK(seen("", "") == Seen::kTooShort);
}

TEST_CASE("case, punctuation and line breaks do not count, the order of words does") {
  CHECK(seen("The Quick brown fox, (jumps) over the lazy dog.", "the quick BROWN fox jumps\nover the -- lazy dog") ==
        Seen::kYes);
  CHECK(seen("a b c d e f g h", "h g f e d c b a") == Seen::kNo);
}

TEST_CASE("each Chinese character is a word") {
  CHECK(seen("下列哪一个城市是中国的首都？", "题：下列哪一个城市，是中国的首都。") == Seen::kYes);
  CHECK(seen("下列哪一个城市是中国的首都？", "下列哪一个城市是法国的首都") == Seen::kNo);
}

TEST_CASE("no run goes on from one document into the next, and items are told apart") {
  NgramOverlap overlap;
  overlap.add_item(words(0, 20));
  overlap.add_item(words(50, 9));
  overlap.add_item(words(5, 20));
  overlap.read(words(0, 10));
  overlap.read(words(10, 10));
  overlap.read(words(50, 9));
  CHECK(overlap.items() == std::vector<Seen>{Seen::kNo, Seen::kYes, Seen::kNo});
  overlap.read(words(3, 16));
  CHECK(overlap.items() == std::vector<Seen>{Seen::kYes, Seen::kYes, Seen::kYes});
}

}  // namespace
}  // namespace assay
