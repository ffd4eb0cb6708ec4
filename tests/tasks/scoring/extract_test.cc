#include "tasks/extract.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tasks/python_literal.h"
#include "tasks/python_regex.h"
#include "tests/support.h"

namespace assay {
namespace {

using Texts = std::vector<std::string>;
using Answers = std::vector<std::optional<std::string>>;

FilterPipeline pipeline(std::vector<FilterStep> steps) {
  FilterPipeline made;
  made.steps = std::move(steps);
  for (const FilterStep& step : made.steps) REQUIRE(filter_defect(step) == "");
  return made;
}

std::optional<std::string> one(const FilterPipeline& steps, const std::string& text,
                               const Json& fields = Json::object()) {
  const Answers answers = extract_answers(steps, {text}, fields);
  REQUIRE(answers.size() == 1);
  return answers[0];
}

FilterStep regex(const std::string& pattern, int group_select = 0) {
  return {"regex", Json{{"regex_pattern", pattern}, {"group_select", group_select}}};
}

}  // namespace

TEST_CASE("patterns find what Python's re finds") {
  struct Row {
    const char *pattern, *text;
    std::vector<Texts> expected;
    const char* removed;  // re.sub(pattern, "", text)
  };
  // The right columns were printed by Python 3.11.
  const Row rows[] = {
      {"a*", "baac", {{""}, {"aa"}, {""}, {""}}, "bc"},
      {"$", "a\n", {{""}, {""}}, "a\n"},
      {"^a", "b\na", {}, "b\na"},
      {"(?m)^a", "b\na", {{"a"}}, "b\n"},
      {"\\.$", "18.\n", {{"."}}, "18\n"},
      {"\\.\\Z", "18.\n", {}, "18.\n"},
      {"(?s).*#### ", "x\ny #### 5", {{"x\ny #### "}}, "5"},
      {"(?<=the answer is )(.*)(?=.)", "the answer is 18.", {{"18"}}, "the answer is ."},
      {"(-?[$0-9.,]{2,})|(-?[0-9]+)", "it is $5, or 7", {{"$5,", ""}, {"", "7"}}, "it is  or "},
      {"(?P<x>\\d+)-(\\d+)", "1-2 3-4", {{"1", "2"}, {"3", "4"}}, " "},
      {"(?i)\xC3\x84", "\xC3\xA4", {{"\xC3\xA4"}}, ""},
      {"\\w+", "\xC3\xA9\xE4\xB8\xAD_b c", {{"\xC3\xA9\xE4\xB8\xAD_b"}, {"c"}}, " "},
      {"\\bA\\b",
       "A \xE4\xB8\xAD"
       "A A.",
       {{"A"}, {"A"}},
       " \xE4\xB8\xAD"
       "A ."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern, row.text);
    CHECK(PythonRegex(row.pattern).find_all(row.text) == row.expected);
    CHECK(PythonRegex(row.pattern).remove_from(row.text) == row.removed);
  }
  CHECK(PythonRegex("\\d+").replace_in("a12b3", "<>") == "a<>b<>");
}

TEST_CASE("a pattern that backtracks without end gives up and finds nothing") {
  const std::string text(60, 'a');
  CHECK(PythonRegex("(a|a)*(a|a)*(a|a)*b\\1").find_all(text).empty());
}

TEST_CASE("text that is not UTF-8 is searched with its broken bytes replaced") {
  CHECK(PythonRegex("[0-9]+").find_all("\xFF 12 \x80") == std::vector<Texts>{{"12"}});
}

TEST_CASE("a pattern that does not compile is an error that shows it") {
  const std::string message = testing::error_of([] { PythonRegex("(a", "task.yaml"); });
  CHECK(message.find("task.yaml: the pattern '(a' does not compile") == 0);
}

TEST_CASE("the regex filter follows lm-evaluation-harness") {
  struct Row {
    const char* pattern;
    int group_select;
    const char* text;
    std::optional<std::string> expected;
  };
  const char* strict = "#### (\\-?[0-9\\.\\,]+)";
  const char* flexible = "(-?[$0-9.,]{2,})|(-?[0-9]+)";
  const Row rows[] = {
      {strict, 0, "so 9 * 2 = 18\n#### 18", "18"},
      {strict, 0, "#### 1,200\n\n#### 7", "1,200"},
      {strict, -1, "#### 1,200\n\n#### 7", "7"},
      {strict, 1, "#### 1", std::nullopt},
      {strict, 0, "the answer is 18", std::nullopt},
      {strict, 0, "", std::nullopt},
      {flexible, -1, "16 - 3 = 13, so $26.", "$26."},
      {flexible, -1, "she has 7", "7"},
      {"answer: ( *)", 0, "answer:   ", ""},
      {"(x)?(y)?", 0, "zz", std::nullopt},  // matched, but every group is empty
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern, row.text);
    CHECK(one(pipeline({regex(row.pattern, row.group_select), {"take_first", Json::object()}}), row.text) ==
          row.expected);
  }
}

TEST_CASE("a fallback that the task file names is an answer") {
  CHECK(one(pipeline({{"regex", Json{{"regex_pattern", "(\\d+)"}, {"fallback", "0"}}}}), "none") == "0");
}

