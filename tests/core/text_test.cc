#include "core/text.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {

TEST_CASE("code points are read and written back") {
  const std::string text = "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80";
  std::string copy;
  size_t i = 0;
  while (i < text.size()) append_utf8(copy, next_code_point(text, i));
  CHECK(copy == text);
  CHECK(count_code_points(text) == 4);
}

TEST_CASE("invalid UTF-8 is replaced by maximal subparts, as Python does") {
  struct Row {
    std::string bytes, expected;
  };
  const Row rows[] = {
      {"\xFF", "\xEF\xBF\xBD"},
      {"a\x80z", "a\xEF\xBF\xBDz"},
      {"\xE4\xB8", "\xEF\xBF\xBD"},  // truncated three-byte sequence: one mark
      {"\xE4\xB8z", "\xEF\xBF\xBDz"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // surrogate
      {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
  };
  for (const Row& row : rows) {
    CHECK(replace_invalid_utf8(row.bytes) == row.expected);
    CHECK_FALSE(is_valid_utf8(row.bytes));
  }
  CHECK(is_valid_utf8("\xEF\xBF\xBD"));
}

TEST_CASE("white space is stripped as Python strips it") {
  CHECK(strip("  a b\n\t ") == "a b");
  CHECK(strip("\xE3\x80\x80\xE4\xB8\xAD\xC2\xA0") == "\xE4\xB8\xAD");
  CHECK(strip("   ") == "");
  CHECK(strip_right(" a ") == " a");
  CHECK(split_words(" a\xE3\x80\x80"
                    "b\n\nc ") == std::vector<std::string>{"a", "b", "c"});
  CHECK(split_words(" ").empty());
}

TEST_CASE("globs match whole names") {
  CHECK(glob_match("mmlu*", "mmlu_anatomy"));
  CHECK(glob_match("*_anatomy", "mmlu_anatomy"));
  CHECK(glob_match("m?lu", "mmlu"));
  CHECK_FALSE(glob_match("mmlu", "mmlu_anatomy"));
  CHECK(glob_match("a*b*c", "a__b_b_c"));
}

TEST_CASE("a missing file is an input error that names it") {
  CHECK(testing::error_of([] { read_file("no/such/file.json"); }) == "no/such/file.json: no such file");
}

}  // namespace assay
