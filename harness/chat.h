// Chat messages -> the text that a checkpoint's own chat template makes of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/template/template.h"

namespace assay {

class ChatRenderer {
 public:
  // `source`: the template as the checkpoint ships it; `name` heads error messages; `special_tokens`: the names that
  // it may use for them, "bos_token" -> "<s>". Throws TemplateError.
  ChatRenderer(const std::string& source, const std::string& name, std::map<std::string, std::string> special_tokens);

  // The prompt, ready for the answer. A final assistant turn is continued, not closed. Throws TemplateError.
  // A template that refuses the system role, or leaves its text out, gets that text in front of the first user turn;
  // `folded` (may be null) becomes true then.
  std::string render(const std::vector<Message>& messages, bool* folded = nullptr) const;

 private:
  std::string render_as_given(const std::vector<Message>& messages) const;

  Template template_;
  std::map<std::string, std::string> special_tokens_;
};

// kChat requests become kGenerate, and the contexts of log-likelihood requests that carry messages are rendered too.
// True when a system text was folded into the first user turn of any.
bool render_chat(std::vector<Request>& requests, const ChatRenderer& renderer);

inline constexpr const char* kFoldedNote =
    "the chat template takes no system role: the system text stands at the head of the first user turn";

}  // namespace assay
