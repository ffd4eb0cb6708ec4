// Document -> Prompt: templates, few-shot examples, the joints between them.
#pragma once

#include <optional>
#include <vector>

#include "core/records.h"
#include "tasks/task.h"

namespace assay {

struct PromptOptions {
  std::optional<int> num_fewshot;  // overrides the task's count
  uint64_t seed = 1234;            // of the few-shot draw: by (seed, item id), or CPython's generator where the task says so
  int64_t limit = 0;               // first N documents; 0 = all
  bool chat = false;               // also fill Prompt::messages
  std::string system_prompt;       // chat: text of the system turn (goes before the description)
};

// One Prompt for each of the first `limit` documents, in their order. `pool` holds the documents of the few-shot split
// (may be the same list; an item is never its own example). Order and choice of examples depend on nothing but the task,
// the seed and the item (stable hash), or on document order for the lm-eval sampler.
// Throws Error(kInput) naming task file, item and template for undefined names, a gold that is no choice, too few shots.
std::vector<Prompt> render_prompts(const Task& task, const std::vector<Document>& documents,
                                   const std::vector<Document>& pool, const PromptOptions& options);

}  // namespace assay
