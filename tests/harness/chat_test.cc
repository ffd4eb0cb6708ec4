#include "harness/chat.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

constexpr const char* kTemplate =
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}";

}  // namespace

TEST_CASE("messages become the text that the checkpoint's template makes of them") {
  ChatRenderer renderer(kTemplate, "test", "<s>", "</s>");
  CHECK(renderer.render({{"system", "Be brief."}, {"user", "1+1?"}}) ==
        "<s><|system|>Be brief.\n<|user|>1+1?\n<|assistant|>");
}

TEST_CASE("a final assistant turn is continued, not closed") {
  ChatRenderer renderer(kTemplate, "test", "<s>", "</s>");
  CHECK(renderer.render({{"user", "1+1?"}, {"assistant", "The answer is"}}) ==
        "<s><|user|>1+1?\n<|assistant|>The answer is");
}

TEST_CASE("a chat request becomes a generate request with the rendered context") {
  ChatRenderer renderer(kTemplate, "test", "", "");
  std::vector<Request> requests(2);
  requests[0].kind = RequestKind::kChat;
  requests[0].messages = {{"user", "Hi"}};
  requests[1].context = "plain";
  render_chat(requests, renderer);
  CHECK(requests[0].kind == RequestKind::kGenerate);
  CHECK(requests[0].context == "<|user|>Hi\n<|assistant|>");
  CHECK(requests[1].context == "plain");
}

}  // namespace assay
