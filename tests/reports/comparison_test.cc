#include "reports/comparison.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

ComparedScores scores(const std::vector<double>& values, size_t first = 0, const std::string& cluster = "") {
  ComparedScores out;
  out.members.push_back({"task", {}});
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t place = static_cast<int64_t>(first + i);
    out.members[0].items.push_back({place, "test/task/" + std::to_string(place), values[i], 1, cluster});
  }
  return out;
}

std::vector<double> first_right(size_t right, size_t all) {
  std::vector<double> values(all, 0.0);
  for (size_t i = 0; i < right; ++i) values[i] = 1;
  return values;
}

CompareRow row_with(const CompareTest& test, bool higher_is_better = true) {
  CompareRow row;
  row.task = "task", row.convention = "deepseek", row.metric = "acc", row.filter = "none";
  row.higher_is_better = higher_is_better;
  row.cells = {CompareCell{test.a}, CompareCell{test.b}};
  row.tests = {std::nullopt, test};
  return row;
}

CompareVerdict verdict_of(const CompareTest& test, bool higher_is_better = true) {
  Comparison comparison;
  comparison.columns = {"A", "B"};
  comparison.rows = {row_with(test, higher_is_better)};
  judge(comparison);
  return comparison.rows[0].tests[1]->verdict;
}

}  // namespace

TEST_CASE("right and wrong are compared by exact McNemar on the flips") {
  std::vector<std::string> marks;
  auto test = compare_scores(scores(first_right(70, 100)), scores(first_right(50, 100)), "acc", marks);
  REQUIRE(test);
  CHECK(test->test == "exact McNemar");
  CHECK(test->difference == Approx(0.2));
  CHECK(*test->a_better == 20);
  CHECK(*test->b_better == 0);
  CHECK(*test->p == Approx(2 * std::pow(0.5, 20)));
  CHECK(test->flips.size() == 20);
  CHECK(verdict_of(*test) == CompareVerdict::kBetter);
  CHECK(verdict_of(*test, false) == CompareVerdict::kWorse);
}

TEST_CASE("equal scores: no difference shown with enough items, too few items with few") {
  std::vector<std::string> marks;
  CHECK(verdict_of(*compare_scores(scores(first_right(50, 100)), scores(first_right(50, 100)), "acc", marks)) ==
        CompareVerdict::kNoDifferenceShown);
  CHECK(verdict_of(*compare_scores(scores(first_right(5, 10)), scores(first_right(5, 10)), "acc", marks)) ==
        CompareVerdict::kTooFewItems);
}

TEST_CASE("different item sets are compared on the common items, and the counts are said") {
  std::vector<std::string> marks;
  auto test = compare_scores(scores(first_right(60, 100)), scores(first_right(40, 100), 50), "acc", marks);
  REQUIRE(test);
  CHECK(test->items == 50);
  REQUIRE_FALSE(marks.empty());
  CHECK(marks[0] == "compared on 50 common items (A has 100, B 100)");
  CHECK_FALSE(compare_scores(scores({1, 0}), scores({1, 0}, 10), "acc", marks));
}

TEST_CASE("items of one cluster are flipped together") {
  ComparedScores a, b;
  a.members.push_back({"task", {}}), b.members.push_back({"task", {}});
  for (int i = 0; i < 100; ++i) {
    const std::string item = std::to_string(i), cluster = "passage " + std::to_string(i / 25);
    a.members[0].items.push_back({i, item, 1, 1, cluster});
    b.members[0].items.push_back({i, item, 0, 1, cluster});
  }
  std::vector<std::string> marks;
  auto test = compare_scores(a, b, "acc", marks);
  CHECK(test->test == "sign flips of clusters");
  CHECK(test->units == 4);
  CHECK(*test->p == Approx(2.0 / 16));
  CHECK(verdict_of(*test) == CompareVerdict::kTooFewItems);
}

TEST_CASE("a group of 20 subjects is compared by subject, a mean over members weighs them alike") {
  ComparedScores a, b;
  a.by_members = b.by_members = true;
  for (int subject = 0; subject < 20; ++subject) {
    ComparedScores::Member left{"subject" + std::to_string(subject), {}}, right = left;
    const int items = subject == 0 ? 100 : 10;
    for (int i = 0; i < items; ++i) {
      left.items.push_back({i, std::to_string(i), subject == 0 ? 1.0 : 0.0, 1, ""});
      right.items.push_back({i, std::to_string(i), 0, 1, ""});
    }
    a.members.push_back(left), b.members.push_back(right);
  }
  std::vector<std::string> marks;
  auto test = compare_scores(a, b, "acc", marks);
  CHECK(test->test == "sign flips of subjects");
  CHECK(test->a == Approx(1.0 / 20));
  CHECK(test->units == 20);
}

TEST_CASE(
    "members of unequal size: equal verdicts leave an interval, and a smallest difference that would have shown") {
  ComparedScores a;
  a.by_members = true;
  for (size_t items : {100, 110}) {
    a.members.push_back({"m" + std::to_string(items), scores(first_right(items / 2, items)).members[0].items});
  }
  std::vector<std::string> marks;
  const auto test = compare_scores(a, a, "acc", marks);
  REQUIRE(test->interval);
  CHECK(test->difference == 0);
  CHECK(test->interval->low < -0.01);
  CHECK(test->interval->high > 0.01);
  CHECK(*test->mde80 > 0.01);
}

