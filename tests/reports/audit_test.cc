#include "reports/audit.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <random>

#include "reports/distributions.h"
#include "reports/intervals.h"
#include "reports/published_audit.h"

namespace assay {
namespace {

constexpr int kOptions = 4;

// A simulated checkpoint. An item is known with probability `knowledge`; a known one is right in every form in which
// the checkpoint can show it. Through letters it shows what it knows with probability `reads_letters`, under any
// labels; with probability `technique` it has learned to pick the right letter by the exam's own form alone.
struct Simulated {
  double knowledge = 0, reads_letters = 0, technique = 0;
};

AuditSubject simulate(const std::string& label, const Simulated& model, int items, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform;
  auto right = [&](bool sure) { return sure || uniform(random) < 1.0 / kOptions ? 1.0 : 0.0; };
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < items; ++i) {
    const std::string item = std::to_string(i);
    const bool known = uniform(random) < model.knowledge, reads = known && uniform(random) < model.reads_letters;
    const bool trick = uniform(random) < model.technique;
    auto add = [&](const char* form, int order, int options, double value) {
      const int chosen = std::uniform_int_distribution<int>(0, kOptions - 1)(random);
      part.forms[form].push_back({item, order, options, value, std::string(1, static_cast<char>('A' + chosen))});
    };
    for (int order = 0; order < kOptions; ++order) add("orders", order, kOptions, right(reads || trick));
    add("digits", 0, kOptions, right(reads)), add("letters", 0, kOptions, right(reads));
    add("reworded", 0, kOptions, right(reads || trick)), add("blind", 0, kOptions, right(false));
    add("cloze", 0, kOptions, right(known)), add("open", 0, 0, known ? 1.0 : 0.0);
  }
  return {label, {part}, {}};
}

double share_named(const Simulated& after, const Simulated& before, int items, int experiments, bool against) {
  int named = 0;
  for (int seed = 0; seed < experiments; ++seed) {
    std::mt19937_64 random(static_cast<uint64_t>(seed) * 7919 + 1);
    const AuditSubject b = simulate("before", before, items, random), a = simulate("after", after, items, random);
    const AuditResult result = audit(a, against ? std::optional(b) : std::nullopt, {});
    named += result.verdict == AuditVerdict::kDecorated;
  }
  return static_cast<double>(named) / experiments;
}

TEST_CASE("checkpoints that learn without technique are named in at most one case of twenty") {
  const std::pair<Simulated, Simulated> rows[] = {
      // before, after
      {{0.2, 0, 0}, {0.2, 0, 0}},      // nothing happens
      {{0.2, 0, 0}, {0.9, 0, 0}},      // knowledge that letters don't show
      {{0.2, 1, 0}, {0.6, 1, 0}},      // knowledge that every form shows
      {{0.3, 0.5, 0}, {0.7, 0.9, 0}},  // learns to read letters while it learns
      {{0.9, 1, 0}, {0.5, 1, 0}},      // forgets
      {{0.4, 1, 0}, {0.45, 1, 0}},     // hardly anything
  };
  for (const auto& [before, after] : rows) {
    for (bool against : {true, false}) {
      const double share = share_named(after, before, 200, 200, against);
      INFO(before.knowledge << " -> " << after.knowledge << ", against: " << against);
      CHECK(share <= 0.05);
    }
  }
}

TEST_CASE("planted technique is found more often the stronger it is") {
  std::printf("technique  200 items: against, alone   1000 items: against, alone\n");
  double last_small = 0, last_large = 0;
  for (double technique : {0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8}) {
    const Simulated before{0.4, 0.3, 0}, after{0.4, 0.3, technique};
    const double small = share_named(after, before, 200, 100, true),
                 alone = share_named(after, before, 200, 100, false),
                 large = share_named(after, before, 1000, 40, true),
                 large_alone = share_named(after, before, 1000, 40, false);
    std::printf("%9.2f  %18.2f  %6.2f  %19.2f  %6.2f\n", technique, small, alone, large, large_alone);
    CHECK(small >= last_small - 0.1);
    CHECK(large >= last_large - 0.1);
    if (technique == 0) CHECK(small <= 0.05);
    if (technique >= 0.5) CHECK(small >= 0.95);
    if (technique >= 0.3) CHECK(large >= 0.95);
    last_small = small, last_large = large;
  }
}

// Rows of neighbours: the file's order is `gain` bits more likely than a shuffled one.
AuditSubject simulate_rows(double gain, int rows, std::mt19937_64& random) {
  std::normal_distribution<double> row_bits(500, 80), noise(0, 2);
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < rows; ++i) {
    const double bits = row_bits(random);
    for (int order = 0; order < 8; ++order) {
      part.forms["sequence"].push_back(
          {std::to_string(i), order, 0, bits + noise(random) - (order == 0 ? gain : 0), ""});
    }
  }
  return {"c", {part}, {}};
}

