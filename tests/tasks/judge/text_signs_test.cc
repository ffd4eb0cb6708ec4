#include "tasks/judge/text_signs.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

std::string times(const std::string& piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

}  // namespace

TEST_CASE("refusals are known by their phrases, in English and Chinese") {
  for (const char* text :
       {"I'm sorry, but I can't help with that.", "I’m unable to do this.", "I cannot assist with it",
        "很抱歉，我无法提供这方面的信息。", "对不起，我不能回答这个问题。"})
    CHECK(is_refusal(text));
  for (const char* text : {"", "Sure, here is how:", "The capital is Paris.", "当然可以，步骤如下："})
    CHECK_FALSE(is_refusal(text));
  CHECK_FALSE(is_refusal(times("word ", 200) + "I cannot assist"));
}

TEST_CASE("a text that ends in a loop is known, whatever the piece") {
  CHECK(ends_in_a_loop("Once. " + times("and so on, ", 20)));
  CHECK(ends_in_a_loop(times("哈", 100)));
  CHECK(ends_in_a_loop("x" + times("这是同一句话，说了很多遍，没有尽头，一直说下去。", 4)));
  CHECK(ends_in_a_loop("lead " + times("one two three four five six seven eight nine ten ", 3)));
  CHECK(ends_in_a_loop(times("abcdefghij", 10) + "abc"));  // cut inside a piece
  CHECK_FALSE(ends_in_a_loop(""));
  CHECK_FALSE(ends_in_a_loop("ha ha ha"));
  CHECK_FALSE(ends_in_a_loop(times("and so on, ", 20) + "The end."));
  CHECK_FALSE(
      ends_in_a_loop("The quick brown fox jumps over the lazy dog while the other dogs sleep in the warm sun all "
                     "day and dream of bones."));
  CHECK_FALSE(ends_in_a_loop(times("one two three four five six seven eight nine ten eleven ", 2)));
}

}  // namespace assay
