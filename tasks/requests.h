// Prompt -> Requests.
//
// Parts of an item, by output type:
//   multiple choice             part 0: the context with all choices as continuations
//     + unconditional           part 1: the neutral context with all choices
//   multiple choice, reversed   part c: the c-th context with the one shared continuation
//   loglikelihood               part 0: the context with the one target
//   loglikelihood_rolling       part 0: the text
//   generate_until              part 0: the context (chat: the messages), n samples
//     + next_turns              part k: the conversation so far with the first answer to part k - 1, then turn k
#pragma once

#include <vector>

#include "core/records.h"
#include "tasks/task.h"

namespace assay {

struct RequestOptions {
  uint64_t seed = 1234;               // of sampling
  std::optional<int> samples;         // overrides generation.samples
  std::optional<double> temperature;  // overrides generation.temperature
  bool chat = false;                  // ask with Prompt::messages
};

// In order of part.
std::vector<Request> make_requests(const Task& task, const Prompt& prompt, const RequestOptions& options);

// The request of the next turn of a conversation. `asked`: those so far, `answers`: the first text of each. Without
// chat the turns are joined by the task's fewshot_delimiter. Precondition: as many answers as requests, a turn is left.
Request make_next_turn(const Task& task, const Prompt& prompt, const std::vector<Request>& asked,
                       const std::vector<std::string>& answers, bool chat);

}  // namespace assay
