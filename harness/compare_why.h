// What differs between two runs besides their scores: who was asked, settings, prompts, tokens, extraction.
#pragma once

#include <string>

#include "core/json.h"
#include "harness/compare_sides.h"

namespace assay {

// {a, b, settings: [{name, a, b}], tasks: [{task, convention, items, prompts_differ, tokens_differ, answers_differ,
//  prompt_tokens: [a, b], unparsed: [a, b], definition_differs, filters: [a, b]}], only_a, only_b,
//  first_prompt: {task, item, at, a, b} | null}. The newest run of each side; neither may be published (Error(kInput)).
Json explain_difference(ResultsDb& db, const CompareSide& a, const CompareSide& b);

// The same for people.
std::string render_difference(const Json& difference);

}  // namespace assay
