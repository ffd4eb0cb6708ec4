#include "tasks/changed_numbers.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>

#include "core/json.h"
#include "core/text.h"
#include "tests/support.h"

namespace assay {
namespace {

// A second evaluator, by other means than the one under test: two stacks (Dijkstra's shunting yard).
double worked_out(const std::string& text) {
  std::vector<double> values;
  std::string operators;
  auto rank = [](char op) { return op == '+' || op == '-' ? 1 : op == '*' || op == '/' ? 2 : 0; };
  auto reduce = [&] {
    const double right = values.back();
    values.pop_back();
    double& left = values.back();
    const char op = operators.back();
    operators.pop_back();
    if (op == '+') left += right;
    if (op == '-') left -= right;
    if (op == '*') left *= right;
    if (op == '/') left /= right;
  };
  bool operand = true;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '(') {
      operators += c, ++i;
    } else if (c == ')') {
      while (operators.back() != '(') reduce();
      operators.pop_back(), ++i, operand = false;
    } else if (operand) {
      size_t length = 0;
      values.push_back(std::stod(text.substr(i), &length));
      i += length, operand = false;
    } else {
      while (!operators.empty() && rank(operators.back()) >= rank(c)) reduce();
      operators += c, ++i, operand = true;
    }
  }
  while (!operators.empty()) reduce();
  REQUIRE(values.size() == 1);
  return values.back();
}

// Every annotation is right, and the last gives the number after "####".
void check_solution(const std::string& solution) {
  double last = 0;
  for (size_t at = solution.find("<<"); at != std::string::npos; at = solution.find("<<", at + 2)) {
    const std::string inside = replace_all(solution.substr(at + 2, solution.find(">>", at) - at - 2), " ", "");
    const size_t sign = inside.find('=');
    last = std::stod(inside.substr(sign + 1));
    INFO(solution);
    CHECK(worked_out(inside.substr(0, sign)) == Approx(last).epsilon(1e-5));
  }
  CHECK(std::stod(replace_all(solution.substr(solution.rfind("#### ") + 5), ",", "")) == Approx(last));
}

TEST_CASE("the numbers of a problem are changed together with its answer") {
  const std::string question = "Mia has 48 nuts. She gives 15 away and buys 3 boxes with 20 each. How many has she?";
  const std::string answer = "48-15=<<48-15=33>>33\n3*20=<<3*20=60>>60\n33+60=<<33+60=93>>93\n#### 93";
  const auto changed = change_numbers(question, answer, 1);
  REQUIRE(changed);
  CHECK(changed->question != question);
  check_solution(changed->solution);
  int a = 0, b = 0, c = 0, d = 0;
  REQUIRE(std::sscanf(changed->question.c_str(), "Mia has %d nuts. She gives %d away and buys %d boxes with %d each.",
                      &a, &b, &c, &d) == 4);
  CHECK(std::to_string(a - b + c * d) == changed->number);
  CHECK(change_numbers(question, answer, 1)->question == changed->question);
  CHECK(change_numbers(question, answer, 2)->question != changed->question);
}

TEST_CASE("a problem whose numbers could mean two things is left alone") {
  // 6 = 10 - 4 is worked out silently.
  CHECK_FALSE(change_numbers("Of 10 eggs 4 broke, the rest cost $5 each.", "6*5=<<6*5=30>>30\n#### 30", 1));
  // The only number stands there twice.
  CHECK_FALSE(change_numbers("Ann has 3 nuts and Bo has 3 nuts.", "<<3+3=6>>6\n#### 6", 1));
  CHECK_FALSE(change_numbers("In 1995 he had 50% of it.", "<<1995+50=2045>>2045\n#### 2045", 1));
  CHECK_FALSE(change_numbers("He has 40 and gets 7.", "<<40+7=48>>48\n#### 48", 1));  // wrong
  CHECK_FALSE(change_numbers("He has 40 and gets 7.", "40+7=47\n#### 47", 1));        // no annotation
  CHECK_FALSE(change_numbers("He has 40 and gets 7.", "<<40+7=47>>\n#### 48", 1));
  // "money" says no 1; 5 = 9 - 4 may have been worked out, whatever "five" says.
  CHECK_FALSE(change_numbers("He has 40 and gets money.", "<<40+1=41>>41\n#### 41", 1));
  CHECK_FALSE(change_numbers("Of 9 eggs 4 broke, five friends share.", "<<9*5=45>>45\n#### 45", 1));
  CHECK(change_numbers("Of 9 eggs 3 broke, five friends share.", "<<9*5=45>>45\n#### 45", 1));
  // 12 stands for itself and for a dozen.
  const auto dozen = change_numbers("He has 12 and buys a dozen for 35.", "<<12+12=24>>\n<<24+35=59>>\n#### 59", 1);
  REQUIRE(dozen);
  CHECK(starts_with(dozen->question, "He has 12 and buys a dozen for "));
}

// Share of the rows that can be changed; each changed and its original are worked out again.
double share_changed(const std::string& path) {
  int64_t rows = 0, changed = 0;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (line.empty()) continue;
    const Json row = parse_json(line, path);
    const std::string question = row["question"], answer = row["answer"];
    ++rows;
    const auto other = change_numbers(question, answer, 7);
    if (!other) continue;
    ++changed;
    check_solution(answer);
    check_solution(other->solution);
    CHECK(other->question != question);
    CHECK(other->number.find_first_not_of("0123456789") == std::string::npos);
  }
  std::printf("%s: %lld of %lld items\n", path.c_str(), static_cast<long long>(changed), static_cast<long long>(rows));
  return static_cast<double>(changed) / static_cast<double>(rows);
}

TEST_CASE("the bundled sums: the originals give their gold, the changed ones theirs") {
  CHECK(share_changed(std::string(ASSAY_SOURCE_DIR) + "/examples/data/sample_math/test.jsonl") > 0.3);
}

TEST_CASE("GSM8K: the originals give their gold, the changed ones theirs") {
  const auto path = testing::shared_file("data/gsm8k/test.jsonl");
  if (!path) return;
  CHECK(share_changed(*path) > 0.2);
}

}  // namespace
}  // namespace assay
