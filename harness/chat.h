// Chat messages -> the text that a checkpoint's own chat template makes of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/template/template.h"

namespace assay {

class ChatRenderer {
 public:
  // `source`: the template as the checkpoint ships it; `name` heads error messages. Throws TemplateError.
  ChatRenderer(const std::string& source, const std::string& name, std::string bos_text, std::string eos_text);

  // The prompt, ready for the answer. A final assistant turn is continued, not closed. Throws TemplateError.
  std::string render(const std::vector<Message>& messages) const;

 private:
  Template template_;
  std::string bos_text_, eos_text_;
};

// kChat requests become kGenerate, and the contexts of log-likelihood requests that carry messages are rendered too.
void render_chat(std::vector<Request>& requests, const ChatRenderer& renderer);

}  // namespace assay
