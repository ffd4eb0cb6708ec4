#include "reports/page/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "core/error.h"
#include "core/text.h"
#include "reports/curve_svg.h"

namespace assay {
namespace {

std::string written_at() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

Json result_json(const ReportRow& row) {
  return {{"run", row.run},
          {"checkpoint", row.checkpoint},
          {"step", or_null(row.step)},
          {"task", row.task},
          {"convention", row.convention},
          {"shots", or_null(row.shots)},
          {"metric", row.metric},
          {"filter", row.filter},
          {"value", or_null(row.value)},
          {"stderr", or_null(row.stderr_)},
          {"n", row.n},
          {"unparsed", row.unparsed},
          {"missing", row.missing},
          {"group", row.is_group},
          {"depth", row.depth},
          {"higher_is_better", row.higher_is_better},
          {"weighting", row.weighting},
          {"note", row.note}};
}

Json run_json(const RunFacts& facts) {
  return {{"run", facts.id},
          {"checkpoint", facts.checkpoint.label},
          {"step", or_null(facts.checkpoint.step)},
          {"model", facts.checkpoint.model},
          {"weights_hash", facts.checkpoint.weights_hash},
          {"tokenizer_hash", facts.checkpoint.tokenizer_hash},
          {"numerics", facts.checkpoint.numerics},
          {"software", facts.software},
          {"started", facts.started},
          {"finished", facts.finished},
          {"complete", facts.complete},
          {"requests", facts.requests},
          {"answered", facts.answered},
          {"settings", facts.settings},
          {"stats", facts.stats}};
}

// Curves with their pictures; the page needs no more of a point than its picture has.
Json curves_json(const CurveSet& set) {
  Json out = to_json(set);
  for (size_t i = 0; i < set.curves.size(); ++i) out["curves"][i]["svg"] = curve_svg(set, i);
  return out;
}

Json fits_json(const std::vector<CurveFit>& fits) {
  Json out = to_json(fits);
  for (size_t i = 0; i < fits.size(); ++i) out[i]["svg"] = fit_svg(fits[i]);
  return out;
}

// The headline score of an item, or nothing where it was never scored.
const Score* headline_score(const std::vector<std::vector<Score>>& scores, int64_t position,
                            const std::string& headline) {
  if (position < 0 || position >= static_cast<int64_t>(scores.size())) return nullptr;
  for (const Score& score : scores[static_cast<size_t>(position)]) {
    if (score.metric == headline) return &score;
  }
  return nullptr;
}

std::string gold_text(const StoredItem& item, const Score* score) {
  if (score && !score->gold.empty()) return score->gold;
  if (item.prompt.gold_index >= 0 && item.prompt.gold_index < static_cast<int>(item.prompt.choices.size())) {
    return item.prompt.choices[static_cast<size_t>(item.prompt.gold_index)];
  }
  return item.prompt.target;
}

const std::string& text_of(const Request& request) {
  return request.kind == RequestKind::kRolling ? request.text : request.context;
}

Json responses_json(const Request& request, const Response& response) {
  Json out = Json::array();
  for (const GeneratedText& text : response.texts) {
    out.push_back({{"text", text.text}, {"finish", to_string(text.finish)}, {"tokens", text.tokens}});
  }
  for (size_t i = 0; i < response.continuations.size(); ++i) {
    const ContinuationScore& score = response.continuations[i];
    Json entry = {{"logprob", score.logprob}, {"tokens", score.tokens}, {"greedy", score.is_greedy}};
    if (i < request.continuations.size()) entry["text"] = request.continuations[i];
    out.push_back(std::move(entry));
  }
  return out;
}

Json answer_json(int64_t run, const StoredItem& item, const Score* score) {
  Json responses = Json::array();
  std::string status;
  for (size_t i = 0; i < item.requests.size(); ++i) {
    if (!item.responses[i]) {
      responses.push_back(Json::array());
      status = "missing";
      continue;
    }
    if (item.responses[i]->status != ResponseStatus::kAnswered) status = to_string(item.responses[i]->status);
    responses.push_back(responses_json(item.requests[i], *item.responses[i]));
  }
  Json out = {{"run", run}, {"outcome", score ? to_string(score->outcome) : "missing"}};
  out["value"] = score && score->outcome != Outcome::kMissing ? Json(score->value) : Json(nullptr);
  out["extracted"] = score ? score->extracted : "";
  out["responses"] = std::move(responses);
  if (!status.empty()) out["status"] = status;
  return out;
}

// Prompts share long heads (description, shots); a file keeps each once.
class Heads {
 public:
  Json prompt(const StoredItem& item, const Request& request) {
    const std::string& text = text_of(request);
    const std::string head = item.prompt.context.substr(0, item.prompt.shared_bytes);
    Json out = Json::object();
    if (!head.empty() && starts_with(text, head)) {
      auto [entry, is_new] = index_.emplace(head, texts_.size());
      if (is_new) texts_.push_back(head);
      out["head"] = entry->second;
      out["text"] = text.substr(head.size());
    } else {
      out["text"] = text;
    }
    return out;
  }
  Json take() { return std::move(texts_); }

