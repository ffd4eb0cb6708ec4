#include "tasks/changed_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <vector>

#include "core/hash.h"
#include "core/text.h"

namespace assay {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool equal(double a, double b) {
  return std::fabs(a - b) <= 1e-6 * std::max(1.0, std::fabs(b));
}
bool is_whole(double value) {
  return equal(value, std::round(value));
}

// A number as it stands in the question.
struct Literal {
  size_t begin = 0, end = 0;
  double value = 0;
  bool plain = false;   // a whole number that stands for an amount
  bool commas = false;  // "80,000"
};

std::vector<Literal> literals_of(const std::string& text) {
  std::vector<Literal> out;
  for (size_t i = 0; i < text.size();) {
    const bool begins = is_digit(text[i]) || (text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]));
    if (!begins) {
      ++i;
      continue;
    }
    Literal literal;
    literal.begin = i;
    std::string digits;
    for (; i < text.size(); ++i) {
      const bool inside = i + 1 < text.size() && is_digit(text[i + 1]) && (text[i] == '.' || text[i] == ',');
      if (!is_digit(text[i]) && !inside) break;
      if (text[i] == ',') {
        literal.commas = true;
      } else {
        digits += text[i];
      }
    }
    literal.end = i;
    literal.value = std::strtod(digits.c_str(), nullptr);
    const char before = literal.begin > 0 ? text[literal.begin - 1] : ' ', after = i < text.size() ? text[i] : ' ';
    const size_t next = text.find_first_not_of(' ', i);
    const bool percent = next != std::string::npos && (text[next] == '%' || text.compare(next, 7, "percent") == 0);
    const bool year = !literal.commas && literal.value >= 1900 && literal.value < 2100;
    const bool joined = std::string("/:.-").find(before) != std::string::npos || is_letter(before) ||
                        std::string("/:").find(after) != std::string::npos || is_letter(after);
    literal.plain = digits.find('.') == std::string::npos && !percent && !year && !joined;
    out.push_back(literal);
  }
  return out;
}

// A number in an annotation, and the annotation as a tree in reverse Polish order.
struct Step {
  char kind = 'n';  // 'n' a number, else + - * / or '~' for a sign
  double value = 0;
};
struct Annotation {
  std::vector<Step> steps;
  std::string text;  // of the expression, with numbers as "\x01"
  double result = 0;
};

// Sums of products of signed numbers and parentheses.
class ExpressionReader {
 public:
  explicit ExpressionReader(const std::string& text) : text_(text) {}
  bool read(Annotation& out) {
    out_ = &out;
    return sum() && at_ == text_.size();
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    out_->text += text_[at_++];
    return true;
  }
  bool sum() {
    if (!product()) return false;
    for (;;) {
      const char op = at_ < text_.size() ? text_[at_] : ' ';
      if (op != '+' && op != '-') return true;
      take(op);
      if (!product()) return false;
      out_->steps.push_back({op, 0});
    }
  }
  bool product() {
    if (!factor()) return false;
    for (;;) {
      const char op = at_ < text_.size() ? text_[at_] : ' ';
      if (op != '*' && op != '/') return true;
      take(op);
      if (!factor()) return false;
      out_->steps.push_back({op, 0});
    }
  }
  bool factor() {
    if (take('-')) {
      if (!factor()) return false;
      out_->steps.push_back({'~', 0});
      return true;
    }
    if (take('(')) return sum() && take(')');
    char* end = nullptr;
    if (at_ >= text_.size() || !(is_digit(text_[at_]) || text_[at_] == '.')) return false;
    const double value = std::strtod(text_.c_str() + at_, &end);
    at_ = static_cast<size_t>(end - text_.c_str());
    out_->steps.push_back({'n', value});
    out_->text += '\x01';
    return true;
  }

  const std::string& text_;
  size_t at_ = 0;
  Annotation* out_ = nullptr;
};

