#include "sandbox/output.h"

#include <catch2/catch.hpp>

namespace assay {

TEST_CASE("output is kept whole while it is short") {
  OutputKeeper output(1 << 20);
  output.add("abc\n", 4);
  output.add("\x1b[31mred\x07", 9);
  CHECK(output.text() == "abc\n[31mred");
  CHECK_FALSE(output.truncated());
  CHECK_FALSE(output.over());
}

TEST_CASE("of long output head and tail are kept, and what is left out is said") {
  OutputKeeper output(1 << 20);
  const std::string block(1000, 'x');
  output.add("first", 5);
  for (int i = 0; i < 100; ++i) output.add(block.data(), block.size());
  output.add("last", 4);
  const std::string text = output.text();
  CHECK(text.substr(0, 5) == "first");
  CHECK(text.substr(text.size() - 4) == "last");
  CHECK(text.find("bytes left out") != std::string::npos);
  CHECK(text.size() < 9000);
  CHECK(output.truncated());
  CHECK_FALSE(output.over());
}

TEST_CASE("nothing in a program's words moves the cursor or turns the line") {
  CHECK(escape_controls("raised \r\x1b[2Kpass\n") == "raised \\x0d\\x1b[2Kpass\\x0a");
  CHECK(escape_controls("a\xC2\x9B"
                        "2J\xE2\x80\xAE"
                        "b\x7F\xE2\x80\xA8") == "a\\x9b2J\\u202eb\\x7f\\u2028");
  CHECK(escape_controls("gr\xC3\xB6\xC3\x9F"
                        "e \xF0\x9F\x98\x80 \xFF") ==
        "gr\xC3\xB6\xC3\x9F"
        "e \xF0\x9F\x98\x80 \xEF\xBF\xBD");
  OutputKeeper output(1 << 20);
  const std::string text =
      "a\xC2\x9B"
      "b\xE2\x81\xA6"
      "c\xC3\xA9\n";
  output.add(text.data(), text.size());
  CHECK(output.text() == "abc\xC3\xA9\n");
}

TEST_CASE("output above its limit is noticed, and invalid bytes are replaced") {
  OutputKeeper output(3);
  output.add("ab\xff", 3);
  CHECK_FALSE(output.over());
  CHECK(output.text() == "ab\xEF\xBF\xBD");
  output.add("c", 1);
  CHECK(output.over());
}

}  // namespace assay
