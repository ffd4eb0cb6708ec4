#include "harness/chat.h"

#include <catch2/catch.hpp>

#include "core/text.h"
#include "tests/support.h"

namespace assay {
namespace {

constexpr const char* kTemplate =
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}";

}  // namespace

TEST_CASE("messages become the text that the checkpoint's template makes of them") {
  ChatRenderer renderer(kTemplate, "test", {{"bos_token", "<s>"}});
  CHECK(renderer.render({{"system", "Be brief."}, {"user", "1+1?"}}) ==
        "<s><|system|>Be brief.\n<|user|>1+1?\n<|assistant|>");
}

TEST_CASE("a final assistant turn is continued, not closed") {
  ChatRenderer renderer(kTemplate, "test", {{"bos_token", "<s>"}});
  CHECK(renderer.render({{"user", "1+1?"}, {"assistant", "The answer is"}}) ==
        "<s><|user|>1+1?\n<|assistant|>The answer is");
}

TEST_CASE("a template sees every named special token, and no tools and no documents as none") {
  const ChatRenderer renderer(
      "{{ bos_token }}{{ pad_token }}{{ sep_token }}{% if tools is not none %}T{% endif %}{{ documents }}", "test",
      {{"bos_token", "<s>"}, {"pad_token", "<pad>"}});
  CHECK(renderer.render({{"user", "Hi"}}) == "<s><pad>None");
}

TEST_CASE("a chat request becomes a generate request with the rendered context") {
  ChatRenderer renderer(kTemplate, "test", {});
  std::vector<Request> requests(2);
  requests[0].kind = RequestKind::kChat;
  requests[0].messages = {{"user", "Hi"}};
  requests[1].context = "plain";
  render_chat(requests, renderer);
  CHECK(requests[0].kind == RequestKind::kGenerate);
  CHECK(requests[0].context == "<|user|>Hi\n<|assistant|>");
  CHECK(requests[1].context == "plain");
}

TEST_CASE("a system text that the template refuses or leaves out stands at the head of the first user turn") {
  const std::vector<Message> messages = {
      {"system", "Be brief."}, {"user", "1+1?"}, {"assistant", "2"}, {"user", "2+2?"}};
  struct Row {
    const char* source;
    const char* text;
    bool folded;
  };
  const char* refuses =
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
      "[{{ m.content }}]{% endfor %}";
  const char* leaves_out = "{% for m in messages %}{% if m.role != 'system' %}[{{ m.content }}]{% endif %}{% endfor %}";
  const char* takes = "{% for m in messages %}[{{ m.content }}]{% endfor %}";
  for (const Row& row :
       {Row{refuses, "[Be brief.\n\n1+1?][2][2+2?]", true}, Row{leaves_out, "[Be brief.\n\n1+1?][2][2+2?]", true},
        Row{takes, "[Be brief.][1+1?][2][2+2?]", false}}) {
    INFO(row.source);
    bool folded = false;
    CHECK(ChatRenderer(row.source, "test", {}).render(messages, &folded) == row.text);
    CHECK(folded == row.folded);
  }
}

TEST_CASE("a template that fails for another reason is not folded around") {
  const ChatRenderer renderer("{{ nothing.at.all }}", "test", {});
  CHECK_THROWS_AS(renderer.render({{"system", "Be brief."}, {"user", "1+1?"}}), TemplateError);
}

TEST_CASE("Gemma's own template refuses the system role") {
  const auto file = testing::shared_file("chat-templates/google-gemma-2-2b-it.jinja");
  if (!file) return;
  bool folded = false;
  const ChatRenderer renderer(read_file(*file), "gemma", {{"bos_token", "<bos>"}});
  CHECK(renderer.render({{"system", "Be brief."}, {"user", "1+1?"}}, &folded) ==
        "<bos><start_of_turn>user\nBe brief.\n\n1+1?<end_of_turn>\n<start_of_turn>model\n");
  CHECK(folded);
}

}  // namespace assay
