#include "tasks/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tasks/requests.h"
#include "tests/support.h"

namespace assay {
namespace {

ContinuationScore said(double logprob, int tokens, bool greedy = false) {
  ContinuationScore score;
  score.logprob = logprob;
  score.tokens = tokens;
  score.is_greedy = greedy;
  return score;
}

Response choices(std::vector<ContinuationScore> scores) {
  Response response;
  response.continuations = std::move(scores);
  return response;
}

Response texts(const std::vector<std::string>& all) {
  Response response;
  for (const std::string& text : all) response.texts.push_back({text, FinishReason::kStop, 1});
  return response;
}

Task task_with(OutputType type, std::vector<MetricSpec> metrics) {
  Task task;
  task.name = "t";
  task.output_type = type;
  task.metrics = std::move(metrics);
  for (const MetricSpec& metric : task.metrics) REQUIRE(metric_defect(metric, type) == "");
  return task;
}

MetricSpec metric(const std::string& name, Json options = Json::object()) {
  MetricSpec spec;
  spec.metric = name;
  spec.options = std::move(options);
  return spec;
}

Prompt choice_prompt(std::vector<std::string> all, int gold) {
  Prompt prompt;
  prompt.item_id = "test/f/0";
  prompt.choices = std::move(all);
  prompt.gold_index = gold;
  prompt.golds = {prompt.choices[static_cast<size_t>(gold)]};
  return prompt;
}

double exact_match(const Json& options, const std::string& answer, const std::vector<std::string>& golds) {
  Task task = task_with(OutputType::kGenerate, {metric("exact_match", options)});
  task.filters = {{"none", {{"take_first", {}}}, 1}};
  Prompt prompt;
  prompt.golds = golds;
  return score_item(task, prompt, {texts({answer})}).at(0).value;
}

double f1(const std::string& answer, const std::string& gold) {
  Task task = task_with(OutputType::kGenerate, {metric("f1")});
  task.filters = {{"none", {}, 1}};
  Prompt prompt;
  prompt.golds = {gold};
  return score_item(task, prompt, {texts({answer})}).at(0).value;
}

}  // namespace

TEST_CASE("each normalization can pick another choice") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("acc"), metric("acc_norm"), metric("acc_bytes"),
                                                            metric("acc_token"), metric("acc_uncond")});
  // Sums -4 -5 -6 -7; characters 1 2 4 2; bytes 1 2 4 6; tokens 1 2 2 7; unconditional -1 -4.5 -1 -1.
  const Prompt prompt = choice_prompt({"a", "bb", "cccc", "\xE4\xB8\xAD\xE6\x96\x87"}, 0);
  const auto scores = score_item(task, prompt,
                                 {choices({said(-4, 1), said(-5, 2), said(-6, 2), said(-7, 7)}),
                                  choices({said(-1, 1), said(-4.5, 2), said(-1, 2), said(-1, 7)})});
  REQUIRE(scores.size() == 5);
  const std::string chosen[] = {"a", "cccc", "\xE4\xB8\xAD\xE6\x96\x87", "\xE4\xB8\xAD\xE6\x96\x87", "bb"};
  for (size_t i = 0; i < 5; ++i) {
    CAPTURE(scores[i].metric);
    CHECK(scores[i].extracted == chosen[i]);
    CHECK(scores[i].value == (i == 0 ? 1 : 0));
    CHECK(scores[i].gold == "a");
    CHECK(scores[i].filter == "none");
    CHECK(scores[i].outcome == Outcome::kScored);
  }
}

TEST_CASE("the task file's normalization overrides the metric's own") {
  MetricSpec by_token = metric("acc");
  by_token.normalization = Normalization::kToken;
  const Task task = task_with(OutputType::kMultipleChoice, {by_token});
  const Prompt prompt = choice_prompt({"x", "y"}, 1);
  CHECK(score_item(task, prompt, {choices({said(-2, 1), said(-3, 3)})})[0].value == 1);
}

