#include "harness/chat.h"

#include "core/text.h"

namespace assay {
namespace {

Json to_json(const std::vector<Message>& messages, size_t count) {
  Json list = Json::array();
  for (size_t i = 0; i < count; ++i) list.push_back({{"role", messages[i].role}, {"content", messages[i].content}});
  return list;
}

// The system texts moved to the head of the first user turn.
std::vector<Message> fold_system(const std::vector<Message>& messages) {
  std::vector<Message> folded;
  std::string system;
  for (const Message& message : messages) {
    if (message.role == "system") {
      system += message.content + "\n\n";
      continue;
    }
    folded.push_back(message);
    if (message.role != "user") continue;
    folded.back().content = system + message.content;
    system.clear();
  }
  return folded;
}

}  // namespace

ChatRenderer::ChatRenderer(const std::string& source, const std::string& name,
                           std::map<std::string, std::string> special_tokens)
    : template_(Template::parse(source, name, TemplateOptions::chat())), special_tokens_(std::move(special_tokens)) {}

std::string ChatRenderer::render(const std::vector<Message>& messages, bool* folded) const {
  if (messages.empty() || messages.front().role != "system" || strip(messages.front().content).empty())
    return render_as_given(messages);
  try {
    std::string text = render_as_given(messages);
    if (text.find(strip(messages.front().content)) != std::string::npos) return text;
  } catch (const TemplateError& error) {
    if (error.python_type() != "TemplateError") throw;  // only what raise_exception() says is a refusal
  }
  if (folded) *folded = true;
  return render_as_given(fold_system(messages));
}

std::string ChatRenderer::render_as_given(const std::vector<Message>& messages) const {
  const bool continued = !messages.empty() && messages.back().role == "assistant";
  Json context = {{"messages", to_json(messages, continued ? messages.size() - 1 : messages.size())},
                  {"add_generation_prompt", true},
                  // transformers hands these over as None, so a template may take them for defined.
                  {"tools", nullptr},
                  {"documents", nullptr}};
  for (const auto& [name, text] : special_tokens_) context[name] = text;
  std::string text = template_.render(context);
  if (continued) text += messages.back().content;
  return text;
}

bool render_chat(std::vector<Request>& requests, const ChatRenderer& renderer) {
  bool folded = false;
  for (Request& request : requests) {
    if (request.messages.empty()) continue;
    request.context = renderer.render(request.messages, &folded);
    request.shared_bytes = 0;
    request.messages.clear();
    if (request.kind == RequestKind::kChat) request.kind = RequestKind::kGenerate;
  }
  return folded;
}

}  // namespace assay
