// Answers of mathematical problems, written in LaTeX: where they stand in a text, and when two are the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay {

// What the last \boxed{...} (or \fbox{...}) of a solution holds; braces nest. As lm-evaluation-harness has it, a text
// with "\boxed " anywhere gives what follows the last of those, up to a dollar sign. Nothing where no box is closed.
std::optional<std::string> boxed_answer(std::string_view text);

// The answer in a text that is free in form, by the rule of AGIEval's authors: the last box, else what stands between
// the first and the last dollar sign of the last line that has two, else what follows the last "=" up to the end of its
// line, else the last number. Of an equation in a box or between dollars the part after the last "=".
std::optional<std::string> cloze_answer(std::string_view text);

// MATH's own rule (Hendrycks et al. 2021): the same text once both are brought into one spelling. Spaces, \left and
// \right, units after "\text{ ", degrees, percent and escaped dollar signs don't count; \dfrac = \tfrac = \frac,
// \frac12 = \frac{1}{2} = 1/2 = 0.5, \sqrt3 = \sqrt{3}, .5 = 0.5, "x=5" = "5".
bool is_same_math(std::string_view a, std::string_view b);
// That spelling. Nothing for a text that has none (a \frac or \sqrt without argument, two units): it equals itself
// only.
std::optional<std::string> math_spelling(std::string_view text);

}  // namespace assay
