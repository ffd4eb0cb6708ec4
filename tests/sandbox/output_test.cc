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

TEST_CASE("output above its limit is noticed, and invalid bytes are replaced") {
  OutputKeeper output(3);
  output.add("ab\xff", 3);
  CHECK_FALSE(output.over());
  CHECK(output.text() == "ab\xEF\xBF\xBD");
  output.add("c", 1);
  CHECK(output.over());
}

}  // namespace assay
