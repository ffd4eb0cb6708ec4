#include "harness/scoring.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

Aggregate number(const std::string& metric, double value, int64_t items) {
  Aggregate aggregate;
  aggregate.metric = metric, aggregate.filter = "none";
  aggregate.has_value = true, aggregate.estimate.value = value, aggregate.items = items;
  return aggregate;
}

// outer = {a, inner = {b, c}}; every member weighs the same.
TaskRegistry nested(const std::string& convention) {
  TaskRegistry registry;
  for (const char* name : {"a", "b", "c"}) {
    Task task;
    task.name = name, task.convention = convention;
    registry.tasks.push_back(std::move(task));
  }
  TaskGroup inner, outer;
  inner.name = "inner", outer.name = "outer";
  inner.convention = outer.convention = convention;
  inner.weight_by_size = outer.weight_by_size = false;
  inner.members = {"b@" + convention, "c@" + convention};
  outer.members = {"a@" + convention, "inner@" + convention};
  registry.groups = {inner, outer};
  return registry;
}

double outer_acc(const std::string& convention) {
  const TaskRegistry registry = nested(convention);
  std::map<std::string, std::vector<Aggregate>> numbers = {{"a@" + convention, {number("acc", 0.0, 10)}},
                                                           {"b@" + convention, {number("acc", 0.5, 10)}},
                                                           {"c@" + convention, {number("acc", 1.0, 10)}}};
  numbers["inner@" + convention] = score_group(registry.groups[0], registry, numbers);
  return score_group(registry.groups[1], registry, numbers).at(0).estimate.value;
}

}  // namespace

TEST_CASE("a group's members are its own, in the lm-eval convention the tasks inside it") {
  CHECK(outer_acc("deepseek") == Approx(0.375));  // of 0 and 0.75
  CHECK(outer_acc("lm-eval") == Approx(0.5));     // of 0, 0.5 and 1
}

TEST_CASE("a metric that an lm-eval group names is taken from the tasks that have it") {
  TaskRegistry registry = nested("lm-eval");
  TaskGroup& outer = registry.groups[1];
  outer.metrics = {"acc"};
  const std::map<std::string, std::vector<Aggregate>> numbers = {{"a@lm-eval", {number("exact_match", 0.1, 5)}},
                                                                 {"b@lm-eval", {number("acc", 0.4, 5)}},
                                                                 {"c@lm-eval", {number("acc", 0.8, 5)}}};
  const auto some = score_group(outer, registry, numbers);
  REQUIRE(some.size() == 1);
  CHECK(some[0].estimate.value == Approx(0.6));
  outer.metrics.clear();
  CHECK(score_group(outer, registry, numbers).empty());
}

TEST_CASE("a turn of a conversation that was never asked is missing") {
  Task task;
  task.output_type = OutputType::kGenerate;
  task.filters = {{"none", {{"take_first"}}}};
  task.metrics = {{"exact_match", "", true}};
  AnsweredItem item;
  item.prompt.next_turns = {"And then?"};
  item.responses.emplace_back(Response{});
  item.responses[0]->texts = {{"yes", FinishReason::kStop, 1}};
  const auto missing = [&] { return score_task(task, {1, [&](size_t) { return item; }}).missing; };
  CHECK(missing() == 0);
  note_unasked_turns(item);
  CHECK(item.responses.size() == 2);
  CHECK(missing() == 1);
}

TEST_CASE("programs whose tests ran beside them are counted in every language") {
  AnsweredItem item;
  for (const ProgramMode mode : {ProgramMode::kInline, ProgramMode::kInline, ProgramMode::kSplit}) {
    ProgramOutcome outcome;
    outcome.verdict = Verdict::kPass, outcome.mode = mode;
    item.outcomes.push_back(outcome);
  }
  for (const Language language : {Language::kPython, Language::kCpp, Language::kBash}) {
    Task task;
    task.program.emplace();
    task.program->language = language;
    task.metrics.emplace_back();
    task.metrics.back().metric = "pass@1";
    task.filters.emplace_back();
    const TaskScores scores = score_task(task, {1, [&](size_t) { return item; }});
    CHECK(scores.programs == 3);
    CHECK(scores.inline_programs == 2);
  }
}

}  // namespace assay