TEST_CASE("the order of the test set: false alarms at their level, planted order found, the verdict untouched") {
  int alarms = 0, found = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed + 1);
    const AuditResult none = audit(simulate_rows(0, 60, random), std::nullopt, {});
    alarms += none.tests.at(0).contamination;
    const AuditResult some = audit(simulate_rows(1.5, 60, random), std::nullopt, {});
    found += some.tests.at(0).contamination;
    CHECK(some.verdict == AuditVerdict::kTooFew);
  }
  CHECK(alarms <= 400 * 0.05 + 3 * 4.4);  // the one claim there is has all of alpha; 4.4: the count's own error
  CHECK(alarms >= 400 * 0.02);

  // An order that was as likely before is the file's own, not a learned one.
  std::mt19937_64 random(7);
  const AuditSubject liked = simulate_rows(1.5, 60, random), still_liked = simulate_rows(1.5, 60, random),
                     indifferent = simulate_rows(0, 60, random);
  const auto signs = [](const AuditResult& result) {
    return std::count_if(result.tests.begin(), result.tests.end(), [](const AuditTest& t) { return t.contamination; });
  };
  CHECK(signs(audit(still_liked, liked, {})) == 0);
  CHECK(signs(audit(liked, indifferent, {})) == 1);
  CHECK(found >= 390);
}

TEST_CASE("few rows are no sign, whatever they show, and shares have exact intervals") {
  auto signs_of = [](const AuditSubject& subject) {
    const AuditResult result = audit(subject, std::nullopt, {});
    return std::count_if(result.tests.begin(), result.tests.end(), [](const AuditTest& t) { return t.contamination; });
  };
  int alarms = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed + 1);
    for (int rows : {2, 5, 19}) alarms += signs_of(simulate_rows(5, rows, random)) > 0;
  }
  CHECK(alarms == 0);
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < 40; ++i) part.forms["verbatim"].push_back({std::to_string(i), 0, 0, 0.0, ""});
  const AuditTest none = audit({"c", {part}, {}}, std::nullopt, {}).tests.at(0);
  CHECK(none.effect == 0);
  CHECK(*none.high == Approx(1 - std::pow(0.025, 1.0 / 40)));
  CHECK(*none.p == 1);
  for (int i = 0; i < 4; ++i) part.forms["verbatim"][static_cast<size_t>(i)].value = 1;
  const AuditTest some = audit({"c", {part}, {}}, std::nullopt, {}).tests.at(0);
  CHECK(*some.low == Approx(exact_interval(4, 40).low));
  CHECK(*some.p == Approx(1 - binomial_cdf(3, 40, 0.02)));
  CHECK(some.contamination);  // its interval begins at 2.8 %
  for (const char* item : {"0", "1", "2", "3"}) part.in_training_text[item] = true;
  part.forms.clear();
  CHECK_FALSE(audit({"c", {part}, {}}, std::nullopt, {}).tests.at(0).contamination);  // four items
}

