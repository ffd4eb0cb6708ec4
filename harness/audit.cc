#include "harness/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "harness/compare_sides.h"
#include "harness/run.h"
#include "harness/scoring.h"
#include "harness/stored_registry.h"
#include "reports/ngram_overlap.h"
#include "reports/published_audit.h"
#include "tasks/audit_forms.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A checkpoint as the user named it.
struct Named {
  std::string label;
  std::string model;                   // empty: not known
  std::vector<std::string> form_keys;  // audit forms that it has been scored on, in the audit's scope
  std::set<std::string> bases;         // tasks of which it has been scored on any form
  std::vector<std::string> task_keys;  // tasks with an audit block that it has been scored on
  bool held_out = false;               // it has been scored on an exam that is held out
};

std::string last_part(const std::string& path) {
  fs::path clean = fs::path(path).lexically_normal();
  return clean.has_filename() ? clean.filename().string() : clean.parent_path().filename().string();
}

std::vector<StoredRun> runs_of(ResultsDb& db, const std::vector<std::string>& selectors) {
  std::vector<StoredRun> runs;
  for (const std::string& selector : selectors) {
    if (selector.empty()) continue;
    for (StoredRun& run : db.find_runs(selector)) runs.push_back(std::move(run));
  }
  return runs;
}

bool is_of_scope(const StoredRun& run, const std::optional<AuditScope>& scope) {
  if (!scope) return true;
  const Json& settings = run.settings;
  const Json shots = settings.value("num_fewshot", Json());
  return settings.value("limit", int64_t{0}) == scope->limit && settings.value("seed", uint64_t{1234}) == scope->seed &&
         (shots.is_null() ? !scope->num_fewshot : shots == Json(scope->num_fewshot.value_or(-1)));
}

bool is_in(const std::optional<AuditScope>& scope, const Task& task) {
  return !scope || scope->tasks.empty() ||
         std::find(scope->tasks.begin(), scope->tasks.end(), task.key()) != scope->tasks.end();
}

Named look_up(ResultsDb& db, const TaskRegistry& registry, const std::string& selector, const std::string& model,
              const AuditScope& scope) {
  Named named;
  named.model = model;
  std::vector<StoredRun> runs = db.find_runs(selector);
  if (runs.empty()) {
    if (named.model.empty() && fs::exists(selector)) named.model = selector;
    if (named.model.empty()) {
      throw_input(
          db.path(), "has no run or checkpoint \"" + selector + "\"",
          "`assay report` lists what is there; a checkpoint that is not there yet is given by its path, or with "
          "--model");
    }
    named.label = last_part(selector);
    runs = db.find_runs(named.label);
    if (runs.empty()) return named;
  } else {
    named.label = runs.front().label;
    runs = db.find_runs(named.label);
  }
  for (const StoredRun& run : runs) {
    if (model.empty()) named.model = run.settings.value("model", named.model);
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      if (record.is_group) continue;
      const std::string key = record.task + "@" + record.convention;
      const Task* task = registry.find_task(key);
      if (!task) continue;
      if (task->form_of && run.complete) {
        named.bases.insert(task->form_of->key());
        if (is_of_scope(run, scope)) named.form_keys.push_back(key);
      }
      if (task->audit) named.task_keys.push_back(key);
      named.held_out = named.held_out || task->held_out;
    }
  }
  return named;
}

// What the newest run of the task holds; nothing where there is none.
std::optional<AuditGrades> grades_in(ResultsDb& db, const TaskRegistry& registry, const std::string& label,
                                     const std::string& name, const HeldOutSpec& spec) {
  const Task* newest = nullptr;
  int64_t run = 0;
  for (const StoredRun& stored : db.find_runs(label)) {
    for (const TaskRecord& record : db.tasks_of(stored.id)) {
      const std::string key = record.task + "@" + record.convention;
      if (record.is_group || (record.task != name && key != name)) continue;
      const Task* task = registry.find_task(key);
      if (task && !task->form_of && stored.complete) newest = task, run = stored.id;
    }
  }
  if (!newest) return std::nullopt;
  const auto items = db.items_of(run, newest->name, newest->convention);
  const auto scores = db.scores_of(run, newest->name, newest->convention);
  AuditGrades grades;
  for (const StoredItem& item : items) {
    const size_t position = static_cast<size_t>(item.position);
    if (position >= scores.size() || scores[position].empty()) continue;
    const Score& score = scores[position].front();
    if (score.outcome == Outcome::kMissing) continue;
    const Json fields = item.prompt.fields.json();
    auto column = [&](const std::string& name_of) {
      return name_of.empty() || !fields.contains(name_of) || !fields[name_of].is_string()
                 ? std::string()
                 : fields[name_of].get<std::string>();
    };
    grades.push_back(
        {score.item_id, score.value, column(spec.stratum), column(spec.date), cluster_of(*newest, item.prompt.fields)});
  }
  return grades;
}

