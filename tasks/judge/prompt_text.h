// Judge prompts as benchmarks write them: {name} is replaced, {{ and }} are braces.
#pragma once

#include <map>
#include <string>

#include "tasks/judge/protocol.h"

namespace assay {

using PromptFields = std::map<std::string, std::string>;

// Fills a text as Python's str.format(**fields) does for plain names. Throws Error(kInput) at `where` for a name that
// is not in `fields` (listing them), or a brace that is not closed.
std::string fill_fields(const std::string& text, const PromptFields& fields, const std::string& where);

// The messages of one prompt: the system turn where it has one, then the filled user turn.
std::vector<Message> judge_messages(const JudgePrompt& prompt, const PromptFields& fields, const std::string& where);

// Field of a document as text. Throws Error(kInput) naming the item when it is absent.
std::string judged_field(const Prompt& prompt, const std::string& name);

}  // namespace assay
