// Answers that are programs: text -> job, verdicts -> score. Running them is somebody else's (core/program_runner.h).
#pragma once

#include <optional>
#include <vector>

#include "core/program_runner.h"
#include "core/records.h"
#include "tasks/task.h"

namespace assay {

// One job a sample of the item's answer, in order; nothing for a sample in which no program was found, and an empty
// list where the item has no answer. Throws Error(kInput) naming task, item and template for an undefined name.
// Precondition: task.program.
std::vector<std::optional<ProgramJob>> make_programs(const Task& task, const Prompt& prompt,
                                                     const std::vector<std::optional<Response>>& responses);

// Every pass@k of the task for one item, k up to the number of samples, and again under a filter "<by>: <value>" for
// each of the task's `by`. `outcomes`: one a sample, in order, nothing where make_programs gave nothing. The item is
// missing where it has no answer, or where a sample's verdict is not one on the program.
std::vector<Score> score_programs(const Task& task, const Prompt& prompt,
                                  const std::vector<std::optional<ProgramOutcome>>& outcomes);

// Chance that at least one of k samples, drawn from n of which c pass, passes (Chen et al. 2021): 1 - C(n-c,k)/C(n,k).
// Precondition: 0 <= c <= n, 1 <= k <= n.
double pass_at_k(int n, int c, int k);

}  // namespace assay
