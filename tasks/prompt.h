// Document -> Prompt: templates, few-shot examples, the joints between them.
//
// The joints are lm-evaluation-harness's (its 0.4.13), so that one text comes out for one task file:
//
//   context  = head, item
//   head     = system prompt, description, shot...         Prompt::shared_bytes is its length
//   shot     = text, target_delimiter, target, fewshot_delimiter
//   item     = text [, target_delimiter, gen_prefix]
//
// System prompt and description, a gen_prefix and what stands before or after it: the delimiter goes between them only
// where neither side has white space there. A list of targets shows its first. A multiple-choice target that is a
// number shows the choice's text. In the reversed form a shot is the gold choice and the target, an item one context a
// choice.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/records.h"
#include "tasks/task.h"

namespace assay {

struct PromptOptions {
  std::optional<int> num_fewshot;  // overrides the task's count
  uint64_t seed = 1234;       // of the few-shot draw: by (seed, item id), or CPython's generator where the task says so
  int64_t limit = 0;          // render_prompts: first N documents; 0 = all
  bool chat = false;          // also fill Prompt::messages
  std::string system_prompt;  // goes before the description; chat: both are the system turn
};

// Documents -> Prompts, one by one, in the order of the documents. `pool` holds the documents of the few-shot split
// (may be those of the items; an item is never its own example; unused where the task file lists its shots). Order and
// choice of examples depend on nothing but the task, the seed and the item (stable hash), or on document order for the
// lm-eval sampler. The form is reversed where the task says so, or, in the lm-eval convention, where the first
// document's doc_to_text is a number: then Prompt::contexts is filled. Several right choices: gold_index is the first,
// `golds` has the texts of all. Throws Error(kInput) naming task file, item and template for undefined names, a gold
// that is no choice, too few shots.
class PromptRenderer {
 public:
  // All three must outlive the renderer.
  PromptRenderer(const Task& task, const std::vector<Document>& pool, const PromptOptions& options);
  ~PromptRenderer();
  Prompt render(const Document& document);
  // Mean length of the answers in the examples shown so far; 0 where there are none.
  double mean_answer_bytes() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// One Prompt for each of the first `limit` documents.
std::vector<Prompt> render_prompts(const Task& task, const std::vector<Document>& documents,
                                   const std::vector<Document>& pool, const PromptOptions& options);

}  // namespace assay
