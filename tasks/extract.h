// Raw text -> answer, by named and versioned pipelines. What a pipeline can't find is "none found", never a guess.
//
// Filters, by name and rule those of lm-evaluation-harness unless marked (ours); patterns are Python's `re`.
//   regex               findall; `group_select` (default 0; negative counts from the end) picks the match; of several
//                       groups the first that is not empty; stripped; `fallback` where nothing was found
//   multi_choice_regex  as regex; else a choice's text in the answer -> "(A)"; else a letter after a colon. Reads the
//                       document's `choices`; options `ignore_case ignore_punctuation regexes_to_ignore`
//   remove_whitespace lowercase uppercase      each text
//   map                 `mapping_dict`, `default_value` (absent: none found)
//   take_first take_first_k majority_vote      which of the n texts stay; `k`; ties go to the first seen
//   last_number         (ours) the last number of the text
//   final_answer        (ours) what follows the last "the answer is" or, with `language: zh`, "答案是" / "答案为",
//                       to the end of its sentence or line
//   number              (ours) the first number inside what was found so far
//   letters             (ours) the capital letters A to F of the text: `which: first` (default) or `all`, each once, in
//                       the order of the alphabet
//   boxed cloze_answer  (ours) the answer in a mathematical text: tasks/math_answers.h
//   spans               (ours) where the document's `type` is "spans" the parts between commas and the word "and", one
//                       a line
//   truncate            (ours) the text before the first of `until`
//   code_block          (ours) the first fenced block; `otherwise: text` keeps a text that has none, else none found
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// Runs one pipeline over the n texts of one item. One entry a text that is left (majority_vote leaves one); nullopt
// where no answer was found. `fields` are the document's. Precondition: filter_defect() of each step is empty.
std::vector<std::optional<std::string>> extract_answers(const FilterPipeline& pipeline,
                                                        const std::vector<std::string>& texts, const Json& fields);

bool is_known_filter(const std::string& function);

// Why a step can't run: an unknown function or option, a pattern that does not compile. Empty when it can. For loaders.
std::string filter_defect(const FilterStep& step);

}  // namespace assay
