#include "harness/chat.h"

#include "core/text.h"

namespace assay {
namespace {

Json to_json(const std::vector<Message>& messages, size_t count) {
  Json list = Json::array();
  for (size_t i = 0; i < count; ++i) list.push_back({{"role", messages[i].role}, {"content", messages[i].content}});
  return list;
}

}  // namespace

ChatRenderer::ChatRenderer(const std::string& source, const std::string& name, std::string bos_text,
                           std::string eos_text)
    : template_(Template::parse(source, name, TemplateOptions::chat())),
      bos_text_(std::move(bos_text)),
      eos_text_(std::move(eos_text)) {}

std::string ChatRenderer::render(const std::vector<Message>& messages) const {
  const bool continued = !messages.empty() && messages.back().role == "assistant";
  Json context = {{"messages", to_json(messages, continued ? messages.size() - 1 : messages.size())},
                  {"add_generation_prompt", true}};
  if (!bos_text_.empty()) context["bos_token"] = bos_text_;
  if (!eos_text_.empty()) context["eos_token"] = eos_text_;
  std::string text = template_.render(context);
  if (continued) text += messages.back().content;
  return text;
}

void render_chat(std::vector<Request>& requests, const ChatRenderer& renderer) {
  for (Request& request : requests) {
    if (request.messages.empty()) continue;
    request.context = renderer.render(request.messages);
    request.shared_bytes = 0;
    request.messages.clear();
    if (request.kind == RequestKind::kChat) request.kind = RequestKind::kGenerate;
  }
}

}  // namespace assay
