#include "harness/compare_why.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kBefore = 80, kAfter = 240;  // bytes of a prompt shown around the first difference

// A task of a side with the run that its number comes from.
struct Placed {
  int64_t run = 0;
  TaskRecord task;
};

// Plain tasks of all runs of a side, of several runs the newest, as `compare` takes them. The audit's forms only where
// the side is a single run that holds nothing else.
std::vector<Placed> placed_tasks(ResultsDb& db, const CompareSide& side) {
  if (side.is_published()) throw_input("--why " + side.name, "a published number has no run to look into");
  std::vector<Placed> tasks, forms;
  for (const StoredRun& run : side.runs) {
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      if (record.is_group) continue;
      std::vector<Placed>& own = starts_with(record.convention, kAuditPrefix) ? forms : tasks;
      auto known = std::find_if(own.begin(), own.end(), [&](const Placed& one) {
        return one.task.task == record.task && one.task.convention == record.convention;
      });
      if (known == own.end()) known = own.insert(own.end(), Placed{});
      *known = {run.id, record};
    }
  }
  return tasks.empty() ? forms : tasks;
}

int64_t newest_run(const std::vector<Placed>& tasks, const CompareSide& side) {
  int64_t newest = tasks.empty() ? side.runs.back().id : 0;
  for (const Placed& placed : tasks) newest = std::max(newest, placed.run);
  return newest;
}

Json settings_that_differ(const RunFacts& a, const RunFacts& b) {
  Json rows = Json::array();
  auto compare = [&](const std::string& name, const Json& left, const Json& right) {
    if (left != right) rows.push_back({{"name", name}, {"a", left}, {"b", right}});
  };
  compare("model", a.checkpoint.model, b.checkpoint.model);
  compare("weights", a.checkpoint.weights_hash, b.checkpoint.weights_hash);
  compare("tokenizer", a.checkpoint.tokenizer_hash, b.checkpoint.tokenizer_hash);
  compare("numerics", a.checkpoint.numerics, b.checkpoint.numerics);
  compare("software", a.software, b.software);
  std::set<std::string> names;
  for (const Json* settings : {&a.settings, &b.settings}) {
    for (const auto& [name, value] : settings->items()) names.insert(name);
  }
  for (const std::string& name : names) {
    if (name != "model") compare("--" + name, a.settings.value(name, Json()), b.settings.value(name, Json()));
  }
  return rows;
}

// The whole of what was asked about an item, as text.
std::string prompt_text(const StoredItem& item) {
  std::string text;
  for (const Request& request : item.requests) {
    text += request.kind == RequestKind::kRolling ? request.text : request.context;
    for (const std::string& continuation : request.continuations) text += "\n── continuation: " + continuation;
    text += "\n";
  }
  if (!item.prompt.golds.empty()) text += fmt::format("── gold: {}\n", fmt::join(item.prompt.golds, " | "));
  return text;
}

std::string excerpt(const std::string& text, size_t at) {
  size_t begin = at > kBefore ? at - kBefore : 0;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  size_t end = std::min(text.size(), at + kAfter);
  while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
  return (begin > 0 ? "..." : "") + text.substr(begin, end - begin) + (end < text.size() ? "..." : "");
}

Json first_prompt(ResultsDb& db, int64_t run_a, int64_t run_b, const TaskRecord& a, const TaskRecord& b,
                  const std::string& item) {
  auto find = [&](int64_t run, const TaskRecord& task) {
    for (const StoredItem& stored : db.items_of(run, task.task, task.convention)) {
      if (stored.prompt.item_id == item) return prompt_text(stored);
    }
    return std::string();
  };
  const std::string left = find(run_a, a), right = find(run_b, b);
  const size_t at = static_cast<size_t>(
      std::mismatch(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(std::min(left.size(), right.size())),
                    right.begin())
          .first -
      left.begin());
  return {{"task", a.task}, {"item", item}, {"at", at}, {"a", excerpt(left, at)}, {"b", excerpt(right, at)}};
}

struct TaskDifference {
  int64_t items = 0, prompts = 0, tokens = 0, answers = 0;
  int64_t tokens_a = 0, tokens_b = 0;
  std::string first_item;  // whose prompt differs
};

TaskDifference compare_items(const std::vector<ItemIdentity>& a, const std::vector<ItemIdentity>& b) {
  std::unordered_map<std::string, const ItemIdentity*> by_item;
  for (const ItemIdentity& item : b) by_item[item.item] = &item;
  TaskDifference out;
  for (const ItemIdentity& left : a) {
    auto found = by_item.find(left.item);
    if (found == by_item.end()) continue;
    const ItemIdentity& right = *found->second;
    ++out.items;
    out.tokens_a += left.prompt_tokens, out.tokens_b += right.prompt_tokens;
    out.tokens += left.prompt_tokens != right.prompt_tokens;
    out.answers += left.answer != right.answer;
    if (left.content == right.content) continue;
    if (out.prompts++ == 0) out.first_item = left.item;
  }
  return out;
}

