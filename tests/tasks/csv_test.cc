#include "tasks/csv.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {

using Records = std::vector<std::vector<std::string>>;

Records fields_of(const std::string& text, char separator = ',') {
  Records out;
  for (const CsvRecord& record : parse_csv(text, separator, "a.csv")) out.push_back(record.fields);
  return out;
}

TEST_CASE("records are read as RFC 4180 says") {
  struct Row {
    std::string text;
    Records expected;
  };
  const Row rows[] = {
      {"a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
      {"a,b\r\nc,d", {{"a", "b"}, {"c", "d"}}},
      {"a,b\rc,d", {{"a", "b"}, {"c", "d"}}},
      {"\"a,b\",c", {{"a,b", "c"}}},
      {"\"say \"\"hi\"\"\",c", {{"say \"hi\"", "c"}}},
      {"\"two\nlines\",c\nd,e", {{"two\nlines", "c"}, {"d", "e"}}},
      {"\"two\r\nlines\"", {{"two\r\nlines"}}},
      {"a,,\n", {{"a", "", ""}}},
      {"\"\",b", {{"", "b"}}},
      {"5\" pipe,b", {{"5\" pipe", "b"}}},  // a quote further in is a character
      {"a\n\n\nb\n", {{"a"}, {"b"}}},
      {"", {}},
      {"a,", {{"a", ""}}},
  };
  for (const Row& row : rows) CHECK(fields_of(row.text) == row.expected);
  CHECK(fields_of("q\t['x, y']\n", '\t') == Records{{"q", "['x, y']"}});
}

TEST_CASE("records know the line they start at") {
  const auto records = parse_csv("a\n\"b\nc\"\nd\n", ',', "a.csv");
  REQUIRE(records.size() == 3);
  CHECK(records[1].line == 2);
  CHECK(records[2].line == 4);
}

TEST_CASE("a broken quote is an error that gives the line") {
  using testing::error_of;
  CHECK(error_of([] { fields_of("a,b\nc,\"d\ne,f\n"); }) ==
        "a.csv:2: a quoted field is never closed (write a quote inside a quoted field twice)");
  CHECK(error_of([] { fields_of("a\n\"b\"c\n"); }) ==
        "a.csv:2: a quoted field goes on after its closing quote (write a quote inside a quoted field twice)");
}

}  // namespace assay
