// Mathematical answers and DROP's: our verdicts beside those of the benchmarks' own programs
// (tests/golden/tasks/make_answer_goldens.py), and the filters and metrics made of them.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "tasks/drop_score.h"
#include "tasks/extract.h"
#include "tasks/math_answers.h"
#include "tasks/metrics.h"
#include "tasks/transforms.h"
#include "tests/support.h"

namespace assay {
namespace {

const Json& goldens() {
  static const Json read = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tasks/answers.json");
  return read;
}

std::string text(const Json& value) {
  return value.get<std::string>();
}

std::optional<std::string> filtered(const FilterStep& step, const std::string& answer,
                                    const Json& fields = Json::object()) {
  CAPTURE(step.function, step.options.dump());
  REQUIRE(filter_defect(step) == "");
  FilterPipeline pipeline;
  pipeline.steps = {step};
  return extract_answers(pipeline, {answer}, fields).at(0);
}

Task generating(const std::string& metric, const std::string& compare) {
  Task task;
  task.name = "t";
  task.output_type = OutputType::kGenerate;
  task.metrics = {{metric, "", true, {}, Json{{"compare", compare}}}};
  task.filters = {{"first", {{"take_first", Json::object()}}, 1}, {"second", {{"take_first", Json::object()}}, 1}};
  return task;
}

std::vector<Score> scores(const Task& task, const std::string& answer, const std::vector<std::string>& golds,
                          const Json& fields = Json::object()) {
  Prompt prompt;
  prompt.item_id = "test/f/0";
  prompt.golds = golds;
  prompt.fields = fields;
  Response response;
  response.texts.push_back({answer, FinishReason::kStop, 1});
  return score_item(task, prompt, {response});
}

double value(const Task& task, const std::string& answer, const std::vector<std::string>& golds) {
  return scores(task, answer, golds).at(0).value;
}

Json transformed(const char* name, Json fields) {
  const Transform* transform = find_transform(name);
  REQUIRE(transform);
  return transform->apply(fields, "f:1") ? fields : Json();
}

}  // namespace

TEST_CASE("mathematical answers get MATH's spelling") {
  for (const Json& row : goldens()["spelling"]) {
    CAPTURE(row.dump());
    CHECK(or_null(math_spelling(text(row[0]))) == row[1]);
  }
  CHECK(is_same_math("0.5", "\\frac12"));
  CHECK(is_same_math("1/2", "\\dfrac{1}{2}"));
  CHECK(is_same_math("5 \\text{ cm} \\text{ high}", "5 \\text{ cm} \\text{ high}"));
  CHECK_FALSE(is_same_math("5 \\text{ cm} \\text{ high}", "5"));
  CHECK_FALSE(is_same_math("\\frac{1}{2}", "0.50"));
}

TEST_CASE("boxes and free answers are read as the benchmarks' programs read them") {
  for (const Json& row : goldens()["boxed"]) {
    CAPTURE(row.dump());
    CHECK(or_null(boxed_answer(text(row[0]))) == row[1]);
  }
  CHECK(boxed_answer("\\fbox{3}") == "3");
  for (const Json& row : goldens()["cloze"]) {
    CAPTURE(row.dump());
    CHECK(or_null(cloze_answer(text(row[0]))) == row[1]);
  }
  CHECK(cloze_answer("x = 5.\nNow the next one") == "5");  // there the next line belongs to the answer
}

TEST_CASE("DROP's scores are those of its own program") {
  for (const Json& row : goldens()["drop_spelling"]) {
    CAPTURE(row.dump());
    CHECK(drop_spelling(text(row[0])) == text(row[1]));
  }
  for (const Json& row : goldens()["drop"]) {
    CAPTURE(row.dump());
    const DropScore score = drop_score(row[0].get<std::vector<std::string>>(), row[1].get<std::vector<std::string>>());
    CHECK(score.exact == row[2].get<double>());
    CHECK(score.f1 == row[3].get<double>());
  }
}

TEST_CASE("the best accepted answer counts, its spans in any order") {
  const Task f1 = generating("f1", "drop"), exact = generating("exact_match", "drop");
  const std::vector<std::string> golds = {"Spain\nItaly", "the Netherlands"};
  CHECK(value(exact, "Italy\nSpain", golds) == 1);
  CHECK(value(exact, "Netherlands", golds) == 1);
  CHECK(value(exact, "Italy", golds) == 0);
  CHECK(value(f1, "Italy", golds) == 0.5);
  CHECK(value(f1, "Italy Spain", golds) == 0.33);  // two thirds of one of two spans
  CHECK(value(f1, "12 yards", {"13 yards"}) == 0);
  CHECK(value(f1, "1,000", {"1000"}) == 1);
  CHECK(value(f1, "", {"", "5"}) == 0);  // an empty answer is not accepted
  CHECK(metric_defect({"f1", "", true, {}, Json{{"compare", "math"}}}, OutputType::kGenerate) ==
        "option 'compare' of f1 is squad or drop");
  CHECK(value(generating("exact_match", "math"), " .5", {"7", "\\frac12"}) == 1);
}

TEST_CASE("filters for letters, boxes and spans") {
  const FilterStep first{"letters", Json::object()}, all{"letters", Json{{"which", "all"}}};
  CHECK(filtered(first, " (C) and (A)") == "C");
  CHECK(filtered(all, " (C) and (A), C") == "AC");
  CHECK(filtered(all, "选BD") == "BD");
  CHECK_FALSE(filtered(first, "gh IJ"));
  CHECK_FALSE(filtered(all, ""));
  CHECK(filter_defect({"letters", Json{{"which", "some"}}}) == "filter 'letters': option 'which' has a wrong value");
  CHECK(filtered({"boxed", Json::object()}, "so \\boxed{3}") == "3");
  CHECK_FALSE(filtered({"boxed", Json::object()}, "so 3"));
  CHECK(filtered({"cloze_answer", Json::object()}, "$a=3$") == "3");
  const FilterStep spans{"spans", Json::object()};
  const Json several = {{"type", "spans"}};
  CHECK(filtered(spans, "A, B and C", several) == "A\nB\nC");
  CHECK(filtered(spans, "A, B, and C d", several) == "A\nB\nC d");
  CHECK(filtered(spans, "1,000 and sand", several) == "1,000\nsand");
  CHECK(filtered(spans, "A and B", Json{{"type", "span"}}) == "A and B");
}

TEST_CASE("numbers apart: the scores of the first filter once more for each part") {
  Task task = generating("exact_match", "math");
  task.by = {{"subject", "{{type}}"}, {"level", "{{level}}"}};
  const auto all = scores(task, "1/2", {"0.5"}, {{"type", "Algebra"}, {"level", "Level 1"}});
  REQUIRE(all.size() == 4);
  const char* filters[] = {"first", "second", "subject: Algebra", "level: Level 1"};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(all[i].filter == filters[i]);
    CHECK(all[i].value == 1);
  }
  Prompt unanswered;
  unanswered.fields = {{"type", "Algebra"}, {"level", "Level 1"}};
  const auto missing = score_item(task, unanswered, {std::nullopt});
  REQUIRE(missing.size() == 4);
  for (const Score& score : missing) CHECK(score.outcome == Outcome::kMissing);
}