TEST_CASE("of equal choices the first wins") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("acc")});
  CHECK(score_item(task, choice_prompt({"A", "B"}, 0), {choices({said(-1, 1), said(-1, 1)})})[0].value == 1);
  CHECK(score_item(task, choice_prompt({"A", "B"}, 1), {choices({said(-1, 1), said(-1, 1)})})[0].value == 0);
}

TEST_CASE("an empty choice can't win by its length") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("acc_norm")});
  CHECK(score_item(task, choice_prompt({"", "b"}, 1), {choices({said(0, 0), said(-9, 1)})})[0].value == 1);
}

TEST_CASE("any of several gold choices is right") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("acc"), metric("exact_match")});
  Prompt prompt = choice_prompt({"A", "B", "C"}, 0);
  prompt.golds = {"A", "C"};
  const auto scores = score_item(task, prompt, {choices({said(-2, 1), said(-3, 1), said(-1, 1, true)})});
  CHECK(scores[0].value == 1);
  CHECK(scores[0].gold == "A | C");
  CHECK(scores[1].value == 1);
}

TEST_CASE("the reversed form compares one continuation after each context") {
  MetricSpec by_token = metric("acc");
  by_token.normalization = Normalization::kToken;
  Task task = task_with(OutputType::kMultipleChoice, {by_token});
  task.reversed = true;
  Prompt prompt = choice_prompt({"So Ann", "So Bea"}, 1);
  prompt.contexts = {"So Ann", "So Bea"};
  CHECK(score_item(task, prompt, {choices({said(-6, 3)}), choices({said(-5, 3)})})[0].value == 1);
  CHECK(score_item(task, prompt, {choices({said(-6, 3)}), choices({said(-9, 3)})})[0].extracted == "So Ann");
}

TEST_CASE("mcc and f1 of choices carry what an item was and what it was taken for") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("mcc"), metric("f1")});
  const auto scores = score_item(task, choice_prompt({"no", "yes"}, 1), {choices({said(-1, 1), said(-2, 1)})});
  REQUIRE(scores.size() == 2);
  for (const Score& score : scores) {
    CHECK(score.value == 0);
    CHECK(gold_of_pair(score.weight) == 1);
    CHECK(chosen_of_pair(score.weight) == 0);
  }
  CHECK(default_aggregation("f1", OutputType::kMultipleChoice) == "f1");
  CHECK(default_aggregation("f1", OutputType::kGenerate) == "mean");
  CHECK(default_aggregation("mcc", OutputType::kMultipleChoice) == "matthews_corrcoef");
  MetricSpec averaged = metric("mcc");
  averaged.aggregation = "mean";
  CHECK(metric_defect(averaged, OutputType::kMultipleChoice) ==
        "metric 'mcc' is a number of all items: its aggregation is matthews_corrcoef");
  MetricSpec text = metric("f1");
  text.aggregation = "f1";
  CHECK(metric_defect(text, OutputType::kGenerate) != "");
}

TEST_CASE("likelihood and brier score come from the softmax over choices") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("likelihood"), metric("brier_score")});
  const auto scores =
      score_item(task, choice_prompt({"A", "B"}, 0), {choices({said(std::log(0.06), 1), said(std::log(0.02), 1)})});
  CHECK(scores[0].value == Approx(0.75));
  CHECK(scores[1].value == Approx(0.125));  // (0.75 - 1)^2 + 0.25^2
}

TEST_CASE("a missing part leaves every score of the item missing") {
  const Task task = task_with(OutputType::kMultipleChoice, {metric("acc"), metric("acc_uncond")});
  Response too_long;
  too_long.status = ResponseStatus::kTooLong;
  const Prompt prompt = choice_prompt({"A", "B"}, 0);
  const Response good = choices({said(-1, 1), said(-2, 1)});
  for (const auto& responses : {std::vector<std::optional<Response>>{good, std::nullopt}, {good, too_long}, {}}) {
    const auto scores = score_item(task, prompt, responses);
    REQUIRE(scores.size() == 2);
    CHECK(scores[0].outcome == Outcome::kMissing);
    CHECK(scores[1].outcome == Outcome::kMissing);
  }
}