TEST_CASE("flips show the scores as they are, whatever a group weighs them with") {
  ComparedScores a, b;
  a.by_members = b.by_members = true;
  for (size_t member = 0; member < 2; ++member) {
    const size_t items = member == 0 ? 10 : 30;
    a.members.push_back({"m" + std::to_string(member), scores(first_right(2, items)).members[0].items});
    b.members.push_back({"m" + std::to_string(member), scores(first_right(0, items)).members[0].items});
  }
  std::vector<std::string> marks;
  const auto test = compare_scores(a, b, "acc", marks);
  REQUIRE(test->flips.size() == 4);
  for (const FlippedItem& flip : test->flips) {
    CHECK(flip.a == 1);
    CHECK(flip.b == 0);
  }
}

TEST_CASE("all that are best as printed stand in bold, and numbers without items are not tested") {
  Comparison comparison;
  comparison.columns = {"A", "B", "C"};
  CompareRow row = row_with(CompareTest{});
  row.cells = {CompareCell{0.70004}, CompareCell{0.70001}, CompareCell{0.5}};
  row.tests = {std::nullopt, CompareTest{}, CompareTest{}};
  comparison.rows = {row};
  judge(comparison);
  CHECK(comparison.rows[0].tests[1]->verdict == CompareVerdict::kNotTested);
  const std::string table = render_comparison(comparison, {true, false, false});
  const size_t first = table.find("**70.0**");
  REQUIRE(first != std::string::npos);
  CHECK(table.find("**70.0**", first + 1) != std::string::npos);
  CHECK(table.find("**50.0**") == std::string::npos);
  CHECK(table.find("not tested") != std::string::npos);
}

TEST_CASE("bits per byte are compared as sums over sums") {
  ComparedScores a = scores({10, 30}), b = scores({20, 30});
  for (ComparedScores* side : {&a, &b}) {
    side->members[0].items[0].weight = 10;
    side->members[0].items[1].weight = 30;
  }
  std::vector<std::string> marks;
  auto test = compare_scores(a, b, "bits_per_byte", marks);
  CHECK(test->a == Approx(1.0));
  CHECK(test->b == Approx(1.25));
}

TEST_CASE("against a published number the test is one-sample") {
  CompareTest test = compare_with_published(scores(first_right(60, 100)), {0.6, 0.05}, "acc", 0.45);
  CHECK(test.test == "one-sample binomial");
  CHECK(test.difference == Approx(0.15));
  CHECK_FALSE(test.a_better.has_value());
  CHECK(*test.p < 0.01);
}

TEST_CASE("a stored number's interval knows its clusters") {
  const Interval own = *interval_of("acc", {0.3, 0.05}, 400, 12);
  CHECK(own.low == unit_interval({0.3, 0.05}, 400, 12)->low);
  CHECK(own.conservative);
  CHECK(interval_of("acc", {0.3, 0.05}, 400, 0)->low == unit_interval({0.3, 0.05}, 400, 400)->low);
  CHECK(interval_of("bits_per_byte", {0.7, 0.1}, 400, 12)->high == student_interval({0.7, 0.1}, 12, true)->high);
  CHECK_FALSE(interval_of("acc", {0.3, std::nullopt}, 400, 0));
}

TEST_CASE("q-values run over all tests of the table") {
  std::vector<std::string> marks;
  auto strong = compare_scores(scores(first_right(60, 100)), scores(first_right(50, 100)), "acc", marks);
  Comparison comparison;
  comparison.columns = {"A", "B"};
  for (int i = 0; i < 4; ++i) {
    CompareTest test = *strong;
    test.p = i == 0 ? 0.02 : 0.9;
    comparison.rows.push_back(row_with(test));
  }
  judge(comparison);
  CHECK(*comparison.rows[0].tests[1]->q == Approx(0.08));
  CHECK(comparison.rows[0].tests[1]->verdict == CompareVerdict::kNoDifferenceShown);
}

TEST_CASE("the JSON has the agreed keys, the table the best in bold and its footnotes") {
  std::vector<std::string> marks;
  auto test = compare_scores(scores(first_right(70, 100)), scores(first_right(50, 100)), "acc", marks);
  Comparison comparison;
  comparison.columns = {"step-2", "step-1"};
  comparison.rows = {row_with(*test)};
  comparison.rows[0].cells[1]->marks = {"convention lm-eval, A's is deepseek"};
  judge(comparison);
  const Json json = comparison_json(comparison, false);
  CHECK(json["a"] == "step-2");
  CHECK(json["b"] == "step-1");
  const Json& row = json["rows"][0];
  for (const char* key : {"task", "convention", "metric", "a", "b", "difference", "ci95", "p", "q", "test", "flips",
                          "mde80", "verdict", "marks"}) {
    CHECK(row.contains(key));
  }
  CHECK(row["verdict"] == "better");
  CHECK(row["ci95"].size() == 2);
  const std::string table = render_comparison(comparison, {true, false, true});
  CHECK(table.find("**70.0**") != std::string::npos);
  CHECK(table.find("50.0 [1]") != std::string::npos);
  CHECK(table.find("[1] convention lm-eval, A's is deepseek") != std::string::npos);
  CHECK(table.find("test/task/50") != std::string::npos);
}

}  // namespace assay
