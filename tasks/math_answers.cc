#include "tasks/math_answers.h"

#include <utility>

#include "core/text.h"
#include "tasks/python_regex.h"

namespace assay {
namespace {

constexpr size_t kNone = std::string_view::npos;

// Just past the brace that closes the first one of `text`; nothing where it stays open.
std::optional<size_t> end_of_braces(std::string_view text) {
  int open = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++open;
    if (text[i] == '}' && --open == 0) return i + 1;
  }
  return std::nullopt;
}

// Of an equation the right side; other text as it is.
std::string right_side(std::string_view text) {
  const size_t equals = text.rfind('=');
  if (equals == kNone) return std::string(text);
  text.remove_prefix(equals + 1);
  const size_t begin = text.find_first_not_of(' ');
  return begin == kNone ? "" : std::string(text.substr(begin));
}

// What follows the last "=" up to the end of its line.
std::string right_side_in_text(std::string_view text) {
  std::string answer = right_side(text);
  answer = answer.substr(0, answer.find('\n'));
  answer.erase(answer.find_last_not_of('.') + 1);
  return answer.substr(0, answer.find("\\n"));  // a line break that was escaped
}

// ---- one spelling

size_t first_length(std::string_view text) {
  size_t end = 0;
  if (!text.empty()) next_code_point(text, end);
  return end;
}

// Calls `spell` for what follows each `command`, up to the next one; the spelled parts with the command before each.
// Nothing where one of them has no spelling.
template <typename Spell>
std::optional<std::string> each_argument(const std::string& text, std::string_view command, Spell spell) {
  size_t at = text.find(command);
  std::string out = text.substr(0, at);
  while (at != kNone) {
    const size_t begin = at + command.size();
    at = text.find(command, begin);
    const auto part = spell(std::string_view(text).substr(begin, at == kNone ? at : at - begin));
    if (!part) return std::nullopt;
    out += std::string(command) + *part;
  }
  return out;
}

// \sqrt3 -> \sqrt{3}
std::optional<std::string> with_braced_roots(const std::string& text) {
  return each_argument(text, "\\sqrt", [](std::string_view rest) -> std::optional<std::string> {
    if (rest.empty()) return std::nullopt;
    if (rest[0] == '{') return std::string(rest);
    const size_t one = first_length(rest);
    return "{" + std::string(rest.substr(0, one)) + "}" + std::string(rest.substr(one));
  });
}

// \frac12 -> \frac{1}{2}, \frac1{72} -> \frac{1}{72}; \frac{72}1 stays. `incomplete`: a fraction of one character: then
// the whole text stays as it was.
std::optional<std::string> with_braced_fractions(const std::string& text) {
  bool incomplete = false;
  const auto spelled = each_argument(text, "\\frac", [&](std::string_view rest) -> std::optional<std::string> {
    if (incomplete) return "";
    if (rest.empty()) return std::nullopt;
    if (rest[0] == '{') return std::string(rest);
    const size_t above = first_length(rest), below = first_length(rest.substr(above));
    incomplete = below == 0;
    const std::string head = "{" + std::string(rest.substr(0, above)) + "}";
    const std::string_view tail = rest.substr(above);
    if (starts_with(tail, "{")) return head + std::string(tail);
    return head + "{" + std::string(tail.substr(0, below)) + "}" + std::string(tail.substr(below));
  });
  return incomplete ? text : spelled;
}

// As Python writes an int: no plus sign, no leading zeros.
bool is_plain_integer(std::string_view text) {
  if (starts_with(text, "-") && text != "-0") text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != kNone) return false;
  return text == "0" || text[0] != '0';
}

// 3/4 -> \frac{3}{4}
std::string with_fraction_of_slash(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == kNone || text.find('/', slash + 1) != kNone) return text;
  const std::string above = text.substr(0, slash), below = text.substr(slash + 1);
  if (!is_plain_integer(above) || !is_plain_integer(below)) return text;
  return "\\frac{" + above + "}{" + below + "}";
}

// "x=5" -> "5": a name of at most two characters, and no second equals sign.
std::string without_name(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == kNone || text.find('=', equals + 1) != kNone) return text;
  return count_code_points(text.substr(0, equals)) <= 2 ? text.substr(equals + 1) : text;
}

}  // namespace

std::optional<std::string> boxed_answer(std::string_view text) {
  constexpr std::string_view kSpaced = "\\boxed ";
  if (const size_t spaced = text.rfind(kSpaced); spaced != kNone) {
    text.remove_prefix(spaced + kSpaced.size());
    return std::string(text.substr(0, text.find('$')));
  }
  size_t begin = text.rfind("\\boxed");
  if (begin == kNone) begin = text.rfind("\\fbox");
  if (begin == kNone) return std::nullopt;
  text.remove_prefix(begin);
  const auto end = end_of_braces(text);
  if (!end) return std::nullopt;
  const size_t brace = text.find('{');
  if (text.substr(0, brace) != "\\boxed" && text.substr(0, brace) != "\\fbox") return std::nullopt;
  return std::string(text.substr(brace + 1, *end - brace - 2));
}

std::optional<std::string> cloze_answer(std::string_view text) {
  if (text.find("\\boxed") != kNone) {
    auto boxed = boxed_answer(text);
    if (boxed) boxed = right_side(*boxed);
    return boxed;
  }
  const auto marked = PythonRegex::cached(R"(\$(.*)\$)").find_all(text);
  std::string answer = marked.empty() ? "" : right_side(marked.back().back());
  if (!answer.empty()) return answer;
  if (text.find('=') != kNone) return right_side_in_text(text);
  const auto numbers = PythonRegex::cached(R"((?:\$)?\d+(?:\.\d+)?(?![\w\d]))").find_all(text);
  if (numbers.empty()) return std::nullopt;
  return numbers.back().back();
}

std::optional<std::string> math_spelling(std::string_view given) {
  constexpr std::pair<const char*, const char*> kSame[] = {
      {"\n", ""},     {"\\!", ""},     {"\\\\", "\\"},    {"tfrac", "frac"}, {"dfrac", "frac"},
      {"\\left", ""}, {"\\right", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},   {"\\$", ""}};
  constexpr std::string_view kUnit = "\\text{ ";
  std::string text(given);
  for (const auto& [from, to] : kSame) text = replace_all(text, from, to);
  if (const size_t unit = text.find(kUnit); unit != kNone) {
    if (text.find(kUnit, unit + kUnit.size()) != kNone) return std::nullopt;
    text.erase(unit);
  }
  for (const auto& [from, to] : {std::pair{"\\%", ""}, {" .", " 0."}, {"{.", "{0."}})
    text = replace_all(text, from, to);
  if (starts_with(text, ".")) text = "0" + text;
  const auto roots = with_braced_roots(without_name(text));
  if (!roots) return std::nullopt;
  const auto fractions = with_braced_fractions(replace_all(*roots, " ", ""));
  if (!fractions) return std::nullopt;
  return *fractions == "0.5" ? "\\frac{1}{2}" : with_fraction_of_slash(*fractions);
}

bool is_same_math(std::string_view a, std::string_view b) {
  const auto left = math_spelling(a), right = math_spelling(b);
  return left && right ? *left == *right : a == b;
}

}  // namespace assay
