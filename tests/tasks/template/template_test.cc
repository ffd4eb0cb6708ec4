#include "tasks/template/template.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/support.h"

namespace assay {
namespace {

std::string render(const std::string& source, const Json& context = Json::object(),
                   const TemplateOptions& options = TemplateOptions::task_prompt()) {
  return Template::parse(source, "t", options).render(context);
}

std::string error_of(const std::string& source, const Json& context = Json::object(),
                     const TemplateOptions& options = TemplateOptions::task_prompt()) {
  return testing::error_of([&] { render(source, context, options); });
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("a multiple-choice prompt is rendered") {
  const Json document = {{"question", "2+2?"}, {"choices", {"3", "4"}}, {"answer", 1}};
  CHECK(render("{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nAnswer:", document) ==
        "2+2?\nA. 3\nB. 4\nAnswer:");
  CHECK(render("{{['A','B'][answer]}}\n", document) == "B\n");
}

TEST_CASE("an expression alone gives its own value, anything else a text") {
  const Json document = {{"choices", {"x", "y"}}, {"answer", "B"}, {"label", 3}};
  auto evaluate = [&](const std::string& source) { return Template::parse(source, "t").evaluate(document); };
  CHECK(evaluate("{{choices}}") == Json({"x", "y"}));
  CHECK(evaluate("{{['A', 'B'].index(answer)}}") == Json(1));
  CHECK(evaluate("{{label + 0.5}}") == Json(3.5));
  CHECK(evaluate("{{choices | map('upper')}}") == Json({"X", "Y"}));
  CHECK(evaluate("{{ {'a': none, 'b': [true]} }}") == Json::parse(R"({"a": null, "b": [true]})"));
  CHECK(evaluate("{{label}} ") == Json("3 "));
  CHECK(evaluate("{% if label %}{{label}}{% endif %}") == Json("3"));
}

TEST_CASE("a malformed template is an input error that names template and line") {
  struct Row {
    const char* defect;
    const char* source;
    const char* message;
  };
  const Row rows[] = {
      {"tag never closed", "a\n{{ b",
       "t:2: TemplateSyntaxError: unexpected end of template, expected 'end of print statement'."},
      {"missing endif", "{% if a %}\nx",
       "t:2: TemplateSyntaxError: Unexpected end of template. Jinja was looking for the following tags: 'elif' or "
       "'else' or 'endif'. The innermost block that needs to be closed is 'if'."},
      {"unknown tag", "{% fro x in y %}", "t:1: TemplateSyntaxError: Encountered unknown tag 'fro'."},
      {"text without end", "{{ 'abc }}",
       "t:1: TemplateSyntaxError: unexpected char \"'\": the text in quotes does not end"},
      {"wrong bracket", "{{ (1] }}", "t:1: TemplateSyntaxError: unexpected ']', expected ')'"},
      {"comment without end", "\n{# x", "t:2: TemplateSyntaxError: Missing end of comment tag"},
      {"raw without end", "{% raw %} x", "t:1: TemplateSyntaxError: Missing end of raw directive"},
      {"empty expression", "{{ }}", "t:1: TemplateSyntaxError: Expected an expression, got 'end of print statement'"},
      {"unknown filter", "\n\n{{ 1 | nosuch }}", "t:3: TemplateAssertionError: No filter named 'nosuch'."},
      {"unknown test", "{{ 1 is nosuch }}", "t:1: TemplateAssertionError: No test named 'nosuch'."},
      {"include", "{% include 'x' %}",
       "t:1: TemplateSyntaxError: {% include %} needs other template files, which are not supported"},
      {"number too large", "{{ 99999999999999999999 }}",
       "t:1: TemplateSyntaxError: the number 99999999999999999999 is beyond 64 bits"},
  };
  for (const Row& row : rows) {
    INFO(row.defect);
    CHECK(error_of(row.source) == row.message);
  }
}

TEST_CASE("an undefined name is an error in a task prompt and nothing in a chat template") {
  CHECK(error_of("a\n{{ nobody }}") == "t:2: UndefinedError: 'nobody' is undefined");
  CHECK(error_of("{% if nobody %}{% endif %}") == "t:1: UndefinedError: 'nobody' is undefined");
  CHECK(render("{{ nobody is defined }} {{ nobody | default('x') }}") == "False x");
  CHECK(render("[{{ nobody }}]", Json::object(), TemplateOptions::chat()) == "[]");
  CHECK(error_of("{{ nobody.name }}", Json::object(), TemplateOptions::chat()) ==
        "t:1: UndefinedError: 'nobody' is undefined");
}

TEST_CASE("raise_exception's words come back exactly") {
  try {
    render("\n\n{{ raise_exception('Roles must: alternate') }}", Json::object(), TemplateOptions::chat());
    FAIL("no error");
  } catch (const TemplateError& error) {
    CHECK(error.kind() == Error::Kind::kInput);
    CHECK(error.message() == "Roles must: alternate");
    CHECK(error.python_type() == "TemplateError");
    CHECK(error.where() == "t:3");
  }
}

TEST_CASE("a template that never ends, or asks for too much, is an input error") {
  struct Row {
    const char* what;
    std::string source;
    const char* type;
  };
  const Row rows[] = {
      {"a loop of a billion", "{% for i in range(10**9) %}{% endfor %}", "LimitError"},
      {"a list of a billion", "{{ range(10**9) | list | length }}", "LimitError"},
      {"a text of a terabyte", "{{ 'a' * 10**12 }}", "LimitError"},
      {"a list of a trillion", "{{ [1] * 10**12 }}", "LimitError"},
      {"a width of a terabyte", "{{ 'a'.center(10**12) }}", "LimitError"},
      {"a text that doubles",
       "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "LimitError"},
      {"output that grows", "{% set s = 'x' * 10**8 %}{% for i in range(9) %}{{ s }}{% endfor %}", "LimitError"},
      {"a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"},
      {"a namespace that holds itself", "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "RecursionError"},
      {"a list nested without end",
       "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
       "RecursionError"},
      {"nested brackets", "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}", "TemplateSyntaxError"},
      {"nested not", "{{ " + repeated("not ", 5000) + "1 }}", "TemplateSyntaxError"},
      {"nested blocks", repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000), "TemplateSyntaxError"},
      {"a long sum", "{{ 1" + repeated("+1", 5000) + " }}", "TemplateSyntaxError"},
      {"a long path", "{{ a" + repeated(".a", 5000) + " }}", "TemplateSyntaxError"},
      {"whole numbers beyond 64 bits", "{{ 2 ** 64 }}", "OverflowError"},
      {"negation beyond 64 bits", "{{ -(-9223372036854775807 - 1) }}", "OverflowError"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    try {
      render(row.source);
      FAIL("no error");
    } catch (const TemplateError& error) {
      CHECK(error.python_type() == row.type);
    }
  }
}

TEST_CASE("the chat environment refuses what its sandbox refuses") {
  auto error = [](const std::string& source) { return error_of(source, {{"l", {1}}}, TemplateOptions::chat()); };
  CHECK(error("{{ l.append(1) }}") == "t:1: SecurityError: access to attribute 'append' of 'list' object is unsafe.");
  CHECK(error("{{ range(100001) }}").find("OverflowError") != std::string::npos);
  CHECK(render("{% set _ = l.append(2) %}{{ l }}", {{"l", {1}}}) == "[1, 2]");
  CHECK(render("{{ l.append }}", {{"l", {1}}}, TemplateOptions::chat()).empty());
}

TEST_CASE("regex_replace is Python's re.sub") {
  CHECK(render("{{ 'a1b22' | regex_replace('[0-9]+', '#') }}") == "a#b#");
  CHECK(render("{{ 'John Smith' | regex_replace('(\\\\w+) (\\\\w+)', '\\\\2 \\\\g<1>') }}") == "Smith John");
  CHECK(render("{{ 'abxd' | regex_replace('x*', '-') }}") == "-a-b--d-");
  CHECK(render("{{ 'aaa' | regex_replace('a', 'b', 2) }}") == "bba");
  CHECK(error_of("{{ 'a' | regex_replace('(?=a)', 'b') }}").find("is not supported") != std::string::npos);
}

TEST_CASE("one template may be rendered by many threads at once") {
  const Template shared = Template::parse("{% for c in text %}{{ loop.index }}{{ c | upper }}{% endfor %}", "t");
  std::vector<std::string> outputs(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < outputs.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) outputs[i] = shared.render({{"text", "abc"}});
    });
  }
  for (auto& thread : threads) thread.join();
  for (const std::string& output : outputs) CHECK(output == "1A2B3C");
}

}  // namespace assay
