#include "reports/published_audit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/text.h"
#include "reports/distributions.h"

namespace assay {
namespace {

// The gains of the benchmarks of one kind in one language.
struct Gains {
  std::vector<double> gains;
  std::vector<std::string> benchmarks;
  double variances = 0;  // binomial, summed
  int64_t items = 0;

  void add(const PublishedScore& score) {
    gains.push_back(score.a - score.b);
    benchmarks.push_back(score.benchmark);
    variances +=
        (score.a * (1 - score.a) + score.b * (1 - score.b)) / static_cast<double>(std::max<int64_t>(1, score.items));
    items += score.items;
  }
  double count() const { return static_cast<double>(gains.size()); }
  double mean() const {
    double sum = 0;
    for (double gain : gains) sum += gain;
    return sum / count();
  }
  double sampling() const { return std::sqrt(variances) / count(); }
  double squares() const {  // around the mean
    double sum = 0;
    for (double gain : gains) sum += (gain - mean()) * (gain - mean());
    return sum;
  }
};

struct LanguagePair {
  Gains letters, open;
};

AuditTest make_test(const std::string& language, const char* name, const char* null, double effect, double error,
                    int64_t items) {
  AuditTest test;
  test.language = language, test.name = name, test.null = null;
  test.effect = effect;
  test.low = effect - kZ95 * error, test.high = effect + kZ95 * error;
  if (error > 0) test.p = 2 * normal_upper_tail(std::fabs(effect / error));
  test.n = items;
  return test;
}

// The name without what says how a base model was trained on.
std::string stem(const std::string& name) {
  std::vector<std::string> words = split(name, ' ');
  auto is_stage = [](const std::string& word) {
    static const char* const kStages[] = {"Base", "Chat", "Instruct", "SFT", "DPO", "RL", "(SFT)", "(RL)"};
    return std::find(std::begin(kStages), std::end(kStages), word) != std::end(kStages);
  };
  while (words.size() > 1 && is_stage(words.back())) words.pop_back();
  return fmt::format("{}", fmt::join(words, " "));
}

// "published:X@source" -> "X"
std::string model_name(const std::string& selector) {
  std::string name = selector.substr(0, selector.rfind('@'));
  const std::string prefix = "published:";
  return starts_with(name, prefix) ? name.substr(prefix.size()) : name;
}

// By their names alone: A is B with something added, or another stage of one model.
bool bears_the_name(const std::string& a, const std::string& b) {
  const std::string left = model_name(a), right = model_name(b);
  return starts_with(left, right + " ") || stem(left) == stem(right);
}

class PublishedAudit {
 public:
  PublishedAudit(const std::string& a, const std::string& b, const AuditRules& rules)
      : rules_(rules), z_(normal_quantile(1 - rules.alpha)) {
    result_.checkpoint = a, result_.against = b;
    result_.from_published = true;
  }

  AuditResult run(const std::map<std::string, LanguagePair>& languages) {
    const double spread = spread_of(languages);
    int64_t compared = 0, found = 0;
    for (const auto& [language, kinds] : languages) {
      if (kinds.letters.gains.empty() || kinds.open.gains.empty()) continue;
      ++compared;
      found += compare(language, kinds.letters, kinds.open, spread);
    }
    if (compared > 0 && found < compared) result_.verdict = AuditVerdict::kNotShown;
    if (found == compared && compared >= 2) result_.verdict = AuditVerdict::kDecorated;
    result_.sentence = sentence(compared);
    return std::move(result_);
  }

 private:
  // Of gains within a kind and language: what these show, and at least what is known of others.
  static double spread_of(const std::map<std::string, LanguagePair>& languages) {
    double squares = 0, degrees = 0;
    for (const auto& [unused, kinds] : languages) {
      for (const Gains* gains : {&kinds.letters, &kinds.open}) {
        if (gains->gains.size() < 2) continue;
        squares += gains->squares(), degrees += gains->count() - 1;
      }
    }
    return degrees == 0 ? kGainSpread : std::max(kGainSpread, std::sqrt(squares / degrees));
  }

