// Word problems with other numbers, by their own worked solution: for the audit (tasks/audit_forms.h).
//
// A solution in GSM8K's layout ("... 48/2 = <<48/2=24>>24 clips ...\n#### 72") says by its annotations how the answer
// follows from the numbers of the question. A number of the question is changed where it can only mean one thing: it
// is a whole number that stands there once, is no date, time, percentage, fraction or number of a unit, is no result of
// the solution, and is used by it. All such numbers are changed together, each within half to twice its size, with as
// many digits and as many zeros at the end, in the same order of size; whole results stay whole, all stay above 0.
// An item is left alone where that isn't safe: an annotation that can't be read or is wrong, a value of the solution
// that is neither in the question nor an earlier result nor said in words ("half", "a week"), one said in words that
// two other numbers give as well (it may have been worked out silently), or no numbers that fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace assay {

struct ChangedProblem {
  std::string question;
  std::string solution;  // the annotations alone, one a line, and "#### N"
  std::string number;    // N, the new answer: a whole number
};

// `seed`: which numbers are drawn. Nothing where the item can't be changed safely.
std::optional<ChangedProblem> change_numbers(const std::string& question, const std::string& answer, uint64_t seed);

}  // namespace assay