std::vector<HeldOutExam> held_out_exams(ResultsDb& db, const TaskRegistry& registry, const std::string& label,
                                        const std::optional<AuditScope>& scope) {
  std::vector<HeldOutExam> exams;
  for (const Task& task : registry.tasks) {
    if (!task.held_out || !is_in(scope, task)) continue;
    std::optional<AuditGrades> own = grades_in(db, registry, label, task.key(), *task.held_out);
    if (!own) continue;
    HeldOutExam& exam = exams.emplace_back(HeldOutExam{task.key(), std::move(*own), {}});
    for (const std::string& name : task.held_out->beside) {
      if (auto grades = grades_in(db, registry, label, name, {})) exam.beside[name] = std::move(*grades);
    }
  }
  return exams;
}

bool is_selected(const TaskRegistry& registry, const std::string& selection, const Task& task) {
  const auto chosen = select_tasks(registry, selection).tasks;
  return std::find(chosen.begin(), chosen.end(), &task) != chosen.end();
}

// The tasks to audit, each once, in the registry's order.
std::vector<const Task*> audited_tasks(const TaskRegistry& registry, const Named& subject, const std::string& tasks) {
  std::vector<const Task*> out;
  if (!tasks.empty()) {
    bool held_out = false;
    for (const Task* task : select_tasks(registry, tasks).tasks) {
      if (task->audit) out.push_back(task);
      held_out = held_out || task->held_out;
    }
    if (out.empty() && !held_out) {
      throw_input(tasks, "none of these tasks can be asked in other forms",
                  "a task file says how in its `audit` block");
    }
    return out;
  }
  const std::set<std::string> scored(subject.task_keys.begin(), subject.task_keys.end());
  for (const Task& task : registry.tasks) {
    if (task.audit && (scored.count(task.key()) || subject.bases.count(task.key()))) out.push_back(&task);
  }
  if (out.empty() && !subject.held_out) {
    throw_input(subject.label, "has been scored on no task that can be asked in other forms", "say which with --tasks");
  }
  return out;
}

// Asks the checkpoint what it has not been asked yet.
void complete(const AuditConfig& config, const Named& named, const std::vector<const Task*>& tasks,
              const std::atomic<bool>& cancelled) {
  const std::set<std::string> have(named.form_keys.begin(), named.form_keys.end());
  std::string wanted;
  for (const Task* task : tasks) {
    for (const Task& form : audit_forms(*task)) {
      if (!have.count(form.key())) wanted += (wanted.empty() ? "" : ",") + form.key();
    }
  }
  if (wanted.empty()) return;
  if (named.model.empty()) {
    throw_input(named.label, "has not been asked the audit's forms, and where its weights lie is not known",
                "give --model");
  }
  std::fprintf(stderr, "asking %s the forms of %zu tasks\n", named.label.c_str(), tasks.size());
  RunConfig run_config = config.run;
  run_config.model = named.model;
  run_config.name = named.label;
  run_config.tasks = wanted;
  const RunOutcome outcome = run(run_config, cancelled);
  if (cancelled) throw_world(named.label, "stopped before every form was asked", "the same command goes on");
  if (outcome.missing > 0) std::fprintf(stderr, "%lld items have no answer\n", static_cast<long long>(outcome.missing));
}

// "a/b/3#2" -> "a/b/3", 2
std::pair<std::string, int> item_and_order(const std::string& id) {
  const size_t mark = id.rfind('#');
  if (mark == std::string::npos) return {id, 0};
  return {id.substr(0, mark), std::atoi(id.c_str() + mark + 1)};
}

