// Raw text -> answer, by named and versioned pipelines. What a pipeline can't find is "none found", never a guess.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// Runs one pipeline over the n texts of one item. One entry a text that is left (majority_vote leaves one); nullopt where
// no answer was found. Filters are lm-evaluation-harness's by name and rule; an unknown one is refused by load_registry.
std::vector<std::optional<std::string>> extract_answers(const FilterPipeline& pipeline,
                                                        const std::vector<std::string>& texts, const Json& fields);

bool is_known_filter(const std::string& function);

}  // namespace assay