std::optional<double> evaluate(const std::vector<Step>& steps) {
  std::vector<double> stack;
  for (const Step& step : steps) {
    if (step.kind == 'n') {
      stack.push_back(step.value);
      continue;
    }
    const double right = stack.back();
    if (step.kind == '~') {
      stack.back() = -right;
      continue;
    }
    stack.pop_back();
    double& left = stack.back();
    if (step.kind == '/' && right == 0) return std::nullopt;
    left = step.kind == '+'   ? left + right
           : step.kind == '-' ? left - right
           : step.kind == '*' ? left * right
                              : left / right;
  }
  return stack.back();
}

std::optional<double> number_in(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

// The annotations in order; nothing where one is unreadable or wrong, or the last does not give the answer.
std::optional<std::vector<Annotation>> annotations_of(const std::string& answer) {
  std::vector<Annotation> out;
  const size_t mark = answer.rfind("#### ");
  if (mark == std::string::npos) return std::nullopt;
  for (size_t at = answer.find("<<"); at != std::string::npos; at = answer.find("<<", at + 2)) {
    const size_t end = answer.find(">>", at);
    if (end == std::string::npos) return std::nullopt;
    const std::string inside = replace_all(answer.substr(at + 2, end - at - 2), " ", "");
    const size_t sign = inside.find('=');
    if (sign == std::string::npos) return std::nullopt;
    Annotation annotation;
    const std::string expression = inside.substr(0, sign);
    const auto stated = number_in(inside.substr(sign + 1));
    if (!stated || !ExpressionReader(expression).read(annotation)) return std::nullopt;
    const auto worked_out = evaluate(annotation.steps);
    if (!worked_out || !equal(*worked_out, *stated)) return std::nullopt;
    annotation.result = *worked_out;
    out.push_back(std::move(annotation));
  }
  const auto gold = number_in(replace_all(std::string(strip(answer.substr(mark + 5))), ",", ""));
  if (out.empty() || !gold || !is_whole(*gold) || !equal(out.back().result, *gold)) return std::nullopt;
  return out;
}

// What a question may say without digits: the beginning of a word, and the values that a solution may then use.
struct Spoken {
  const char* word;
  std::vector<double> values;
};
const std::vector<Spoken>& spoken() {
  static const std::vector<Spoken> kSpoken = {
      {"half", {2, 0.5, 1.5}},
      {"halve", {2, 0.5}},
      {"twice", {2}},
      {"doubl", {2}},
      {"both", {2}},
      {"pair", {2}},
      {"couple", {2}},
      {"one", {1}},
      {"two", {2}},
      {"three", {3}},
      {"four", {4}},
      {"five", {5}},
      {"six", {6}},
      {"seven", {7}},
      {"eight", {8}},
      {"nine", {9}},
      {"ten", {10}},
      {"eleven", {11}},
      {"twelve", {12}},
      {"twenty", {20}},
      {"thirty", {30}},
      {"hundred", {100}},
      {"thousand", {1000}},
      {"thrice", {3}},
      {"tripl", {3}},
      {"third", {3}},
      {"quarter", {4, 0.25, 25}},
      {"fourth", {4}},
      {"fifth", {5}},
      {"sixth", {6}},
      {"eighth", {8}},
      {"tenth", {10}},
      {"quadrupl", {4}},
      {"dozen", {12}},
      {"week", {7, 52}},
      {"day", {7, 24, 365, 30}},
      {"hour", {60, 24}},
      {"minute", {60}},
      {"second", {60}},
      {"month", {12, 30, 4}},
      {"year", {12, 365, 52}},
      {"foot", {12}},
      {"feet", {12}},
      {"inch", {12}},
      {"yard", {3}},
      {"cent", {100}},
      {"%", {100, 1, 0.01}},
      {"$", {100}},
      {"dime", {10}},
      {"nickel", {5}},
      {"kilo", {1000}},
      {"daily", {7}},
      {"annual", {12}},
  };
  return kSpoken;
}

std::vector<double> spoken_values(const std::string& question) {
  const std::string lower = to_lower_ascii(question);
  std::vector<double> out;
  for (const Spoken& one : spoken()) {
    for (size_t at = lower.find(one.word); at != std::string::npos; at = lower.find(one.word, at + 1)) {
      if (at > 0 && is_letter(lower[at - 1])) continue;  // "money" is not one
      out.insert(out.end(), one.values.begin(), one.values.end());
      break;
    }
  }
  return out;
}

size_t count_of(const std::vector<double>& values, double value) {
  return static_cast<size_t>(std::count_if(values.begin(), values.end(), [&](double v) { return equal(v, value); }));
}

// Where a number of an annotation comes from: the n-th changed literal, the n-th annotation's result, or itself.
struct Origin {
  enum class Kind { kSelf, kLiteral, kResult } kind = Kind::kSelf;
  size_t index = 0;
};

class Changer {
 public:
  Changer(const std::string& question, std::vector<Annotation> annotations)
      : question_(question), annotations_(std::move(annotations)), literals_(literals_of(question)) {}

  std::optional<ChangedProblem> change(uint64_t seed) {
    if (!trace()) return std::nullopt;
    const uint64_t own = stable_hash(seed, question_);
    for (uint64_t attempt = 0; attempt < 300; ++attempt) {
      if (auto changed = draw(stable_hash(own, std::to_string(attempt)))) return changed;
    }
    return std::nullopt;
  }

 private:
  // Finds the numbers to change and where each number of the solution comes from.
  bool trace() {
    std::vector<double> in_question, results, used;
    for (const Literal& literal : literals_) in_question.push_back(literal.value);
    for (const Annotation& annotation : annotations_) {
      results.push_back(annotation.result);
      for (const Step& step : annotation.steps) {
        if (step.kind == 'n') used.push_back(step.value);
      }
    }
    const std::vector<double> said = spoken_values(question_);
    for (size_t i = 0; i < literals_.size(); ++i) {
      const Literal& literal = literals_[i];
      if (literal.plain && literal.value >= 2 && count_of(in_question, literal.value) == 1 &&
          count_of(results, literal.value) == 0 && count_of(said, literal.value) == 0 &&
          count_of(used, literal.value) > 0) {
        slots_.push_back(i);
      }
    }
    if (slots_.empty()) return false;
    for (size_t a = 0; a < annotations_.size(); ++a) {
      origins_.emplace_back();
      for (const Step& step : annotations_[a].steps) {
        if (step.kind != 'n') continue;
        const auto origin = origin_of(step.value, a, results, in_question, said);
        if (!origin) return false;
        origins_.back().push_back(*origin);
      }
    }
    return true;
  }

  std::optional<Origin> origin_of(double value, size_t annotation, const std::vector<double>& results,
                                  const std::vector<double>& in_question, const std::vector<double>& said) const {
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (equal(literals_[slots_[i]].value, value)) return Origin{Origin::Kind::kLiteral, i};
    }
    const std::vector<double> earlier(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(annotation));
    const size_t computed = count_of(earlier, value);
    const bool shown = count_of(in_question, value) > 0;
    const bool given = shown || count_of(said, value) > 0 || is_percentage(value);
    if (given && !shown && follows_from_two(value, in_question, earlier)) return std::nullopt;
    if (computed > 1 || (computed == 1 && given)) return std::nullopt;  // two meanings
    if (computed == 1) {
      const auto found = std::find_if(earlier.begin(), earlier.end(), [&](double v) { return equal(v, value); });
      return Origin{Origin::Kind::kResult, static_cast<size_t>(found - earlier.begin())};
    }
    if (given) return Origin{};
    return std::nullopt;
  }

  // Whether it could have been worked out silently from two numbers.
  static bool follows_from_two(double value, std::vector<double> known, const std::vector<double>& results) {
    known.insert(known.end(), results.begin(), results.end());
    for (size_t i = 0; i < known.size(); ++i) {
      for (size_t j = 0; j < known.size(); ++j) {
        if (i == j) continue;
        const double a = known[i], b = known[j];
        if (equal(a + b, value) || equal(a - b, value) || equal(a * b, value) || (b != 0 && equal(a / b, value))) {
          return true;
        }
      }
    }
    return false;
  }

  // A percentage of the question as a share, or one more or less than it.
  bool is_percentage(double value) const {
    return std::any_of(literals_.begin(), literals_.end(), [&](const Literal& literal) {
      const size_t next = question_.find_first_not_of(' ', literal.end);
      if (next == std::string::npos || question_[next] != '%') return false;
      const double share = literal.value / 100;
      return equal(value, share) || equal(value, 1 - share) || equal(value, 1 + share) ||
             equal(value, 100 - 100 * share);
    });
  }

  std::optional<ChangedProblem> draw(uint64_t seed) const {
    std::vector<double> values;
    for (size_t i = 0; i < slots_.size(); ++i) {
      values.push_back(other_value(literals_[slots_[i]].value, stable_hash(seed, std::to_string(i))));
    }
    if (!fits(values)) return std::nullopt;
    std::vector<double> results;
    std::string solution;
    for (size_t a = 0; a < annotations_.size(); ++a) {
      std::vector<Step> steps = annotations_[a].steps;
      std::string text = annotations_[a].text;
      size_t n = 0;
      for (Step& step : steps) {
        if (step.kind != 'n') continue;
        const Origin& origin = origins_[a][n++];
        if (origin.kind == Origin::Kind::kLiteral) step.value = values[origin.index];
        if (origin.kind == Origin::Kind::kResult) step.value = results[origin.index];
        text.replace(text.find('\x01'), 1, fmt::format("{:.12g}", step.value));
      }
      const auto result = evaluate(steps);
      const double before = annotations_[a].result;
      if (!result || (*result > 0) != (before > 0) || (is_whole(before) && !is_whole(*result))) return std::nullopt;
      results.push_back(is_whole(*result) ? std::round(*result) : *result);
      solution += fmt::format("<<{}={:.12g}>>\n", text, results.back());
    }
    ChangedProblem changed{question_, solution, fmt::format("{:.0f}", results.back())};
    changed.solution += "#### " + changed.number;
    for (size_t i = slots_.size(); i-- > 0;) {
      const Literal& literal = literals_[slots_[i]];
      changed.question.replace(literal.begin, literal.end - literal.begin, written(values[i], literal.commas));
    }
    return changed;
  }

  // Another number with as many digits and zeros at its end, between half and twice the first.
  static double other_value(double value, uint64_t random) {
    double unit = 1;
    while (value >= 10 * unit && is_whole(value / (10 * unit))) unit *= 10;
    double top = 1;
    while (top * 10 <= value) top *= 10;
    const double low = std::max({std::ceil(value / 2 / unit), top / unit, 2 / unit}),
                 high = std::min(std::floor(value * 2 / unit), (10 * top - 1) / unit);
    const auto span = static_cast<uint64_t>(std::max(1.0, std::floor(high) - std::ceil(low) + 1));
    return unit * (std::ceil(low) + static_cast<double>(random % span));
  }

  // Each is new, none stands elsewhere in the question, and the order of size is kept.
  bool fits(const std::vector<double>& values) const {
    for (size_t i = 0; i < values.size(); ++i) {
      for (const Literal& literal : literals_) {
        if (equal(literal.value, values[i])) return false;
      }
      for (size_t j = 0; j < i; ++j) {
        const bool was_less = literals_[slots_[i]].value < literals_[slots_[j]].value;
        if (equal(values[i], values[j]) || (values[i] < values[j]) != was_less) return false;
      }
    }
    return true;
  }

  static std::string written(double value, bool commas) {
    std::string digits = fmt::format("{:.0f}", value);
    if (!commas) return digits;
    for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
  }

  const std::string& question_;
  const std::vector<Annotation> annotations_;
  const std::vector<Literal> literals_;
  std::vector<size_t> slots_;                 // literals that are changed
  std::vector<std::vector<Origin>> origins_;  // annotation -> its numbers in order
};

}  // namespace

std::optional<ChangedProblem> change_numbers(const std::string& question, const std::string& answer, uint64_t seed) {
  auto annotations = annotations_of(answer);
  if (!annotations) return std::nullopt;
  return Changer(question, std::move(*annotations)).change(seed);
}

}  // namespace assay