TEST_CASE("a row of the file's order is as likely as another: p by taking any order for the file's") {
  // Two rows of two orders each: leads of +1 and +2 one way round, -1 and -2 the other. Sums -3, -1, 1, 3: p = 2 / 4.
  AuditPart part;
  part.language = "en";
  part.forms["sequence"] = {{"a", 0, 0, 10, ""}, {"a", 1, 0, 11, ""}, {"b", 0, 0, 20, ""}, {"b", 1, 0, 22, ""}};
  const AuditTest test = audit({"c", {part}, {}}, std::nullopt, {}).tests.at(0);
  CHECK(test.effect == Approx(1.5));
  CHECK(*test.p == Approx(0.5).margin(0.1));  // about 400 draws
  CHECK_FALSE(test.contamination);
}

TEST_CASE("items that are all alike leave open what so many items leave open") {
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < 10; ++i) {
    for (const char* form : {"orders", "digits", "letters"}) {
      part.forms[form].push_back({std::to_string(i), 0, 4, 1.0, "A"});
    }
  }
  const AuditTest test = audit({"c", {part}, {}}, std::nullopt, {}).tests.at(0);
  CHECK(test.effect == 0);
  CHECK(*test.high == Approx((1 - std::pow(0.025, 0.1)) * 4 / 3));  // an item of four options spans 4/3 of ability
  CHECK(*test.p == 1);
}

TEST_CASE("few items decide nothing") {
  std::mt19937_64 random(5);
  const AuditSubject before = simulate("before", {0.4, 0, 0}, 60, random),
                     after = simulate("after", {0.4, 0, 0.9}, 60, random);
  const AuditResult result = audit(after, before, {});
  CHECK(result.verdict == AuditVerdict::kTooFew);
  CHECK(std::string(to_string(result.verdict)) == "too_few");
  CHECK(audit({"empty", {}}, std::nullopt, {}).verdict == AuditVerdict::kTooFew);
}

TEST_CASE("an effect, its interval and its p-value worked out by hand") {
  // 100 items: letters right on 70 of 100 with A B C, on 40 of the same with 1 2 3: 30 items differ.
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < 100; ++i) {
    const std::string item = std::to_string(i);
    part.forms["orders"].push_back({item, 0, 4, i < 70 ? 1.0 : 0.0, "A"});
    part.forms["digits"].push_back({item, 0, 4, i < 40 ? 1.0 : 0.0, "1"});
    part.forms["letters"].push_back({item, 0, 4, i < 40 ? 1.0 : 0.0, "P"});
  }
  const AuditResult result = audit({"c", {part}}, std::nullopt, {});
  const AuditTest& test = result.tests.front();
  CHECK(test.name == "bound to the labels, beside 1 2 3");
  // Each differing item loses 1 / 0.75; the mean is 0.4, sd = 4/3 * sqrt(0.3 * 0.7 * 100 / 99).
  CHECK(test.effect == Approx(0.4));
  const double error = 4.0 / 3 * std::sqrt(0.21 * 100 / 99) / 10;
  const double t = 1.984216951586404;  // Student's 0.975 with 99 degrees of freedom
  CHECK(*test.low == Approx(0.4 - t * error));
  CHECK(*test.high == Approx(0.4 + t * error));
  CHECK(*test.p == Approx(2 * student_upper_tail(0.4 / error, 99)));
  CHECK(test.n == 100);
}

TEST_CASE("a draw of items keeps all answers of an item or none") {
  std::mt19937_64 random(9);
  const AuditSubject whole = simulate("c", {0.5, 1, 0}, 400, random), part = sampled(whole, 0.5, 3);
  std::map<std::string, int> orders;
  for (const AuditAnswer& answer : part.parts[0].forms.at("orders")) ++orders[answer.item];
  CHECK(orders.size() > 150);
  CHECK(orders.size() < 250);
  for (const auto& [item, count] : orders) CHECK(count == kOptions);
  CHECK(part.parts[0].forms.at("open").size() == orders.size());
  CHECK(sampled(whole, 0.5, 4).parts[0].forms.at("open").size() != 0);
}

