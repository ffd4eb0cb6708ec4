// Outputs and errors of Python's jinja2, held case by case: the folder of real chat templates, and our own small cases
// (tests/golden/template/make_goldens.py).
#include <catch2/catch.hpp>
#include <string>

#include "core/json.h"
#include "core/text.h"
#include "tasks/template/template.h"
#include "tests/support.h"

namespace assay {
namespace {

TemplateOptions chat_options() {
  TemplateOptions options = TemplateOptions::chat();
  std::tm now{};
  now.tm_year = 125, now.tm_mon = 6, now.tm_mday = 10, now.tm_hour = 12, now.tm_wday = 4, now.tm_yday = 190;
  options.now = now;
  return options;
}

// The output, or "<type>: message" of the error.
std::string outcome(const std::string& source, const Json& context, const TemplateOptions& options) {
  try {
    return Template::parse(source, "golden", options).render(context);
  } catch (const TemplateError& error) {
    return "<" + error.python_type() + ">: " + error.message();
  }
}

// Errors of raise_exception match to the letter; of the others that there is one (their words are Python's own).
void check_case(const std::string& source, const Json& context, const TemplateOptions& options, const Json& row) {
  const std::string got = outcome(source, context, options);
  if (row.contains("expected_output")) {
    CHECK(got == row["expected_output"].get<std::string>());
    return;
  }
  const Json& error = row["expected_error"];
  const std::string expected = "<" + error["type"].get<std::string>() + ">: " + error["message"].get<std::string>();
  if (error["type"] == "TemplateError") {
    CHECK(got == expected);
  } else {
    CHECK(got.substr(0, got.find('>')) == expected.substr(0, expected.find('>')));
  }
}

void check_embedded_templates(const std::string& file, size_t least) {
  auto path = testing::shared_file("chat-templates/" + file);
  if (!path) return;
  const Json golden = read_json_file(*path);
  CHECK(golden["cases"].size() >= least);
  for (const Json& row : golden["cases"]) {
    INFO(row["name"].get<std::string>());
    check_case(row["template"].get<std::string>(), row["context"], chat_options(), row);
  }
}

}  // namespace

TEST_CASE("every published chat template renders as transformers renders it") {
  auto path = testing::shared_file("chat-templates/golden.json");
  if (!path) return;
  const Json golden = read_json_file(*path);
  CHECK(golden["cases"].size() >= 450);
  for (const Json& row : golden["cases"]) {
    const std::string file = row["template"].get<std::string>();
    INFO(file << " " << row["case"].get<std::string>());
    Json context = {{"messages", row["messages"]},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"add_generation_prompt", row["add_generation_prompt"]}};
    for (const char* token : {"bos_token", "eos_token"}) {
      if (row.contains(token) && !row[token].is_null()) context[token] = row[token];
    }
    if (row.contains("extra_context")) context.update(row["extra_context"]);
    check_case(read_file(*testing::shared_file("chat-templates/" + file)), context, chat_options(), row);
  }
}

TEST_CASE("the small cases of a peer's test-suite render as Python renders them") {
  check_embedded_templates("jinja-unit.json", 120);
}

TEST_CASE("the end-to-end cases of a peer's test-suite render as Python renders them") {
  check_embedded_templates("peer-e2e.json", 51);
}

TEST_CASE("our own small cases render as Python's jinja2 renders them") {
  const Json golden = read_json_file(ASSAY_SOURCE_DIR "/tests/golden/template/cases.json");
  for (const Json& row : golden["cases"]) {
    const std::string source = row["template"].get<std::string>();
    INFO(row["environment"].get<std::string>() << ": " << source);
    const bool chat = row["environment"] == "chat";
    check_case(source, golden["context"], chat ? chat_options() : TemplateOptions::task_prompt(), row);
  }
}

}  // namespace assay
