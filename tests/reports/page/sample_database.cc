#include "tests/reports/page/sample_database.h"

#include <fmt/format.h>

#include <cmath>
#include <random>

namespace assay::testing {
namespace {

TaskRecord task_of(int index) {
  TaskRecord task;
  task.position = index;
  task.task = fmt::format("task_{:02}", index);
  task.convention = "deepseek", task.alias = task.task;
  task.is_group = index == 0;
  task.depth = index == 1 || index == 2 ? 1 : 0;
  task.shots = index % 6;
  task.headline = index % 10 == 9 ? "bits_per_byte" : index % 2 == 1 ? "exact_match" : "acc";
  task.weighting = task.is_group ? "items" : "";
  return task;
}

double level(int task, int checkpoint, std::mt19937& random) {
  std::normal_distribution<double> noise(0, 0.01);
  const double time = std::log(1.0 + checkpoint);
  if (task % 10 == 9) return 1.4 - 0.2 * time + noise(random);
  double value = 0.25 + 0.15 * time + noise(random);
  if (task == 4 && checkpoint == 14) value -= 0.3;
  return value;
}

ItemRecord item_of(const TaskRecord& task, int position) {
  ItemRecord item;
  item.position = position;
  item.prompt.item_id = fmt::format("test/{}/{}", task.task, position);
  const std::string head = "Answer these questions:\nQ: Two and two?\nA: 4\n\n";
  item.prompt.context =
      head + fmt::format("Q: Question {} of {}? {}\nA:", position, task.task, position == 0 ? kHostile : "");
  item.prompt.shared_bytes = head.size();
  item.prompt.target = "42", item.prompt.golds = {"42"};
  item.prompt.fields = Json::object();
  Request request;
  request.context = item.prompt.context;
  if (task.headline == "exact_match") {
    request.kind = RequestKind::kGenerate;
  } else {
    item.prompt.choices = {"42", "43"}, item.prompt.gold_index = 0, item.prompt.delimiter = " ";
    request.continuations = {" 42", " 43"};
  }
  item.requests = {request};
  return item;
}

Response response_of(const ItemRecord& item, bool right) {
  Response response;
  response.prompt_tokens = 30;
  if (item.requests[0].kind == RequestKind::kGenerate) {
    const std::string hostile = item.position == 0 ? kHostile : "";
    response.texts = {{(right ? "The answer is 42. " : "I think it is 7. ") + hostile, FinishReason::kStop, 9}};
  } else {
    response.continuations = {{right ? -0.5 : -2.5, 1, 3, 3, right}, {-1.5, 1, 3, 3, !right}};
  }
  return response;
}

Score score_of(const TaskRecord& task, const ItemRecord& item, bool right) {
  Score score;
  score.item_id = item.prompt.item_id, score.metric = task.headline, score.filter = "none";
  score.value = right, score.gold = "42";
  score.extracted = right ? "42" : "7";
  if (!right && item.position % 4 == 3 && task.headline == "exact_match") {
    score.outcome = Outcome::kUnparsed;
    score.extracted = "";
  }
  return score;
}

}  // namespace

void fill_database(const std::string& path, const SampleSize& size) {
  auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
  std::mt19937 random(1);
  for (int c = 0; c < size.checkpoints; ++c) {
    const int64_t step = 100 * (c + 1);
    const std::string label = fmt::format("step-{:05}", step);
    const int64_t run = db->begin_run({label,
                                       {"id-" + label, label, "models/" + label, "w", "t", "float32 cpu", step},
                                       {{"tasks", "all"}, {"seed", 1234}},
                                       "assay test"});
    for (int t = 0; t < size.tasks; ++t) {
      const TaskRecord task = task_of(t);
      db->put_task(run, task);
      Aggregate aggregate;
      aggregate.metric = task.headline, aggregate.has_value = true, aggregate.items = 1000;
      aggregate.higher_is_better = task.headline != "bits_per_byte";
      aggregate.estimate = {level(t, c, random), 0.012};
      db->put_aggregates(run, task.task, task.convention, {aggregate});
      if (task.is_group || size.items == 0) continue;
      std::vector<ItemRecord> items;
      std::vector<std::vector<Score>> scores;
      for (int i = 0; i < size.items; ++i) {
        ItemRecord item = item_of(task, i);
        item.request_hashes = {fmt::format("{}/{}/{}", run, t, i)};
        const bool right = (i + c + t) % 3 != 0;
        db->store_response(item.request_hashes[0], response_of(item, right));
        scores.push_back({score_of(task, item, right)});
        items.push_back(std::move(item));
      }
      db->put_items(run, task, items);
      db->put_scores(run, task.task, task.convention, scores);
    }
    db->finish_run(run, c + 1 < size.checkpoints,
                   {{"seconds", 12.5}, {"computed_tokens", 30000}, {"requested_tokens", 280000}});
  }
}

}  // namespace assay::testing