TEST_CASE("a target's log-probability gives accuracy and nats") {
  const Task task = task_with(OutputType::kLoglikelihood, {metric("perplexity"), metric("acc")});
  Prompt prompt;
  prompt.target = " dog";
  const auto scores = score_item(task, prompt, {choices({said(-1.5, 1, true)})});
  CHECK(scores[0].value == 1.5);
  CHECK(scores[1].value == 1);
}

TEST_CASE("a text's log-probability is weighted by bytes or words") {
  const Task task =
      task_with(OutputType::kRolling, {metric("bits_per_byte"), metric("byte_perplexity"), metric("word_perplexity")});
  Prompt prompt;
  prompt.target = " two w\xC3\xB6rds";  // the leading space starts an empty word, as re.split has it
  const auto scores = score_item(task, prompt, {choices({said(-std::log(2.0) * 22, 5)})});
  CHECK(scores[0].value == Approx(22));
  CHECK(scores[0].weight == 11);
  CHECK(scores[1].value == Approx(22 * std::log(2.0)));
  CHECK(scores[1].weight == 11);
  CHECK(scores[2].weight == 3);
}

TEST_CASE("exact match treats both sides as lm-evaluation-harness does") {
  struct Row {
    Json options;
    const char *answer, *gold;
    double value;
  };
  const Json gsm8k = {{"ignore_case", true}, {"regexes_to_ignore", {",", "\\$", "(?s).*#### ", "\\.$"}}};
  const Row rows[] = {
      {Json::object(), "Paris", "Paris", 1},
      {Json::object(), "Paris ", "Paris", 0},
      {Json::object(), "paris", "Paris", 0},
      {{{"ignore_case", true}}, "p\xC3\x84ris", "P\xC3\xA4ris", 1},
      {{{"ignore_punctuation", true}}, "don't", "dont", 1},
      {{{"ignore_punctuation", true}}, "a\xE3\x80\x82", "a", 0},  // ASCII punctuation only
      {{{"ignore_numbers", true}}, "a1b22", "ab", 1},
      {gsm8k, "$1,200.", "2 * 600\nis 1200\n#### 1200", 1},
      {gsm8k, "18.0", "#### 18", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer, row.gold);
    CHECK(exact_match(row.options, row.answer, {row.gold}) == row.value);
  }
}

TEST_CASE("numbers are compared by value and other text as text") {
  struct Row {
    const char *answer, *gold;
    double value;
  };
  const Row rows[] = {
      {"18", "18", 1},      {"18.0", "18", 1},
      {"1,200", "1200", 1}, {"$18.50", "18.5", 1},
      {"18.", "18", 1},     {"-0", "0", 1},
      {"007", "7", 1},      {".5", "0.5", 1},
      {"-18", "18", 0},     {"18.01", "18", 0},
      {"1.2.3", "123", 0},  {"", "0", 0},
      {".", "0", 0},        {"ten", "ten", 1},
      {"1/2", "0.5", 0},    {"123456789012345678901", "123456789012345678901.0", 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer, row.gold);
    CHECK(exact_match({{"compare", "number"}}, row.answer, {row.gold}) == row.value);
  }
}

TEST_CASE("fractions are compared by value and other text as text") {
  struct Row {
    const char *answer, *gold;
    double value;
  };
  const Row rows[] = {
      {"2/5", "4/10", 1},  {"0.4", "2/5", 1}, {"-1/2", "1/-2", 1}, {"1,200", "1200.0", 1},
      {"1.5/3", "0.5", 1}, {"3", "6/2", 1},   {"0/3", "0", 1},     {"1/3", "0.33", 0},
      {"1/0", "0", 0},     {"1/0", "1/0", 1}, {"1/2/3", "1/6", 0}, {"half", "half", 1},
      {"", "0", 0},        {"/2", "0", 0},    {"-3", "3", 0},      {"0123456789", "123456789", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer, row.gold);
    CHECK(exact_match({{"compare", "fraction"}}, row.answer, {row.gold}) == row.value);
  }
}