TEST_CASE("twenty million exam questions: the report's Table 13 by its numbers alone") {
  // Items: the test sets' sizes; those of ChineseQA are not published and stand at 1,000.
  const std::vector<PublishedScore> decorated = {{"MMLU", true, 0.609, 0.494, 14042, "en"},
                                                 {"C-Eval", true, 0.713, 0.470, 12342, "zh"},
                                                 {"CMMLU", true, 0.738, 0.497, 11582, "zh"},
                                                 {"TriviaQA", false, 0.579, 0.579, 11313, "en"},
                                                 {"ChineseQA", false, 0.744, 0.750, 1000, "zh"}};
  const AuditResult named = audit_published("7B Chat + MC", "7B Chat", decorated, {});
  CHECK(named.verdict == AuditVerdict::kDecorated);
  CHECK_THAT(named.sentence, Catch::Contains("+11.5 points in MMLU, +0.0 in TriviaQA (en)") &&
                                 Catch::Contains("+24.2 points in C-Eval and CMMLU, -0.6 in ChineseQA (zh)") &&
                                 !Catch::Contains("so may other training text"));
  const AuditTest& english = named.tests.front();
  // Spread between benchmarks of 3.5 points on either side, and the binomial errors of four scores.
  const double sampling = std::sqrt((0.609 * 0.391 + 0.494 * 0.506) / 14042 + 2 * 0.579 * 0.421 / 11313);
  CHECK(*english.high - english.effect ==
        Approx(1.959963984540054 * std::sqrt(sampling * sampling + 2 * 0.035 * 0.035)));
  CHECK_THAT(render_audit(named), Catch::Contains("effects in points of a hundred, as published"));
  // The same numbers of two models that do not bear one name.
  CHECK_THAT(audit_published("some model", "another", decorated, {}).sentence,
             Catch::Contains("so may other training text"));
  // One language alone does not decide, whatever it shows.
  const std::vector<PublishedScore> english_only = {decorated[0], decorated[3]};
  const AuditResult one = audit_published("7B Chat + MC", "7B Chat", english_only, {});
  CHECK(one.verdict == AuditVerdict::kTooFew);
  CHECK(one.tests.front().found);
  // Chinese exams beside English questions are no pair.
  CHECK(audit_published("a", "b", {decorated[1], decorated[3]}, {}).verdict == AuditVerdict::kTooFew);
  // 67B Base -> Chat, Table 6.
  const std::vector<PublishedScore> plain = {{"MMLU", true, 0.711, 0.713, 14042, "en"},
                                             {"C-Eval", true, 0.652, 0.661, 12342, "zh"},
                                             {"CMMLU", true, 0.678, 0.708, 11582, "zh"},
                                             {"TriviaQA", false, 0.815, 0.789, 11313, "en"},
                                             {"NaturalQuestions", false, 0.470, 0.366, 3610, "en"}};
  CHECK(audit_published("67B Chat", "67B Base", plain, {}).verdict == AuditVerdict::kNotShown);
}

TEST_CASE("no two ordinary models of the published tables are called decorated, in either order") {
  const std::string practised = "DeepSeek LLM 7B Chat + MC (20M)";
  int pairs = 0, in_two_languages = 0, decorated = 0, of_practised = 0;
  auto count = [&](const std::string& a, const std::vector<const PublishedNumber*>& own, const std::string& b,
                   const std::vector<const PublishedNumber*>& other) {
    const std::vector<PublishedScore> scores = shared_scores(own, other);
    if (scores.empty() || b == practised) return;
    const AuditResult result = audit_published(a, b, scores, {});
    const bool named = result.verdict == AuditVerdict::kDecorated;
    if (a == practised) {
      of_practised += named;
      return;
    }
    INFO(a << " beside " << b << ": " << result.sentence);
    CHECK_FALSE(named);
    ++pairs, decorated += named, in_two_languages += result.tests.size() == 6;
  };
  for (const auto& [source, unused] : published_sources()) {  // inside each table
    std::map<std::string, std::vector<const PublishedNumber*>> models;
    for (const PublishedNumber& number : published_numbers()) {
      if (number.source == source) models[number.model].push_back(&number);
    }
    for (const auto& [a, own] : models) {
      for (const auto& [b, other] : models) {
        if (a != b) count(a, own, b, other);
      }
    }
  }
  for (const std::string& a : published_models()) {  // and with all that is known of each
    for (const std::string& b : published_models()) {
      if (a != b) count(a, published_of(a, ""), b, published_of(b, ""));
    }
  }
  std::printf("published pairs: %d, in two languages %d, decorated %d\n", pairs, in_two_languages, decorated);
  CHECK(pairs > 250);
  CHECK(in_two_languages >= 30);
  CHECK(of_practised > 0);
}