// Filters and unparsed answers of a task's headline.
Json extraction_of(ResultsDb& db, int64_t run, const TaskRecord& task) {
  Json filters = Json::array();
  int64_t unparsed = 0;
  for (const ReportRow& row : db.report_rows({run})) {
    if (row.task != task.task || row.convention != task.convention || row.metric != row.headline) continue;
    filters.push_back(row.filter);
    unparsed = std::max(unparsed, row.unparsed);
  }
  return {{"filters", filters}, {"unparsed", unparsed}};
}

const Placed* counterpart(const std::vector<Placed>& tasks, const TaskRecord& wanted) {
  const Placed* other = nullptr;
  for (const Placed& placed : tasks) {
    if (placed.task.task != wanted.task) continue;
    if (placed.task.convention == wanted.convention) return &placed;
    other = &placed;
  }
  return other;
}

}  // namespace

Json explain_difference(ResultsDb& db, const CompareSide& a, const CompareSide& b) {
  const std::vector<Placed> tasks_a = placed_tasks(db, a), tasks_b = placed_tasks(db, b);
  const int64_t run_a = newest_run(tasks_a, a), run_b = newest_run(tasks_b, b);
  Json out = {{"a", fmt::format("{} (run {})", a.name, run_a)}, {"b", fmt::format("{} (run {})", b.name, run_b)}};
  out["settings"] = settings_that_differ(db.run_facts({run_a}).at(0), db.run_facts({run_b}).at(0));
  out["tasks"] = Json::array();
  out["only_a"] = Json::array(), out["only_b"] = Json::array();
  out["first_prompt"] = nullptr;
  for (const Placed& placed : tasks_b) {
    if (!counterpart(tasks_a, placed.task)) out["only_b"].push_back(placed.task.task);
  }
  for (const Placed& placed : tasks_a) {
    const TaskRecord& task = placed.task;
    const Placed* beside = counterpart(tasks_b, task);
    if (!beside) {
      out["only_a"].push_back(task.task);
      continue;
    }
    const TaskRecord* other = &beside->task;
    const TaskDifference found = compare_items(db.item_identities(placed.run, task.task, task.convention),
                                               db.item_identities(beside->run, other->task, other->convention));
    const Json left = extraction_of(db, placed.run, task), right = extraction_of(db, beside->run, *other);
    out["tasks"].push_back(
        {{"task", task.task},
         {"convention", {task.convention, other->convention}},
         {"shots", {task.shots ? Json(*task.shots) : Json(), other->shots ? Json(*other->shots) : Json()}},
         {"version", {task.version, other->version}},
         {"items", found.items},
         {"prompts_differ", found.prompts},
         {"tokens_differ", found.tokens},
         {"prompt_tokens", {found.tokens_a, found.tokens_b}},
         {"answers_differ", found.answers},
         // Not as plain braces: two lists of two texts would be taken for an object.
         {"filters", Json::array({left["filters"], right["filters"]})},
         {"unparsed", Json::array({left["unparsed"], right["unparsed"]})}});
    if (out["first_prompt"].is_null() && found.prompts > 0) {
      out["first_prompt"] = first_prompt(db, placed.run, beside->run, task, *other, found.first_item);
    }
  }
  return out;
}

std::string render_difference(const Json& difference) {
  std::string out =
      fmt::format("A: {}\nB: {}\n\n", difference["a"].get<std::string>(), difference["b"].get<std::string>());
  if (difference["settings"].empty()) out += "settings, model and software: the same\n";
  for (const Json& row : difference["settings"]) {
    out += fmt::format("{}: {} / {}\n", row["name"].get<std::string>(), dump_json(row["a"]), dump_json(row["b"]));
  }
  for (const char* side : {"only_a", "only_b"}) {
    for (const Json& task : difference[side]) {
      out += fmt::format("{}: only {} has it\n", task.get<std::string>(), side[5] == 'a' ? "A" : "B");
    }
  }
  out += "\n";
  for (const Json& task : difference["tasks"]) {
    out += fmt::format(
        "{}: of {} common items {} prompts differ, {} in their number of tokens ({} / {} in all); "
        "{} raw answers differ\n",
        task["task"].get<std::string>(), task["items"].get<int64_t>(), task["prompts_differ"].get<int64_t>(),
        task["tokens_differ"].get<int64_t>(), task["prompt_tokens"][0].get<int64_t>(),
        task["prompt_tokens"][1].get<int64_t>(), task["answers_differ"].get<int64_t>());
    for (const char* field : {"convention", "shots", "version", "filters", "unparsed"}) {
      if (task[field][0] == task[field][1]) continue;
      out += fmt::format("  {}: {} / {}\n", field, dump_json(task[field][0]), dump_json(task[field][1]));
    }
  }
  const Json& first = difference["first_prompt"];
  if (first.is_null()) return out + "\nno prompt differs\n";
  return out + fmt::format("\nfirst prompt that differs: {} {}, from byte {}\n── A ──\n{}\n── B ──\n{}\n",
                           first["task"].get<std::string>(), first["item"].get<std::string>(),
                           first["at"].get<size_t>(), first["a"].get<std::string>(), first["b"].get<std::string>());
}

}  // namespace assay