TEST_CASE("multi_choice_regex falls back to the choice's text and to a letter after a colon") {
  const auto steps =
      pipeline({{"multi_choice_regex",
                 Json{{"regex_pattern", "(\\([A-Z]\\))"}, {"ignore_case", true}, {"ignore_punctuation", true}}}});
  const Json fields = {{"choices", {"Guilty", "Guilty of Romance", "Not-guilty"}}};
  CHECK(one(steps, "It is (B).", fields) == "(B)");
  CHECK(one(steps, "guilty of romance!", fields) == "(A)");  // the first alternative, as Python's `re` has it
  CHECK(one(steps, "NOTGUILTY", fields) == "(C)");
  CHECK(one(steps, "My answer: A", fields) == "(A)");
  CHECK(one(steps, "no idea", fields) == std::nullopt);
}

TEST_CASE("text filters change each text and leave what was not found") {
  CHECK(one(pipeline({{"remove_whitespace", {}}}), " a b\n") == "a b");
  CHECK(one(pipeline({{"lowercase", {}}}), "\xC3\x84 B") == "\xC3\xA4 b");
  CHECK(one(pipeline({{"uppercase", {}}}), "\xC3\xA4 b") == "\xC3\x84 B");
  CHECK(one(pipeline({regex("(x)"), {"lowercase", {}}}), "y") == std::nullopt);
  CHECK(one(pipeline({{"truncate", Json{{"until", {"\n", "Q:"}}}}}), "18 Q: next\nmore") == "18 ");
  const auto map = pipeline({{"map", Json{{"mapping_dict", {{"yes", "1"}, {"no", 0}}}}}});
  CHECK(one(map, "yes") == "1");
  CHECK(one(map, "no") == "0");
  CHECK(one(map, "maybe") == std::nullopt);
}

TEST_CASE("of several samples the asked ones stay") {
  const Texts texts = {"#### 7", "none", "#### 8", "#### 8", "#### 7"};
  const FilterStep number = regex("#### (\\d)");
  CHECK(extract_answers(pipeline({number, {"majority_vote", {}}}), texts, {}) ==
        Answers{"7"});  // a tie: the first seen
  CHECK(extract_answers(pipeline({number, {"take_first_k", Json{{"k", 2}}}}), texts, {}) == Answers{"7", std::nullopt});
  CHECK(extract_answers(pipeline({number, {"take_first_k", Json{{"k", 3}}}, {"majority_vote", {}}}), texts, {}) ==
        Answers{"7"});
  CHECK(extract_answers(pipeline({{"take_first", {}}}), texts, {}) == Answers{"#### 7"});
}

TEST_CASE("our own filters find numbers and final answers") {
  struct Row {
    const char* text;
    std::optional<std::string> last_number, final_answer;
  };
  const Row rows[] = {
      {"2 * 3 = 6. The answer is 6.", "6", "6"},
      {"The answer is $1,234.50.", "1,234.50", "$1,234.50"},
      {"the final answer is: -4 apples", "-4", "-4 apples"},
      {"The answer is 3. No, the answer is 5.\nDone 7", "7", "5"},
      {"it costs .5 dollars", ".5", std::nullopt},
      {"nothing", std::nullopt, std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(one(pipeline({{"last_number", {}}}), row.text) == row.last_number);
    CHECK(one(pipeline({{"final_answer", {}}}), row.text) == row.final_answer);
  }
  const auto chinese = pipeline({{"final_answer", Json{{"language", "zh"}}}, {"number", {}}});
  CHECK(one(chinese, "3加4等于7，所以答案是：7。") == "7");
  CHECK(one(chinese, "答案为 12 个") == "12");
}

TEST_CASE("a filter that can't run says why") {
  CHECK(filter_defect({"no_such", {}}) == "unknown filter 'no_such'");
  CHECK(filter_defect({"regex", Json{{"pattern", "x"}}}) == "filter 'regex' has no option 'pattern'");
  CHECK(filter_defect({"regex", Json{{"group_select", "x"}}}) ==
        "filter 'regex': option 'group_select' has a wrong value");
  CHECK(filter_defect({"take_first_k", {}}) == "filter 'take_first_k' needs the option 'k'");
  CHECK(filter_defect({"regex", Json{{"regex_pattern", "["}}}).find("does not compile") != std::string::npos);
}

TEST_CASE("Python literals are read, anything else is refused") {
  struct Row {
    const char *text, *json;  // json nullptr: refused
  };
  const Row rows[] = {
      {"['a', \"it's\", 'b\\n\\u00e9\\x41']", R"(["a","it's","b\né)"
                                              "A\"]"},
      {"[1, -2.5, True, None, ('x',), ('y')]", R"([1,-2.5,true,null,["x"],"y"])"},
      {"{'text': ['a'], 'n': {}}", R"({"text":["a"],"n":{}})"},
      {"'a' 'b'", R"("ab")"},
      {"[]", "[]"},
      {"'\\q'", R"("\\q")"},
      {"['a' 1]", nullptr},
      {"['a'", nullptr},
      {"[,]", nullptr},
      {"open('x')", nullptr},
      {"'a\nb'", nullptr},
      {"'\\x4'", nullptr},
      {"", nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto value = parse_python_literal(row.text);
    CHECK((value ? value->dump() : "refused") == (row.json ? row.json : "refused"));
  }
  CHECK_FALSE(parse_python_literal(std::string(100000, '[')));
}

}  // namespace assay