TEST_CASE("items that were left out are counted by reason") {
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < 10; ++i) {
    const std::string item = std::to_string(i);
    const bool bound = i < 3, needs_options = i >= 3 && i < 5;
    for (int order = 0; order < (bound ? 1 : 4); ++order) part.forms["orders"].push_back({item, order, 4, 1.0, "A"});
    if (!bound && !needs_options) part.forms["cloze"].push_back({item, 0, 4, 1.0, "x"});
    if (i < 4) part.forms["unchanged"].push_back({"p" + item, 0, 0, 1.0, ""});
  }
  for (int order = 0; order < 12; ++order) part.forms["orders"].push_back({"long", order, 12, 1.0, "A"});
  part.forms["cloze"].push_back({"long", 0, 12, 1.0, "x"});
  part.problems = 7;
  const AuditResult result = audit({"c", {part}, {}}, std::nullopt, {});
  REQUIRE(result.left_out.size() == 4);
  const Json json = to_json(result)["left_out"];
  CHECK(json[0]["items"] == 3);
  CHECK(json[0]["of"] == 11);
  CHECK(json[1]["items"] == 2);
  CHECK(json[2]["items"] == 1);  // twelve options have no twelve digits
  CHECK(json[3]["items"] == 3);
  CHECK(json[3]["of"] == 7);
  CHECK_THAT(render_audit(result),
             Catch::Contains("left out (en): 3 of 11 items with options that speak of each other"));
}

TEST_CASE("the JSON form has the agreed keys") {
  std::mt19937_64 random(1);
  const AuditSubject before = simulate("b", {0.4, 0, 0}, 200, random),
                     after = simulate("a", {0.4, 0, 0.6}, 200, random);
  const Json json = to_json(audit(after, before, {}));
  CHECK(json["checkpoint"] == "a");
  CHECK(json["against"] == "b");
  CHECK(json["verdict"] == "decorated");
  for (const Json& test : json["tests"]) {
    for (const char* key : {"name", "null", "effect", "ci95", "p", "n"}) CHECK(test.contains(key));
  }
  CHECK_THAT(render_audit(audit(after, before, {})), Catch::Contains("verdict: decorated"));
}

TEST_CASE("items of the training text: their share, and what is gained on them") {
  std::mt19937_64 random(3);
  AuditSubject subject = simulate("a", {0.3, 1, 0}, 400, random);
  AuditPart& part = subject.parts[0];
  for (int i = 0; i < 400; ++i) part.in_training_text[std::to_string(i)] = i < 100;
  for (AuditAnswer& answer : part.forms["orders"]) {
    if (std::stoi(answer.item) < 100) answer.value = 1;  // learned by heart
  }
  const AuditResult result = audit(subject, std::nullopt, {});
  auto test = [&](const std::string& name) {
    return *std::find_if(result.tests.begin(), result.tests.end(),
                         [&](const AuditTest& one) { return one.name == name; });
  };
  CHECK(test("words in the training text").effect == Approx(0.25));
  CHECK(test("words in the training text").contamination);
  const AuditTest gained = test("ability on items of the training text");
  CHECK(gained.n == 400);
  CHECK(*gained.low > 0.5);
  CHECK(*gained.high < 0.9);
  CHECK_THAT(result.sentence, Catch::Contains("Sign of contamination (en): words in the training text, 25.0 %"));

  for (auto& [unused, is_there] : part.in_training_text) is_there = false;
  for (const AuditTest& one : audit(subject, std::nullopt, {}).tests) {
    CHECK_FALSE((one.name == "words in the training text" && one.contamination));
    CHECK(one.name != "ability on items of the training text");
  }
}

