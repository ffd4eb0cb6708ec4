#include "harness/run_requests.h"

#include <catch2/catch.hpp>
#include <set>

namespace assay {
namespace {

BackendInfo able() {
  BackendInfo info;
  info.name = "test", info.identity = "model";
  info.loglikelihood = info.rolling = info.generate = true;
  return info;
}

Task choices_task() {
  Task task;
  task.name = "exam";
  task.output_type = OutputType::kMultipleChoice;
  task.metrics.emplace_back();
  task.metrics.back().metric = "acc";
  return task;
}

Task talk_task() {
  Task task;
  task.name = "talk";
  task.output_type = OutputType::kGenerate;
  task.next_turns = {"{{turn}}"};
  return task;
}

Prompt prompt_of(const std::string& context, std::vector<std::string> next_turns = {}) {
  Prompt prompt;
  prompt.item_id = "test/t/" + context;
  prompt.context = context;
  prompt.delimiter = " ";
  prompt.choices = {"A", "B"};
  prompt.next_turns = std::move(next_turns);
  return prompt;
}

Response said(const std::string& text) {
  Response response;
  response.texts = {{text, FinishReason::kStop, 1}};
  return response;
}

std::vector<std::pair<size_t, Response>> nothing_known(size_t, const std::function<std::string(size_t)>&) {
  return {};
}

std::vector<std::string> contexts(const RunRequests::Open& open) {
  std::vector<std::string> out;
  for (const Request& request : open.requests) out.push_back(request.context);
  return out;
}

}  // namespace

TEST_CASE("equal requests are asked once and answer for all their items") {
  const Task task = choices_task();
  std::vector<PreparedTask> tasks(2);
  tasks[0].task = tasks[1].task = &task;
  for (const char* context : {"a", "b", "a", "c"}) tasks[0].prompts.add(prompt_of(context));
  for (const char* context : {"c", "d"}) tasks[1].prompts.add(prompt_of(context));
  RunRequests asked(tasks, {}, able(), nullptr);
  CHECK(asked.requests_of(0, 2).front().context == "a");
  CHECK(asked.requests_of(0, 2).front().item_id == "test/t/a");
  const RunRequests::Open open = asked.open(nothing_known);
  CHECK(contexts(open) == std::vector<std::string>{"a", "b", "c", "d"});
  REQUIRE(open.numbers.size() == 4);
  for (size_t i = 0; i < 4; ++i) asked.answer(open.numbers[i], said(open.requests[i].context));
  CHECK(asked.answered() == 4);
  auto answer = [&](size_t of_task, size_t item) {
    REQUIRE(asked.numbers_of(of_task, item).size() == 1);
    return asked.answer_of(asked.numbers_of(of_task, item)[0])->texts[0].text;
  };
  CHECK(answer(0, 0) == "a");
  CHECK(answer(0, 2) == "a");
  CHECK(answer(0, 3) == "c");
  CHECK(answer(1, 0) == "c");
  CHECK(answer(1, 1) == "d");
}

TEST_CASE("known answers are not asked for, and are looked up once each by their hashes") {
  const Task task = choices_task();
  std::vector<PreparedTask> tasks(1);
  tasks[0].task = &task;
  for (const char* context : {"a", "b", "b", "c"}) tasks[0].prompts.add(prompt_of(context));
  RunRequests asked(tasks, {}, able(), nullptr);
  const std::string hash_of_b = asked.hashes_of(0, 1).at(0).hex();
  CHECK(hash_of_b == asked.hashes_of(0, 2).at(0).hex());
  size_t looked_up = 0;
  const RunRequests::Open open = asked.open([&](size_t count, const std::function<std::string(size_t)>& hash) {
    std::vector<std::pair<size_t, Response>> known;
    looked_up = count;
    for (size_t i = 0; i < count; ++i) {
      if (hash(i) == hash_of_b) known.emplace_back(i, said("known"));
    }
    return known;
  });
  CHECK(looked_up == 3);
  CHECK(contexts(open) == std::vector<std::string>{"a", "c"});
  CHECK(asked.answered() == 1);
  CHECK(asked.answer_of(asked.numbers_of(0, 2)[0])->texts[0].text == "known");
  CHECK_FALSE(asked.answer_of(open.numbers[1]));
}

TEST_CASE("a conversation goes on after its answers, and only then") {
  const Task task = talk_task();
  std::vector<PreparedTask> tasks(1);
  tasks[0].task = &task;
  tasks[0].prompts.add(prompt_of("a", {" and then?"}));
  tasks[0].prompts.add(prompt_of("b", {" and then?"}));
  tasks[0].prompts.add(prompt_of("c"));
  RunRequests asked(tasks, {}, able(), nullptr);
  const std::string definition = asked.definition(0);
  RunRequests::Open open = asked.open(nothing_known);
  CHECK(contexts(open) == std::vector<std::string>{"a", "b", "c"});
  CHECK(asked.later_turns() == 2);
  CHECK_FALSE(asked.add_next_turns());
  Response failed = said("half an answer");
  failed.status = ResponseStatus::kFailed;
  asked.answer(open.numbers[1], failed);
  CHECK_FALSE(asked.add_next_turns());
  asked.answer(open.numbers[0], said("x"));
  asked.answer(open.numbers[2], said("z"));
  CHECK(asked.add_next_turns());
  REQUIRE(asked.requests_of(0, 0).size() == 2);
  CHECK(asked.requests_of(0, 1).size() == 1);
  CHECK(asked.later_turns() == 1);
  CHECK(asked.requests_of(0, 0)[1].context == "ax\n\n and then?");
  CHECK(asked.hashes_of(0, 0).size() == 2);
  open = asked.open(nothing_known);
  CHECK(contexts(open) == std::vector<std::string>{"ax\n\n and then?"});
  CHECK_FALSE(asked.add_next_turns());
  asked.answer(open.numbers[0], said("y"));
  CHECK_FALSE(asked.add_next_turns());
  CHECK(asked.numbers_of(0, 0).size() == 2);
  CHECK(asked.definition(0) == definition);
}

TEST_CASE("what a backend can't answer is refused by the task's name") {
  const Task task = choices_task();
  std::vector<PreparedTask> tasks(1);
  tasks[0].task = &task;
  tasks[0].prompts.add(prompt_of("a"));
  BackendInfo info = able();
  info.loglikelihood = false;
  CHECK_THROWS_WITH(RunRequests(tasks, {}, info, nullptr), Catch::StartsWith("exam@deepseek: needs loglikelihood"));
}

}  // namespace assay