TEST_CASE("rows of MATH and AGIEval get their answers") {
  CHECK(transformed("math", {{"problem", "p"}, {"solution", "so \\boxed{\\frac{1}{2}}."}})["answer"] == "\\frac{1}{2}");
  CHECK(transformed("math", {{"math", R"({"question": "q\\pi", "other": {"solution": "\\boxed{2}", "level": 5}})"}}) ==
        Json{{"problem", "q\\pi"}, {"solution", "\\boxed{2}"}, {"answer", "2"}});
  CHECK(transformed("math", {{"math", "We have that"}}).is_null());
  CHECK(transformed("math", {{"math", ""}}).is_null());
  CHECK(testing::error_of([] {
          transformed("math", {{"problem", "p"}, {"solution", "none"}});
        }) == "f:1: field 'solution' has no answer in \\boxed{...}");

  auto gold = [](const Json& label, const Json& answer) {
    return text(transformed("agieval",
                            {{"passage", nullptr}, {"question", "q"}, {"label", label}, {"answer", answer}})["gold"]);
  };
  CHECK(gold("A", nullptr) == "A");
  CHECK(gold("D B", nullptr) == "BD");
  CHECK(gold(Json::array({"C", "A"}), nullptr) == "AC");
  CHECK(gold(nullptr, "$y=2x$") == "y=2x");
  CHECK(gold(nullptr, "1;$2$") == "1;$2$");
  auto passage_id = [](const Json& passage, const char* question) {
    return transformed(
        "agieval", {{"passage", passage}, {"question", question}, {"label", "A"}, {"answer", nullptr}})["passage_id"];
  };
  CHECK(passage_id("p", "q") == passage_id("p", "r"));
  CHECK(passage_id("", "q") != passage_id(nullptr, "r"));
  CHECK(testing::error_of([] {
          transformed("agieval", {{"passage", ""}, {"question", "q"}, {"label", 1}});
        }) == "f:1: field 'label' is no letter");
}

}  // namespace assay