// `solved`: share solved whatever the numbers; `learned`: of the others, share known by heart with their own numbers.
AuditSubject problems_subject(double solved, double learned, int items, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < items; ++i) {
    const bool by_skill = uniform(random) < solved, by_heart = uniform(random) < learned;
    const std::string item = std::to_string(i);
    part.forms["unchanged"].push_back({item, 0, 0, by_skill || by_heart ? 1.0 : 0.0, ""});
    part.forms["numbers"].push_back({item, 0, 0, by_skill ? 1.0 : 0.0, ""});
  }
  return {"model", {part}, {}};
}

TEST_CASE("problems learned with their numbers show a loss by other numbers, solved ones do not") {
  const AuditResult learned = audit(problems_subject(0.4, 0.3, 400, 1), std::nullopt, {});
  REQUIRE(learned.tests.size() == 1);
  CHECK(learned.tests[0].effect == Approx(0.18).margin(0.06));  // 0.3 of those that are not solved
  CHECK(*learned.tests[0].low > 0.05);
  CHECK(learned.tests[0].contamination);
  CHECK_THAT(learned.sentence, Catch::Contains("other numbers in word problems"));
  CHECK(learned.verdict == AuditVerdict::kTooFew);  // says nothing about technique

  const AuditResult solved = audit(problems_subject(0.4, 0, 400, 1), std::nullopt, {});
  CHECK(solved.tests[0].effect == 0);
  CHECK_FALSE(solved.tests[0].contamination);
  CHECK_FALSE(audit(problems_subject(0.4, 0.3, 60, 1), std::nullopt, {}).tests[0].contamination);  // too few

  const AuditResult since = audit(problems_subject(0.4, 0.3, 400, 1), problems_subject(0.4, 0, 400, 2), {});
  REQUIRE(since.tests.size() == 2);
  CHECK(since.tests[1].effect == Approx(0.18).margin(0.06));
}

// Items whose rare tokens are `lead` nats likelier as they stand than in their two other orders.
AuditSubject rare_tokens_subject(double lead, int items, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, 0.3);
  AuditPart part;
  part.language = "en";
  for (int i = 0; i < items; ++i) {
    const std::string item = std::to_string(i);
    part.forms["min_k"].push_back({item, 0, 0, -6 + lead + noise(random), ""});
    for (int order : {1, 2}) part.forms["min_k"].push_back({item, order, 0, -6 + noise(random), ""});
  }
  return {"model", {part}, {}};
}

TEST_CASE("rare tokens: learned items are likelier as they stand than in another order") {
  const AuditResult clean = audit(rare_tokens_subject(0.05, 300, 1), std::nullopt, {});
  REQUIRE(clean.tests.size() == 1);
  CHECK(clean.tests[0].effect == Approx(0.05).margin(0.08));
  CHECK(clean.tests[0].unit == "nats");
  CHECK_FALSE(clean.tests[0].contamination);
  CHECK(audit(rare_tokens_subject(0.6, 300, 1), std::nullopt, {}).tests[0].contamination);
  CHECK_FALSE(audit(rare_tokens_subject(0.6, 50, 1), std::nullopt, {}).tests[0].contamination);  // too few

  // An author's numbers are likelier to anyone: that lead is a sign only where it has grown.
  auto beside_numbers = [](AuditSubject subject) {
    subject.parts[0].forms["min_k_numbers"] = std::move(subject.parts[0].forms["min_k"]);
    subject.parts[0].forms.erase("min_k");
    return subject;
  };
  const AuditSubject learned = beside_numbers(rare_tokens_subject(1.2, 300, 1)),
                     before = beside_numbers(rare_tokens_subject(0.4, 300, 2));
  CHECK_FALSE(audit(before, std::nullopt, {}).tests[0].contamination);
  CHECK_FALSE(audit(learned, before, {}).tests[0].contamination);
  CHECK(audit(learned, before, {}).tests[1].contamination);

  const AuditResult since = audit(rare_tokens_subject(0.5, 300, 1), rare_tokens_subject(0.2, 300, 2), {});
  REQUIRE(since.tests.size() == 2);
  CHECK(since.tests[1].effect == Approx(0.3).margin(0.1));
  CHECK(since.tests[1].contamination);
  CHECK_FALSE(audit(rare_tokens_subject(0.2, 300, 1), rare_tokens_subject(0.2, 300, 2), {}).tests[1].contamination);
}