// Adds what the run's answers to the form say to the part of its language.
void add_answers(ResultsDb& db, int64_t run, const Task& form, AuditPart& part) {
  const Task& base = *form.form_of;
  auto& answers = part.forms[form.convention.substr(std::string(kAuditPrefix).size())];
  const auto items = db.items_of(run, form.name, form.convention);
  const auto scores = db.scores_of(run, form.name, form.convention);
  for (const StoredItem& item : items) {
    const size_t position = static_cast<size_t>(item.position);
    if (position >= scores.size() || scores[position].empty()) continue;
    const Score& score = scores[position].front();
    if (score.outcome == Outcome::kMissing) continue;
    auto [id, order] = item_and_order(score.item_id);
    const std::string name = base.key() + "/" + id, cluster = cluster_of(base, item.prompt.fields);
    answers.push_back({name, order, static_cast<int>(item.prompt.choices.size()), score.value, score.extracted});
    if (!cluster.empty()) part.clusters[name] = base.key() + "/" + cluster;
    if (order == 0 && item.prompt.gold_index >= 0) part.gold_position[name] = item.prompt.gold_index;
  }
}

AuditResult audit_published_models(const std::string& a, const std::string& b, const AuditRules& rules) {
  if (b.empty() || !is_published_selector(b)) {
    throw_input(a, "published numbers are audited against published numbers", "give --against \"published:MODEL\"");
  }
  return audit_published(a, b, shared_scores(find_side(nullptr, a).published, find_side(nullptr, b).published), rules);
}

// The newest run of each form, in the scope: form key -> run, form.
std::map<std::string, std::pair<int64_t, const Task*>> newest_forms(ResultsDb& db, const TaskRegistry& registry,
                                                                    const std::string& label,
                                                                    const std::optional<AuditScope>& scope) {
  std::map<std::string, std::pair<int64_t, const Task*>> newest;
  for (const StoredRun& run : db.find_runs(label)) {
    if (!is_of_scope(run, scope)) continue;
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      const Task* form = registry.find_task(record.task + "@" + record.convention);
      if (form && form->form_of && is_in(scope, *form->form_of)) newest[form->key()] = {run.id, form};
    }
  }
  return newest;
}

// Every string in the value, on lines of their own: one document.
void append_strings(const Json& value, std::string& out) {
  if (value.is_string()) {
    out += value.get_ref<const std::string&>() + "\n";
  } else if (value.is_structured()) {
    for (const Json& inner : value) append_strings(inner, out);
  }
}

void read_training_file(const std::string& path, NgramOverlap& overlap) {
  if (!ends_with(path, ".jsonl")) return overlap.read(read_file(path));
  std::ifstream file(path);
  if (!file) throw_input(path, "can't be opened", "give a file or folder of the training text");
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (strip(line).empty()) continue;
    std::string text;
    append_strings(parse_json(line, fmt::format("{}:{}", path, number)), text);
    overlap.read(text);
  }
}

}  // namespace

void look_up_in_training_text(ResultsDb& db, const TaskRegistry& registry, const std::vector<std::string>& paths,
                              const std::optional<AuditScope>& scope, AuditSubject& subject) {
  NgramOverlap overlap;
  std::vector<std::pair<std::string, std::string>> items;  // language, item; as numbered by `overlap`
  for (const auto& [key, place] : newest_forms(db, registry, subject.label, scope)) {
    const auto& [run, form] = place;
    if (form->convention != std::string(kAuditPrefix) + "verbatim") continue;  // its two halves are the whole item
    for (const StoredItem& item : db.items_of(run, form->name, form->convention)) {
      overlap.add_item(item.prompt.context.substr(item.prompt.shared_bytes) + item.prompt.target);
      items.emplace_back(form->form_of->audit->language, form->form_of->key() + "/" + item.prompt.item_id);
    }
  }
  for (const std::string& path : paths) {
    if (!fs::exists(path)) throw_input(path, "is not there", "give a file or folder of the training text");
    if (!fs::is_directory(path)) {
      read_training_file(path, overlap);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) read_training_file(entry.path().string(), overlap);
    }
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (overlap.items()[i] == NgramOverlap::Seen::kTooShort) continue;
    for (AuditPart& part : subject.parts) {
      if (part.language == items[i].first) {
        part.in_training_text[items[i].second] = overlap.items()[i] == NgramOverlap::Seen::kYes;
      }
    }
  }
}

