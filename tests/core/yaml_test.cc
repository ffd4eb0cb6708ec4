#include "core/yaml.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {

Json yaml(const std::string& text) {
  return parse_yaml(text, "a.yaml").value;
}
std::string yaml_error(const std::string& text) {
  return testing::error_of([&] { yaml(text); });
}

TEST_CASE("plain scalars get the types that PyYAML gives them") {
  struct Row {
    std::string text, json;
  };
  const Row rows[] = {
      {"yes", "true"},
      {"Off", "false"},
      {"no", "false"},
      {"y", "\"y\""},
      {"~", "null"},
      {"12", "12"},
      {"-3", "-3"},
      {"0x1F", "31"},
      {"017", "15"},
      {"1_000", "1000"},
      {"0.5", "0.5"},
      {"1e-5", "1e-05"},
      {"'12'", "\"12\""},
      {"\"no\"", "\"no\""},
      {"1.2.3", "\"1.2.3\""},
      {"A", "\"A\""},
      {"[A, 1]", "[\"A\",1]"},
      {"{a: b}", "{\"a\":\"b\"}"},
      {"|\n  x\n", "\"x\\n\""},
      {"!!str 5", "\"5\""},
      {"\"\\xE9\\_\\N\"", "\"\xC3\xA9\xC2\xA0\xC2\x85\""},
      {"5: five", "{\"5\":\"five\"}"},
      {"", "null"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(yaml(row.text).dump() == row.json);
  }
}

TEST_CASE("anchors are copied and merges give way to own keys") {
  CHECK(yaml("a: &x [1, 2]\nb: *x\n").dump() == R"({"a":[1,2],"b":[1,2]})");
  CHECK(yaml("base: &b {k: 1, l: 2}\nown:\n  <<: *b\n  l: 3\n")["own"] == Json({{"l", 3}, {"k", 1}}));
  CHECK(yaml("a: &a {k: 1}\nb: &b {k: 2, m: 3}\nc: {<<: [*a, *b]}\n")["c"] == Json({{"k", 1}, {"m", 3}}));
}

TEST_CASE("an application tag becomes an object of one key") {
  CHECK(yaml("f: !function utils.clean").dump() == R"({"f":{"!function":"utils.clean"}})");
}

TEST_CASE("every value knows its line") {
  const YamlDocument document = parse_yaml("a: 1\nb:\n  - x\n  - y: z\n", "a.yaml");
  CHECK(document.where("/b/1/y") == "a.yaml:4");
  CHECK(document.where("/b/1/absent/deeper") == "a.yaml:4");
  CHECK(document.where("/a") == "a.yaml:1");
}

TEST_CASE("malformed YAML is an error with its line") {
  CHECK(yaml_error("a: 1\nb: [1, 2\n").substr(0, 23) == "a.yaml:3: malformed YAM");
  CHECK(yaml_error("a: 1\nb: 2\na: 3\n") == "a.yaml:3: the key \"a\" is written twice");
  CHECK(yaml_error("a: *nobody\n").substr(0, 24) == "a.yaml:1: malformed YAML");
  CHECK(yaml_error("? [1, 2]\n: x\n") == "a.yaml:1: a map key must be a text");
  CHECK(yaml_error("a: &a [*a]\n") == "a.yaml:1: an alias to a value that contains it");
  CHECK(yaml_error("--- 1\n--- 2\n") == "a.yaml: holds more than one YAML document");
  CHECK(yaml_error("a: \"\xFF\"\n") == "a.yaml: is not UTF-8");
}

TEST_CASE("what unfolds without end is refused") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int k = 1; k < 10; ++k) bomb += ", " + below;
    bomb += "]\n";
  }
  CHECK(yaml_error(bomb) == "a.yaml:6: aliases unfold to too many values");
  CHECK(yaml_error(std::string(10'000, '[')) != "(no error)");
}

}  // namespace assay