AuditGrades grades(const std::string& prefix, int right, int wrong, const std::string& stratum = "",
                   const std::string& date = "") {
  AuditGrades all;
  for (int i = 0; i < right + wrong; ++i) {
    all.push_back({prefix + std::to_string(i), i < right ? 1.0 : 0.0, stratum, date});
  }
  return all;
}

TEST_CASE("what public benchmarks gained beside a held-out exam, worked out by hand") {
  AuditSubject before{"b", {}, {{"contest", grades("c", 10, 90), {{"public", grades("p", 40, 60)}}}}};
  AuditSubject after{"a", {}, {{"contest", grades("c", 14, 86), {{"public", grades("p", 70, 30)}}}}};
  const AuditResult result = audit(after, before, {});
  REQUIRE(result.tests.size() == 1);
  const AuditTest& test = result.tests[0];
  CHECK(test.name == "gain of public beside contest");
  CHECK(test.n == 200);
  CHECK(test.effect == Approx(0.30 - 0.04));
  // 30 of 100 and 4 of 100 gained 1, the others 0: variances 0.3 0.7 / 99 and 0.04 0.96 / 99; since four are few, the
  // second one that of two more items as well.
  const double own = 0.21 / 99, exam = 0.0384 / 99 + 2 / (102.0 * 102);
  CHECK(*test.high - *test.low ==
        Approx(2 * student_quantile(0.975, 99 * std::pow(own + exam, 2) / (own * own + exam * exam)) *
               std::sqrt(own + exam)));
  CHECK(test.contamination);
  after.held_out[0].grades = grades("c", 40, 60);
  CHECK_FALSE(audit(after, before, {}).tests[0].contamination);  // both gained alike
}

TEST_CASE("problems from before the end of the training data are compared within their difficulty") {
  AuditGrades all;
  auto add = [&](AuditGrades more) { all.insert(all.end(), more.begin(), more.end()); };
  add(grades("1-", 30, 10, "Easy", "2023-07")), add(grades("2-", 5, 35, "Hard", "2023-07"));
  add(grades("3-", 15, 5, "Easy", "2023-10")), add(grades("4-", 10, 70, "Hard", "2023-09"));
  const AuditSubject subject{"a", {}, {{"contest", all, {}}}};
  CHECK(audit(subject, std::nullopt, {}).tests.empty());  // no date is known
  AuditRules rules;
  rules.cutoff = "2023-09";
  const AuditResult even = audit(subject, std::nullopt, rules);
  REQUIRE(even.tests.size() == 1);
  CHECK(even.tests[0].n == 180);
  CHECK(even.tests[0].effect ==
        Approx(0).margin(1e-12));  // 75 % and 12.5 % before and after, though 44 % and 25 % in all
  CHECK_THAT(even.tests[0].what, Catch::Contains("43.8 % of 80") && Catch::Contains("25.0 % of 100"));
  CHECK_FALSE(even.tests[0].contamination);

  for (AuditGrade& grade : all) {
    if (grade.date < rules.cutoff) grade.value = 1;
  }
  const AuditResult learned = audit({"a", {}, {{"contest", all, {}}}}, std::nullopt, rules);
  // Strata 40 and 20, 40 and 80: weights 40/3 and 80/3, effects 0.25 and 0.875.
  CHECK(learned.tests[0].effect == Approx((0.25 * 40 + 0.875 * 80) / 120));
  CHECK(learned.tests[0].contamination);
  CHECK_THAT(learned.sentence, Catch::Contains("Sign of contamination: contest before 2023-09"));
}

}  // namespace
}  // namespace assay