namespace {

// Tasks whose word problems were asked with other numbers.
std::set<std::string> changeable_bases(const TaskRegistry& registry, const std::string& label, ResultsDb& db,
                                       const std::optional<AuditScope>& scope) {
  std::set<std::string> bases;
  for (const auto& [unused, place] : newest_forms(db, registry, label, scope)) {
    const Task& form = *place.second;
    if (form.convention == std::string(kAuditPrefix) + "unchanged") bases.insert(form.form_of->key());
  }
  return bases;
}

// How many of the task's own items stand in the database, at most the scope's limit; whoever asked them. 0: none.
int64_t count_problems(ResultsDb& db, const Task& base, const std::string& label,
                       const std::optional<AuditScope>& scope) {
  int64_t most = 0;
  for (const StoredRun& run : db.find_runs(label)) {
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      if (record.is_group || record.task != base.name || record.convention != base.convention) continue;
      const int64_t limit = run.settings.value("limit", int64_t{0}), wanted = scope ? scope->limit : 0;
      if (limit != 0 && (wanted == 0 || wanted > limit)) continue;  // asked fewer than the audit looked at
      const int64_t items = static_cast<int64_t>(db.item_identities(run.id, base.name, base.convention).size());
      most = std::max(most, wanted == 0 ? items : std::min(items, wanted));
    }
  }
  return most;
}

}  // namespace

AuditSubject audit_subject(ResultsDb& db, const TaskRegistry& registry, const std::string& label,
                           const std::optional<AuditScope>& scope) {
  std::map<std::string, AuditPart> parts;
  for (const auto& [unused, place] : newest_forms(db, registry, label, scope)) {
    const auto& [run, form] = place;
    AuditPart& part = parts[form->form_of->audit->language];
    part.language = form->form_of->audit->language;
    add_answers(db, run, *form, part);
  }
  for (const std::string& key : changeable_bases(registry, label, db, scope)) {
    const Task& base = *registry.find_task(key);
    parts[base.audit->language].problems += count_problems(db, base, label, scope);
  }
  AuditSubject subject;
  subject.label = label;
  subject.held_out = held_out_exams(db, registry, label, scope);
  for (auto& [unused, part] : parts) subject.parts.push_back(std::move(part));
  return subject;
}

Json to_json(const AuditScope& scope) {
  return {{"tasks", scope.tasks},
          {"limit", scope.limit},
          {"seed", scope.seed},
          {"num_fewshot", or_null(scope.num_fewshot)}};
}

AuditScope read_audit_scope(const Json& json) {
  AuditScope scope;
  scope.tasks = json.at("tasks").get<std::vector<std::string>>();
  scope.limit = json.at("limit").get<int64_t>(), scope.seed = json.at("seed").get<uint64_t>();
  if (!json.at("num_fewshot").is_null()) scope.num_fewshot = json.at("num_fewshot").get<int>();
  return scope;
}

AuditResult audit_checkpoint(const AuditConfig& config, const AuditRules& rules, const std::atomic<bool>& cancelled) {
  if (is_published_selector(config.subject)) return audit_published_models(config.subject, config.against, rules);
  AuditConfig own = config;
  AuditScope scope{{}, config.run.limit, config.run.seed, config.run.num_fewshot};
  TaskRegistry registry;
  std::vector<Named> checkpoints;
  std::vector<const Task*> tasks;
  {
    auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadWrite);
    const std::vector<StoredRun> runs = runs_of(*db, {config.subject, config.against});
    StoredRegistry stored = registry_of_runs(runs, own.run.places.include);
    for (const std::string& note : stored.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
    registry = std::move(stored.registry);
    own.run.places.include = std::move(stored.include);
    checkpoints.push_back(look_up(*db, registry, config.subject, config.run.model, scope));
    if (!config.against.empty()) {
      checkpoints.push_back(look_up(*db, registry, config.against, config.against_model, scope));
    }
    tasks = audited_tasks(registry, checkpoints.front(), config.run.tasks);
  }
  for (const Named& named : checkpoints) complete(own, named, tasks, cancelled);
  for (const Task* task : tasks) scope.tasks.push_back(task->key());
  for (const Task& task : registry.tasks) {
    if (!task.held_out) continue;
    const bool wanted = config.run.tasks.empty() || is_selected(registry, config.run.tasks, task);
    if (wanted) scope.tasks.push_back(task.key());
  }
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadWrite);
  db->put_audit({checkpoints[0].label, checkpoints.size() > 1 ? checkpoints[1].label : "", to_json(scope)});
  std::optional<AuditSubject> against;
  if (checkpoints.size() > 1) against = audit_subject(*db, registry, checkpoints[1].label, scope);
  AuditSubject subject = audit_subject(*db, registry, checkpoints[0].label, scope);
  if (!config.training_text.empty()) {
    look_up_in_training_text(*db, registry, config.training_text, scope, subject);
  }
  return audit(subject, against, rules);
}

}  // namespace assay
