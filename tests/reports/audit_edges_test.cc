// Attempts to make the audit say what is not so: odd answerers, odd files, odd numbers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "reports/audit.h"

namespace assay {
namespace {

// An answerer is asked for the place that it names: form, order, place of the right option as shown, options.
struct Question {
  std::string form;
  int item = 0, order = 0, right = 0, options = 4;
};
using Answerer = std::function<int(const Question&)>;

struct File {
  int items = 400;
  std::function<int(int)> options = [](int) { return 4; };
  std::function<int(int)> gold = [](int item) { return item % 4; };
  int passage = 0;  // items on one; 0: none
};

AuditSubject ask(const File& file, const Answerer& answerer, const std::string& language = "en") {
  AuditPart part;
  part.language = language;
  for (int i = 0; i < file.items; ++i) {
    const std::string item = std::to_string(i);
    const int options = file.options(i), gold = file.gold(i);
    part.gold_position[item] = gold;
    if (file.passage > 0) part.clusters[item] = "p" + std::to_string(i / file.passage);
    auto add = [&](const char* form, int order) {
      const int right = (gold + options - order) % options;
      const int named = answerer({form, i, order, right, options});
      part.forms[form].push_back(
          {item, order, options, named == right ? 1.0 : 0.0, std::string(1, static_cast<char>('A' + named))});
    };
    for (int order = 0; order < options; ++order) add("orders", order);
    for (const char* form : {"digits", "letters", "reworded", "blind", "cloze"}) add(form, 0);
    const bool known = part.forms["cloze"].back().value == 1 && answerer({"open", i, 0, 0, options}) == 0;
    part.forms["open"].push_back({item, 0, 0, known ? 1.0 : 0.0, ""});
  }
  return {"c", {part}, {}};
}

bool is_label_form(const std::string& form) {
  return form == "orders" || form == "digits" || form == "letters" || form == "reworded" || form == "blind";
}

const AuditTest& test_named(const AuditResult& result, const std::string& name) {
  auto found =
      std::find_if(result.tests.begin(), result.tests.end(), [&](const AuditTest& test) { return test.name == name; });
  REQUIRE(found != result.tests.end());
  return *found;
}

// Knows a share of the items in every form; elsewhere it names one place by label: the first under A B C, the last
// under other labels.
Answerer biased(double knowledge) {
  return [knowledge](const Question& q) {
    std::mt19937_64 random(static_cast<uint64_t>(q.item) + 11);
    const bool known = std::uniform_real_distribution<double>()(random) < knowledge;
    if (known) return q.right;
    if (q.form == "orders" || q.form == "reworded") return 0;
    return q.form == "cloze" || q.form == "open" ? (q.item / 7) % q.options : q.options - 1;
  };
}

// Picks the letter by technique on most items; knows nothing.
Answerer decorated() {
  return [](const Question& q) {
    std::mt19937_64 random(static_cast<uint64_t>(q.item * 64 + q.order * 8) + q.form.size());
    return q.form == "orders" && q.item % 10 < 7 ? q.right
                                                 : static_cast<int>(random() % static_cast<uint64_t>(q.options));
  };
}
Answerer ignorant() {
  return [](const Question& q) {
    std::mt19937_64 random(static_cast<uint64_t>(q.item * 64 + q.order * 8) + q.form.size() + 99991);
    return static_cast<int>(random() % static_cast<uint64_t>(q.options));
  };
}

TEST_CASE("who names one letter whatever is asked is not named, however the right options stand in the file") {
  const std::pair<const char*, std::function<int(int)>> files[] = {
      {"always first", [](int) { return 0; }},
      {"seven of ten first", [](int item) { return item % 10 < 7 ? 0 : 1 + item % 3; }},
      {"two of five first, one of ten last",
       [](int item) { return item % 10 < 4   ? 0
                             : item % 10 < 9 ? 1 + item % 2
                                             : 3; }},
  };
  for (const auto& [name, gold] : files) {
    for (double knowledge : {0.0, 0.1, 0.3}) {
      CAPTURE(name, knowledge);
      File file;
      file.items = 1000, file.gold = gold;
      const AuditResult alone = audit(ask(file, biased(knowledge)), std::nullopt, {});
      // Where the right option stands first always, its place and the label can't be told apart.
      CHECK(alone.verdict == (gold(1) == 0 && gold(7) == 0 ? AuditVerdict::kTooFew : AuditVerdict::kNotShown));
      // Nor is a checkpoint that fell into the habit.
      const AuditResult since = audit(ask(file, biased(knowledge)),
                                      ask(file,
                                          [&](const Question& q) {
                                            const int named = biased(knowledge)(q);
                                            return is_label_form(q.form) && named != q.right ? ignorant()(q) : named;
                                          }),
                                      {});
      CHECK(since.verdict != AuditVerdict::kDecorated);
    }
  }
}

TEST_CASE("all right, all wrong: not shown, no sign, and no number that isn't one") {
  for (bool right : {true, false}) {
    const AuditSubject subject =
        ask({}, [&](const Question& q) { return right ? q.right : (q.right + 1) % q.options; });
    const AuditResult result = audit(subject, subject, {});
    CHECK(result.verdict == AuditVerdict::kNotShown);
    CHECK(to_json(result).dump().find("contamination\":true") == std::string::npos);
    for (const AuditTest& test : result.tests) {
      CAPTURE(test.name);
      CHECK(std::isfinite(test.effect));
      if (test.low) CHECK((std::isfinite(*test.low) && *test.low <= test.effect && test.effect <= *test.high));
      if (test.p) CHECK((*test.p >= 0 && *test.p <= 1));
    }
  }
}

TEST_CASE("two, three, five and ten options in one file: an even answerer has no letter bias, E is asked where it is") {
  File file;
  file.options = [](int item) { return std::array{2, 3, 5, 10}[static_cast<size_t>(item % 4)]; };
  file.gold = [&](int item) { return item % file.options(item); };
  std::mt19937_64 random(3);
  auto even = [&](const Question& q) { return std::uniform_int_distribution<int>(0, q.options - 1)(random); };
  const AuditResult result = audit(ask(file, even), std::nullopt, {});
  CHECK(result.verdict == AuditVerdict::kNotShown);
  CHECK(*test_named(result, "letter bias").p > 0.05);
  CHECK(test_named(result, "options without the question").effect == Approx(0).margin(0.1));
  // Whoever names the last label each time names E on items of five alone, and J on those of ten.
  const AuditResult last = audit(ask(file, [](const Question& q) { return q.options - 1; }), std::nullopt, {});
  const AuditTest& bias = test_named(last, "letter bias");
  CHECK_THAT(bias.what, Catch::StartsWith("J is named most often"));
  CHECK(bias.effect == Approx(0.9));
  CHECK(bias.n == 100);
}

TEST_CASE("technique is found with two, three, five and ten options, and where items differ in them") {
  for (int kind : {2, 3, 5, 10, 0}) {
    CAPTURE(kind);
    File file;
    file.options = [&](int item) { return kind > 0 ? kind : 3 + item % 3; };
    file.gold = [&](int item) { return (item / 3) % file.options(item); };
    std::mt19937_64 random(9);
    auto guess = [&](const Question& q) { return std::uniform_int_distribution<int>(0, q.options - 1)(random); };
    const AuditSubject before = ask(file, guess);
    const AuditSubject after =
        ask(file, [&](const Question& q) { return q.form == "orders" && q.item % 10 < 6 ? q.right : guess(q); });
    CHECK(audit(after, before, {}).verdict == AuditVerdict::kDecorated);
    CHECK(audit(after, std::nullopt, {}).verdict == AuditVerdict::kDecorated);
    CHECK(audit(before, after, {}).verdict == AuditVerdict::kNotShown);
  }
}

TEST_CASE("a form that is missing, or that few items have, does not hide technique that another shows") {
  const AuditSubject before = ask({}, ignorant()), whole = ask({}, decorated());
  auto without = [&](const std::vector<std::string>& forms, size_t keep) {
    AuditSubject subject = whole;
    for (const std::string& form : forms) {
      auto& answers = subject.parts[0].forms[form];
      answers.resize(std::min(keep, answers.size()));
      if (keep == 0) subject.parts[0].forms.erase(form);
    }
    return audit(subject, before, {}).verdict;
  };
  CHECK(without({"open"}, 0) == AuditVerdict::kDecorated);
  CHECK(without({"open"}, 40) == AuditVerdict::kDecorated);
  CHECK(without({"cloze"}, 1) == AuditVerdict::kDecorated);
  CHECK(without({"digits", "letters"}, 0) == AuditVerdict::kDecorated);
  CHECK(without({"digits"}, 30) == AuditVerdict::kDecorated);
  CHECK(without({"open", "cloze"}, 0) == AuditVerdict::kDecorated);  // by its labels
  CHECK(without({"open", "cloze", "digits"}, 0) == AuditVerdict::kTooFew);
  CHECK(without({"orders"}, 0) == AuditVerdict::kTooFew);
}

TEST_CASE("a language that one side alone was asked in is judged by what it shows alone") {
  AuditSubject both = ask({}, ignorant());
  both.parts.push_back(ask({}, decorated(), "zh").parts[0]);
  const AuditSubject english = ask({}, ignorant());
  const AuditResult result = audit(both, english, {});
  CHECK(result.verdict == AuditVerdict::kDecorated);
  CHECK_THAT(result.sentence, Catch::Contains("(zh)") && !Catch::Contains("(en)"));
  CHECK(audit(english, both, {}).verdict == AuditVerdict::kNotShown);
}

TEST_CASE("numbers that are none are left out and counted") {
  AuditSubject subject = ask({}, ignorant());
  auto& forms = subject.parts[0].forms;
  for (int i = 0; i < 200; ++i) {
    for (int order : {0, 2}) forms["min_k"].push_back({std::to_string(i), order, 0, -5.0, ""});
    for (int order = 0; order < 8; ++order)
      forms["sequence"].push_back({std::to_string(i), order, 0, 400.0 + order, ""});
  }
  forms["min_k"][0].value = std::numeric_limits<double>::quiet_NaN();
  forms["min_k"][2].value = -std::numeric_limits<double>::infinity();
  forms["sequence"][0].value = std::numeric_limits<double>::infinity();
  forms["sequence"][9].value = std::numeric_limits<double>::quiet_NaN();
  const AuditResult result = audit(subject, subject, {});
  CHECK(test_named(result, "rare tokens, beside another order").n == 198);
  CHECK(test_named(result, "rare tokens, beside another order").effect == 0);
  CHECK(test_named(result, "order of the test set").n == 199);
  for (const AuditTest& test : result.tests) CHECK(std::isfinite(test.effect));
  const auto of_numbers = [](const AuditLeftOut& left) { return left.reason == "a value that is no finite number"; };
  CHECK(std::count_if(result.left_out.begin(), result.left_out.end(), of_numbers) == 2);
}

TEST_CASE("passages count, not their items: technique on three passages decides nothing") {
  File file;
  file.items = 300, file.passage = 60;
  CHECK(audit(ask(file, decorated()), ask(file, ignorant()), {}).verdict == AuditVerdict::kTooFew);
  file.passage = 5;
  CHECK(audit(ask(file, decorated()), ask(file, ignorant()), {}).verdict == AuditVerdict::kDecorated);

  // Half of the passages stand in the training text, all their items with them: one share of passages.
  AuditSubject subject = ask(file, ignorant());
  for (int i = 0; i < 300; ++i) subject.parts[0].in_training_text[std::to_string(i)] = (i / 5) % 30 == 0;
  const AuditTest clustered = test_named(audit(subject, std::nullopt, {}), "words in the training text");
  subject.parts[0].clusters.clear();
  const AuditTest alone = test_named(audit(subject, std::nullopt, {}), "words in the training text");
  CHECK(clustered.effect == alone.effect);
  CHECK(*clustered.high - *clustered.low > 2 * (*alone.high - *alone.low));
  CHECK(*clustered.p > 0.1);
  CHECK(*alone.p == Approx(0.08).margin(0.03));
}

TEST_CASE("one passage, one item, no item: nothing is said") {
  for (int items : {0, 1, 2, 5}) {
    File file;
    file.items = items, file.passage = 5;
    const AuditResult result = audit(ask(file, decorated()), ask(file, ignorant()), {});
    CHECK(result.verdict == AuditVerdict::kTooFew);
    for (const AuditTest& test : result.tests) CHECK_FALSE(test.low);
  }
}

TEST_CASE("an item with one option is no item") {
  File file;
  file.options = [](int item) { return item < 200 ? 1 : 4; };
  file.gold = [](int item) { return item < 200 ? 0 : item % 4; };
  const AuditResult result = audit(ask(file, ignorant()), std::nullopt, {});
  CHECK(test_named(result, "bound to the labels, beside 1 2 3").n == 200);
  CHECK(test_named(result, "right in every order").n == 200);
}

}  // namespace
}  // namespace assay