  bool compare(const std::string& language, const Gains& letters, const Gains& open, double spread) {
    const double sampling = std::hypot(letters.sampling(), open.sampling());
    const double error = std::hypot(sampling, spread * std::sqrt(1 / letters.count() + 1 / open.count()));
    const double own = letters.mean(), free = open.mean(), beside = own - free;
    const double beside_twice = own - 2 * std::max(free, 0.0);
    const double twice_error = std::hypot(letters.sampling(), (free > 0 ? 2 : 0) * open.sampling());
    const bool found =
        own > rules_.margin && beside > rules_.margin && beside - z_ * error > 0 && beside_twice - z_ * twice_error > 0;
    const std::string numbers =
        fmt::format("{} points in {}, {} in {}", points(own), fmt::join(letters.benchmarks, " and "), points(free),
                    fmt::join(open.benchmarks, " and "));
    AuditTest test = make_test(language, "gain of multiple choice beside open answers", "both gain alike", beside,
                               error, letters.items + open.items);
    test.what =
        fmt::format("{}; gains of one kind differ by {:.1f} from benchmark to benchmark", numbers, 100 * spread);
    test.found = found;
    result_.tests.push_back(std::move(test));
    const auto error_of = [&](const Gains& gains) {
      return std::hypot(gains.sampling(), spread / std::sqrt(gains.count()));
    };
    result_.tests.push_back(
        make_test(language, "gain of multiple choice", "no gain", own, error_of(letters), letters.items));
    result_.tests.push_back(make_test(language, "gain of open answers", "no gain", free, error_of(open), open.items));
    if (found) findings_.push_back(fmt::format("{} ({})", numbers, language));
    return found;
  }

  std::string sentence(int64_t compared) const {
    const std::string &a = result_.checkpoint, &b = result_.against;
    const std::string findings = fmt::format("{}", fmt::join(findings_, "; "));
    switch (result_.verdict) {
      case AuditVerdict::kDecorated: {
        std::string text = fmt::format(
            "{}: the multiple-choice score since {} is exam technique at least in part: {}, ", a, b, findings);
        text += "by published numbers alone.";
        if (!bears_the_name(a, b)) {
          text = fmt::format(
              "{}: beside {} its multiple-choice scores lie higher than its open answers do: {}, by published numbers "
              "alone. Exam technique would look like this; so may other training text, since nothing says that one of "
              "the two was trained on from the other.",
              a, b, findings);
        }
        return text;
      }
      case AuditVerdict::kNotShown:
        return fmt::format(
            "{}: nothing in the published numbers shows that the multiple-choice score since {} is exam "
            "technique.",
            a, b);
      case AuditVerdict::kTooFew:
        if (compared == 0) {
          return fmt::format(
              "{}: no language in which {} has published numbers too has both multiple choice and open "
              "answers: too few benchmarks to tell technique from ability.",
              a, b);
        }
        return fmt::format(
            "{}: {} beside {}; one language alone does not tell technique from other training text: "
            "too few benchmarks.",
            a, findings, b);
    }
    return "";
  }

  const AuditRules& rules_;
  const double z_;
  AuditResult result_;
  std::vector<std::string> findings_;
};

}  // namespace

const BenchmarkKind* find_benchmark_kind(const std::string& benchmark) {
  // Sizes of the test sets, of C-Eval's with hidden answers; that of ChineseQA is not published: 1,000 is a guess on
  // the side of wide intervals.
  static constexpr BenchmarkKind kKinds[] = {
      {"MMLU", true, 14042, "en"},      {"C-Eval", true, 12342, "zh"},           {"CMMLU", true, 11582, "zh"},
      {"TriviaQA", false, 11313, "en"}, {"NaturalQuestions", false, 3610, "en"}, {"ChineseQA", false, 1000, "zh"},
  };
  for (const BenchmarkKind& kind : kKinds) {
    if (benchmark == kind.benchmark) return &kind;
  }
  return nullptr;
}

std::vector<PublishedScore> shared_scores(const std::vector<const PublishedNumber*>& a,
                                          const std::vector<const PublishedNumber*>& b) {
  std::vector<PublishedScore> scores;
  std::set<std::string> seen;
  for (const bool same_source : {true, false}) {
    for (const PublishedNumber* left : a) {
      const BenchmarkKind* kind = find_benchmark_kind(left->benchmark);
      if (!kind || seen.count(left->benchmark)) continue;
      for (const PublishedNumber* right : b) {
        if (right->benchmark != left->benchmark || (same_source && right->source != left->source)) continue;
        seen.insert(left->benchmark);
        scores.push_back(
            {left->benchmark, kind->multiple_choice, left->value, right->value, kind->items, kind->language});
        break;
      }
    }
  }
  return scores;
}

AuditResult audit_published(const std::string& a, const std::string& b, const std::vector<PublishedScore>& scores,
                            const AuditRules& rules) {
  std::map<std::string, LanguagePair> languages;
  for (const PublishedScore& score : scores) {
    LanguagePair& language = languages[score.language];
    (score.multiple_choice ? language.letters : language.open).add(score);
  }
  return PublishedAudit(a, b, rules).run(languages);
}

}  // namespace assay