TEST_CASE("SQuAD's comparison ignores case, articles, punctuation and extra spaces, over every alias") {
  const Json squad = {{"compare", "squad"}};
  CHECK(exact_match(squad, "The  Sunset Boulevard.", {"nothing", "sunset boulevard"}) == 1);
  CHECK(exact_match(squad, "Sunset", {"sunset boulevard"}) == 0);
  CHECK(exact_match(squad, "therapy", {"rapy"}) == 0);
  CHECK(exact_match(squad, "", {"A"}) == 0);  // an alias that is nothing but an article
  CHECK(exact_match(squad, "a", {"A"}) == 1);
}

TEST_CASE("token F1 counts the words in common") {
  CHECK(f1("the cat sat", "a cat sat down") == Approx(0.8));  // P 2/2, R 2/3
  CHECK(f1("cat cat", "cat") == Approx(2.0 / 3));
  CHECK(f1("dog", "cat") == 0);
  CHECK(f1("Cat!", "cat") == 1);
}

TEST_CASE("every pipeline gives its own scores, unparsed ones counted apart") {
  Task task = task_with(OutputType::kGenerate, {metric("exact_match"), metric("f1")});
  const FilterStep number = {"regex", Json{{"regex_pattern", "#### (\\d+)"}}};
  task.filters = {{"strict", {number, {"take_first", {}}}, 1}, {"last", {{"last_number", {}}}, 1}};
  Prompt prompt;
  prompt.item_id = "test/f/3";
  prompt.golds = {"7"};
  const auto scores = score_item(task, prompt, {texts({"it is 7"})});
  REQUIRE(scores.size() == 4);
  CHECK(scores[0].filter == "strict");
  CHECK(scores[0].outcome == Outcome::kUnparsed);
  CHECK(scores[0].value == 0);
  CHECK(scores[1].metric == "f1");
  CHECK(scores[2].filter == "last");
  CHECK(scores[2].outcome == Outcome::kScored);
  CHECK(scores[2].value == 1);
  CHECK(scores[2].extracted == "7");
  CHECK(scores[3].item_id == "test/f/3");
}

TEST_CASE("several answers of one item give their mean") {
  Task task = task_with(OutputType::kGenerate, {metric("exact_match")});
  task.filters = {{"all", {{"last_number", {}}}, 1}};
  Prompt prompt;
  prompt.golds = {"7"};
  const auto scores = score_item(task, prompt, {texts({"7", "8", "none", "7"})});
  CHECK(scores[0].value == 0.5);
  CHECK(scores[0].outcome == Outcome::kScored);
  CHECK(scores[0].extracted == "7 | 8 | 7");
}

TEST_CASE("a metric that can't be used says why") {
  CHECK(metric_defect(metric("accc"), OutputType::kGenerate) == "unknown metric 'accc'");
  CHECK(metric_defect(metric("acc"), OutputType::kGenerate) == "metric 'acc' does not exist for this output_type");
  CHECK(metric_defect(metric("exact_match", {{"ignore_cas", true}}), OutputType::kGenerate) ==
        "metric 'exact_match' has no option 'ignore_cas'");
  CHECK(metric_defect(metric("exact_match", {{"compare", "fuzzy"}}), OutputType::kGenerate) ==
        "option 'compare' is one of text, squad, number, fraction, math, drop");
  CHECK(metric_defect(metric("exact_match", {{"regexes_to_ignore", {"("}}}), OutputType::kGenerate)
            .find("does not compile") != std::string::npos);
}

}  // namespace assay