 private:
  std::map<std::string, size_t> index_;
  Json texts_ = Json::array();
};

Json prompts_json(const StoredItem& item, Heads& heads) {
  Json out = Json::array();
  for (const Request& request : item.requests) out.push_back(heads.prompt(item, request));
  return out;
}

const TaskRecord* find_task(const std::vector<TaskRecord>& tasks, const std::string& name,
                            const std::string& convention) {
  for (const TaskRecord& task : tasks) {
    if (!task.is_group && task.task == name && task.convention == convention) return &task;
  }
  return nullptr;
}

bool is_right(const Score* score) {
  return score && score->outcome != Outcome::kMissing && score->value > 0;
}

bool is_wanted(const ItemsQuery& query, const Score& score, const Score* other) {
  const bool missing = score.outcome == Outcome::kMissing;
  if (query.verdict == "right" && !is_right(&score)) return false;
  if (query.verdict == "wrong" && (missing || score.value > 0)) return false;
  if (query.verdict == "unparsed" && score.outcome != Outcome::kUnparsed) return false;
  if (query.verdict == "flip") {
    if (missing || !other || other->outcome == Outcome::kMissing || is_right(&score) == is_right(other)) return false;
  }
  if (query.text.empty()) return true;
  auto has = [&](const std::string& text) { return text.find(query.text) != std::string::npos; };
  return has(score.item_id) || has(score.extracted) || has(score.gold);
}

}  // namespace

Json page_data(ResultsDb& db, const std::vector<StoredRun>& runs, const PageOptions& options) {
  std::vector<int64_t> ids;
  for (const StoredRun& run : runs) ids.push_back(run.id);
  const std::vector<ReportRow> rows = db.report_rows(ids);
  Json out = {
      {"schema", 1},           {"title", options.title}, {"generated", written_at()}, {"software", options.software},
      {"database", db.path()}, {"items", options.items}};
  Json results = Json::array(), facts = Json::array(), left_out = Json::array();
  int64_t other_metrics = 0;
  for (const ReportRow& row : rows) {
    if (row.metric == row.headline) {
      results.push_back(result_json(row));
    } else {
      ++other_metrics;
    }
  }
  for (const RunFacts& run : db.run_facts(ids)) facts.push_back(run_json(run));
  const CurveSet set = make_curves(rows, options.tokens);
  out["results"] = std::move(results);
  out["curves"] = curves_json(set);
  for (const std::string& line : set.left_out) left_out.push_back(line);
  if (options.compute) {
    std::vector<std::string> without;
    out["fits"] = fits_json(fit_curves(set, rows, *options.compute, without));
    for (const std::string& line : without) left_out.push_back(line);
  }
  if (other_metrics > 0) {
    left_out.push_back(fmt::format("{} results under other metrics than a task's headline (assay report --all-metrics)",
                                   other_metrics));
  }
  out["runs"] = std::move(facts);
  out["left_out"] = std::move(left_out);
  return out;
}

Json items_frame(ResultsDb& db, const std::vector<StoredRun>& runs) {
  Json run_list = Json::array(), tasks = Json::array();
  std::map<std::string, size_t> index;
  for (const StoredRun& run : runs) {
    run_list.push_back({{"run", run.id}, {"checkpoint", run.label}});
    for (const TaskRecord& task : db.tasks_of(run.id)) {
      if (task.is_group) continue;
      auto [entry, is_new] = index.emplace(task.task + "@" + task.convention, tasks.size());
      if (is_new) {
        tasks.push_back(
            {{"task", task.task}, {"convention", task.convention}, {"metric", task.headline}, {"runs", Json::array()}});
      }
      tasks[entry->second]["runs"].push_back(run.id);
    }
  }
  return {{"title", "Items"},          {"report", "./"},         {"runs", std::move(run_list)},
          {"tasks", std::move(tasks)}, {"heads", Json::array()}, {"items", Json::array()}};
}

Json items_data(ResultsDb& db, const std::vector<StoredRun>& all_runs, int64_t items_per_task, size_t most_runs) {
  std::vector<StoredRun> runs = all_runs;
  Json left_out = Json::array();
  if (runs.size() > most_runs) {
    left_out.push_back(fmt::format("{} older runs; `assay view` shows the items of all", runs.size() - most_runs));
    runs.erase(runs.begin(), runs.end() - static_cast<std::ptrdiff_t>(most_runs));
  }
  Json out = items_frame(db, runs);
  std::map<std::string, size_t> task_index;
  for (size_t i = 0; i < out["tasks"].size(); ++i) {
    const Json& task = out["tasks"][i];
    task_index[task["task"].get<std::string>() + "@" + task["convention"].get<std::string>()] = i;
  }
  Heads heads;
  Json items = Json::array();
  std::map<std::string, size_t> item_index;  // task, item and prompts: runs that were shown the same share an entry
  bool cut = false;
  for (const StoredRun& run : runs) {
    for (const TaskRecord& task : db.tasks_of(run.id)) {
      if (task.is_group) continue;
      const auto scores = db.scores_of(run.id, task.task, task.convention);
      const size_t index = task_index.at(task.task + "@" + task.convention);
      cut = cut || static_cast<int64_t>(scores.size()) > items_per_task;
      for (const StoredItem& item : db.items_of(run.id, task.task, task.convention, 0, items_per_task - 1)) {
        const Score* score = headline_score(scores, item.position, task.headline);
        Json prompts = prompts_json(item, heads);
        const std::string key = fmt::format("{}\n{}\n{}", index, item.position, dump_json(prompts));
        auto [known, is_first] = item_index.emplace(key, items.size());
        if (is_first) {
          items.push_back({{"task", index},
                           {"position", item.position},
                           {"item", item.prompt.item_id},
                           {"gold", gold_text(item, score)},
                           {"prompts", std::move(prompts)},
                           {"answers", Json::array()}});
        }
        items[known->second]["answers"].push_back(answer_json(run.id, item, score));
      }
    }
  }
  if (cut) {
    left_out.push_back(fmt::format(
        "items after the first {} of a task (assay report --html --items N; `assay view` shows all)", items_per_task));
  }
  out["heads"] = heads.take();
  out["items"] = std::move(items);
  out["left_out"] = std::move(left_out);
  return out;
}

Json items_page(ResultsDb& db, const ItemsQuery& query) {
  const std::vector<TaskRecord> tasks = db.tasks_of(query.run);
  const TaskRecord* task = find_task(tasks, query.task, query.convention);
  if (!task) throw_input(fmt::format("run {}", query.run), "has no task " + query.task + "@" + query.convention);
  const auto scores = db.scores_of(query.run, query.task, query.convention);
  std::vector<std::vector<Score>> other_scores;
  if (query.against != 0) other_scores = db.scores_of(query.against, query.task, query.convention);
  int64_t total = 0;
  Json items = Json::array();
  for (int64_t position = 0; position < static_cast<int64_t>(scores.size()); ++position) {
    const Score* score = headline_score(scores, position, task->headline);
    const Score* other = headline_score(other_scores, position, task->headline);
    // Runs of other lengths or seeds may hold another item at this position.
    if (other && score && other->item_id != score->item_id) other = nullptr;
    if (!score || !is_wanted(query, *score, other)) continue;
    const int64_t index = total++;
    if (index < query.first || index >= query.first + query.count) continue;
    const auto stored = db.items_of(query.run, query.task, query.convention, position, position);
    if (stored.empty()) continue;
    Json prompts = Json::array(), answers = Json::array();
    for (const Request& request : stored[0].requests) prompts.push_back({{"text", text_of(request)}});
    answers.push_back(answer_json(query.run, stored[0], score));
    if (other) {
      const auto compared = db.items_of(query.against, query.task, query.convention, position, position);
      if (!compared.empty()) answers.push_back(answer_json(query.against, compared[0], other));
    }
    items.push_back({{"position", position},
                     {"item", stored[0].prompt.item_id},
                     {"gold", gold_text(stored[0], score)},
                     {"prompts", std::move(prompts)},
                     {"answers", std::move(answers)}});
  }
  return {{"total", total}, {"items", std::move(items)}};
}

}  // namespace assay
