#include "harness/packed_store.h"

#include <catch2/catch.hpp>
#include <limits>
#include <utility>

namespace assay {
namespace {

void check_same(const Prompt& a, const Prompt& b) {
  CHECK(a.item_id == b.item_id);
  CHECK(a.context == b.context);
  CHECK(a.shared_bytes == b.shared_bytes);
  CHECK((a.messages == b.messages));
  CHECK(a.next_turns == b.next_turns);
  CHECK(a.delimiter == b.delimiter);
  CHECK(a.choices == b.choices);
  CHECK(a.contexts == b.contexts);
  CHECK(a.gold_index == b.gold_index);
  CHECK(a.golds == b.golds);
  CHECK(a.target == b.target);
  CHECK(a.fields == b.fields);
}

// Every field in use, empty ones, bytes of all kinds, heads that come back after another one.
std::vector<Prompt> prompts() {
  std::vector<Prompt> all(6);
  const std::string nul("a\0b", 3);
  for (size_t i = 0; i < all.size(); ++i) {
    Prompt& prompt = all[i];
    prompt.item_id = "test/rows/" + std::to_string(i);
    const std::string head = i % 3 == 0 ? "" : "head " + std::string(300 * (i % 3), 'x') + "\n";
    prompt.context = head + "question " + nul;
    prompt.shared_bytes = head.size();
  }
  all[0].messages = {{"user", "q"}};
  all[1].messages = {{"system", "s"}, {"user", "shot"}, {"assistant", "answer"}, {"user", "q1"}};
  all[2].messages = {{"system", "s"}, {"user", "shot"}, {"assistant", "other"}, {"user", "q2"}, {"assistant", "So"}};
  all[1].delimiter = " ";
  all[1].choices = {"A", "", "日本", std::string(200, 'c')};
  all[1].gold_index = 2;
  all[1].golds = {"日本", "A"};
  all[1].target = "日本";
  all[2].contexts = {all[2].context.substr(0, all[2].shared_bytes) + "one", "without the head"};
  all[2].golds = {"first"};
  all[2].target = "not the first";
  all[3].next_turns = {"and then?", "why?"};
  all[3].target = std::string(5'000'000, 't');  // larger than a block
  all[4].fields = {{"question", "q\"\n"}, {"n", 3}, {"list", {1, 2}}};
  return all;
}

}  // namespace

TEST_CASE("prompts come out of the store as they went in, wherever it is moved") {
  const std::vector<Prompt> all = prompts();
  std::vector<PromptStore> stores(1);
  for (int round = 0; round < 50; ++round) {
    for (const Prompt& prompt : all) stores.back().add(prompt);
    stores.reserve(stores.capacity() + 1);  // moves
  }
  REQUIRE(stores.back().size() == 50 * all.size());
  for (size_t i = 0; i < stores.back().size(); ++i) check_same(stores.back().at(i), all[i % all.size()]);
}

TEST_CASE("prompts whose texts are dropped keep what scores need") {
  PromptStore store;
  for (const Prompt& prompt : prompts()) store.add(prompt);
  store.drop_texts();
  std::vector<Prompt> expected = prompts();
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i].context.clear(), expected[i].messages.clear(), expected[i].fields = {};
    expected[i].shared_bytes = 0;
    check_same(store.at(i), expected[i]);
  }
}

TEST_CASE("responses come out of the store as they went in") {
  Response scored;
  scored.prompt_tokens = 70'000, scored.truncated = true;
  scored.continuations = {{-0.1 - 1e-17, 3, 5, 4, true, {}},
                          {-std::numeric_limits<double>::infinity(), 1, int64_t{1} << 40, 200, false, -0.0},
                          {std::numeric_limits<double>::denorm_min(), 0, 0, 0, false, 7.5}};
  Response generated;
  generated.answered_by = "model-1", generated.detail = "retried";
  generated.texts = {{"", FinishReason::kEndOfText, 0}, {std::string("a\0b", 3), FinishReason::kLength, 300}};
  Response lost;
  lost.status = ResponseStatus::kFailed, lost.detail = "server gave up";

  ResponseStore store;
  CHECK_FALSE(store.has(0));
  store.grow(4);
  store.put(3, scored), store.put(0, generated), store.put(1, lost);
  store.grow(5);
  CHECK(store.count() == 3);
  CHECK_FALSE(store.has(2));
  CHECK_FALSE(store.at(2));
  CHECK_FALSE(store.at(4));
  const Response again = *store.at(3);
  CHECK(again.status == ResponseStatus::kAnswered);
  CHECK(again.prompt_tokens == 70'000);
  CHECK(again.truncated);
  REQUIRE(again.continuations.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    const ContinuationScore &a = again.continuations[i], &b = scored.continuations[i];
    CHECK(a.logprob == b.logprob);
    CHECK(std::pair(a.tokens, a.bytes) == std::pair(b.tokens, b.bytes));
    CHECK(std::pair(a.characters, a.is_greedy) == std::pair(b.characters, b.is_greedy));
    CHECK(a.rarest == b.rarest);
  }
  const Response text = *store.at(0);
  CHECK(text.answered_by == "model-1");
  CHECK(text.detail == "retried");
  REQUIRE(text.texts.size() == 2);
  CHECK(text.texts[1].text == generated.texts[1].text);
  CHECK(text.texts[1].finish == FinishReason::kLength);
  CHECK(text.texts[1].tokens == 300);
  CHECK(store.at(1)->status == ResponseStatus::kFailed);
  CHECK(store.at(1)->detail == "server gave up");
}

}  // namespace assay
