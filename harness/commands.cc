#include "harness/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/chat.h"
#include "harness/fetch.h"
#include "harness/report_outputs.h"
#include "harness/run.h"
#include "harness/run_config.h"
#include "harness/scoring.h"
#include "harness/system_prompt_study.h"
#include "model_backend/tokenizer/pair.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "reports/report.h"
#include "reports/results_db.h"
#include "reports/text_table.h"
#include "tasks/audit_forms.h"
#include "tasks/documents.h"
#include "tasks/task_file.h"

namespace assay {

std::atomic<bool> g_cancelled{false};
std::atomic<int> g_end_within_ms{1700};

bool is_server(const std::string& model) {
  return model.starts_with("openai:");
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw_world("standard output", "cannot write");
  }
}

namespace {

void print_json(const Json& value) {
  print(dump_json(value, 2) + "\n");
}

void note(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
}

// ---------------------------------------------------------------------------------------------------------------- run

Json outcome_json(const RunOutcome& outcome) {
  const RunStats& stats = outcome.stats;
  double speed = stats.seconds > 0 ? static_cast<double>(stats.computed_tokens) / stats.seconds : 0;
  return {{"run", outcome.run},
          {"complete", outcome.complete},
          {"requested_tokens", stats.requested_tokens},
          {"tree_tokens", stats.tree_tokens},
          {"computed_tokens", stats.computed_tokens},
          {"head_rows", stats.head_rows},
          {"seconds", stats.seconds},
          {"tokens_per_second", speed},
          {"peak_bytes", stats.peak_bytes},
          {"share_of_peak", stats.share_of_peak()},
          {"missing", outcome.missing}};
}

std::string outcome_line(const RunOutcome& outcome, const std::string& db) {
  const RunStats& stats = outcome.stats;
  std::string text = fmt::format("run {} in {}", outcome.run, db);
  if (stats.computed_tokens > 0) {
    text += fmt::format(": {} tokens computed of {} requested ({} in the prefix tree) in {:.1f} s",
                        stats.computed_tokens, stats.requested_tokens, stats.tree_tokens, stats.seconds);
    if (stats.matrix_peak > 0) {
      text += fmt::format(", {:.0f} % of this machine's matrix peak ({:.3g} operations/s)", 100 * stats.share_of_peak(),
                          stats.matrix_peak);
    }
  }
  if (!outcome.complete) {
    text += fmt::format("\nincomplete: {} items have no answer; give the same command again to go on", outcome.missing);
  }
  return text;
}

// What the client of a server met on the way.
std::string events_line(const RunStats& stats) {
  std::string text;
  for (const auto& [name, count] : stats.events) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  if (!stats.first_failure.empty()) text += fmt::format("\nfirst request that was lost: {}", stats.first_failure);
  return text;
}

// The judge of a run: its device settings are the model's, its server its own.
JudgeConfig judge_of(const RunConfig& config) {
  JudgeConfig judge = config.judge;
  judge.data = config.places.data;
  judge.backend = config.backend;
  judge.backend.http.base_url = config.judge.backend.http.base_url;
  judge.backend.http.key_variable = config.judge.backend.http.key_variable;
  judge.backend.http.key_file = config.judge.backend.http.key_file;
  judge.backend.http.model_url = config.backend.http.base_url;
  return judge;
}

// Before the model is asked anything: what would keep the judge from speaking afterwards.
void check_judging(const RunConfig& config) {
  if (config.judge.judge.empty()) return;
  const TaskRegistry registry = load_registry(config.places.include);
  const TaskSelection selection = select_tasks(registry, config.tasks);
  if (std::none_of(selection.tasks.begin(), selection.tasks.end(),
                   [](const Task* task) { return !task->judge.empty(); })) {
    throw_input("--judge " + config.judge.judge, "none of these tasks is graded by a judge",
                "such tasks say `judge:` in their file: mt_bench, alignbench, do_not_answer, ...");
  }
  check_judge(judge_of(config));
}

// Judges the run where the command names a judge; false when words are left. `purse`: of the whole command.
bool judge_fresh_run(const RunConfig& config, int64_t run_id, std::optional<JudgePurse>& purse) {
  if (config.judge.judge.empty()) return true;
  const JudgeConfig judge = judge_of(config);
  auto db = ResultsDb::open(config.places.db, ResultsDb::Mode::kReadWrite);
  const std::unique_ptr<Backend> backend = open_judge(judge);
  if (!purse) purse.emplace(open_purse(judge, *backend));
  for (const StoredRun& stored : db->find_runs(std::to_string(run_id))) {
    if (stored.id == run_id)
      return judge_stored_run(*db, stored, config.places.include, *backend, judge, *purse).left == 0;
  }
  return false;
}

RunOutcome run_and_judge(const RunConfig& config, std::optional<JudgePurse>& purse) {
  RunOutcome outcome = run(config, g_cancelled);
  if (outcome.run == 0) {
    note("stopped before anything was asked");
    return outcome;
  }
  note(outcome_line(outcome, config.places.db));
  if (const std::string events = events_line(outcome.stats); !events.empty()) note(events);
  if (!g_cancelled) outcome.complete = judge_fresh_run(config, outcome.run, purse) && outcome.complete;
  return outcome;
}

int compare_system_prompt_command(const RunConfig& config) {
  if (config.system_prompt_file.empty() || !config.chat_template)
    throw_input("--compare-system-prompt", "needs --system-prompt FILE and --chat-template on");
  RunConfig plain = config, with = config;
  plain.system_prompt_file.clear();
  const std::string name = config.name.empty() ? config.model.substr(config.model.find_last_of("/:") + 1) : config.name;
  plain.name = name, with.name = name + "+system";
  std::optional<JudgePurse> purse;
  const RunOutcome first = run_and_judge(plain, purse);
  if (g_cancelled) return kExitIncomplete;
  const RunOutcome second = run_and_judge(with, purse);
  auto db = ResultsDb::open(config.places.db, ResultsDb::Mode::kReadOnly);
  const std::vector<SystemPromptRow> rows = compare_system_prompt(*db, first.run, second.run);
  if (config.json) {
    print_json({{"without", first.run}, {"with", second.run}, {"rows", to_json(rows)}});
  } else {
    print(render_system_prompt_study(rows));
  }
  return first.complete && second.complete ? kExitDone : kExitIncomplete;
}

int run_command(const RunConfig& given) {
  const RunConfig config = with_task_files(given);
  if (is_server(config.model) || is_server(config.judge.judge)) g_end_within_ms = kEndWithServersMs;
  check_judging(config);
  if (config.compare_system_prompt) return compare_system_prompt_command(config);
  std::optional<JudgePurse> purse;
  const RunOutcome outcome = run_and_judge(config, purse);
  if (outcome.run == 0) return kExitIncomplete;
  if (config.json) {
    print_json(outcome_json(outcome));
  } else {
    auto db = ResultsDb::open(config.places.db, ResultsDb::Mode::kReadOnly);
    const std::vector<ReportRow> rows = db->report_rows({outcome.run}, true);
    print(render_table(rows, {}));
    if (!config.judge.judge.empty()) print("\n" + render_judged(rows, {}));
  }
  return outcome.complete ? kExitDone : kExitIncomplete;
}

// -------------------------------------------------------------------------------------------------------------- tasks

struct TasksOptions {
  Places places;
  std::string pattern;
  std::string validate;
  bool json = false;
};

// Number of items, or nothing where the data is not here.
std::optional<int64_t> count_items(const Task& task, const DataRoot& root) {
  if (!task.unavailable.empty() || document_files(task, task.test_split, root).empty()) return std::nullopt;
  return static_cast<int64_t>(load_documents(task, task.test_split, root).size());
}

std::string group_of(const TaskRegistry& registry, const std::string& key) {
  for (const TaskGroup& group : registry.groups) {
    if (!group.aggregate) continue;
    for (const std::string& member : group.members) {
      if (member == key) return group.name;
    }
  }
  return "";
}

Json published_json(const std::vector<PublishedRow>& rows) {
  Json out = Json::array();
  for (const PublishedRow& row : rows) {
    out.push_back({{"benchmark", row.benchmark},
                   {"metric", row.metric},
                   {"shots", or_null(row.shots)},
                   {"method", row.method},
                   {"source", row.source}});
  }
  return out;
}

std::string data_text(const Task& task) {
  if (!task.unavailable.empty()) return "unavailable: " + task.unavailable;
  std::string text = task.data.source.empty() ? "local" : task.data.source;
  auto files = task.data.files.find(task.test_split);
  if (files != task.data.files.end() && !files->second.empty()) text += ": " + files->second.front();
  return text;
}

Json task_json(const Task& task, const TaskRegistry& registry, const DataRoot& root) {
  auto items = count_items(task, root);
  Json entry = {{"task", task.name},
                {"convention", task.convention},
                {"group", group_of(registry, task.key())},
                {"items", or_null(items)},
                {"fewshot", task.fewshot.count},
                {"metric", task.metrics.empty() ? "" : task.metrics.front().metric},
                {"data", data_text(task)},
                {"published", published_json(task.published)}};
  if (!task.note.empty()) entry["note"] = task.note;
  return entry;
}

// A check of one task file: it loads, and each task's first item becomes a prompt where the data is here.
int validate_file(const TasksOptions& options) {
  TaskRegistry registry = load_task_file(options.validate);
  RunConfig config;
  config.places = options.places;
  config.limit = 1;
  const DataRoot root{options.places.data, options.places.texts};
  for (const Task& task : registry.tasks) {
    std::string state = "data is not here: prompts not tried";
    if (!document_files(task, task.test_split, root).empty()) {
      size_t items = load_documents(task, task.test_split, root).size();
      prepare_items(task, config);
      if (task.audit) {
        for (const Task& form : audit_forms(task)) prepare_items(form, config);
      }
      state = fmt::format("{} items", items);
    }
    print(fmt::format("ok  {}  {}\n", task.key(), state));
  }
  for (const TaskGroup& group : registry.groups) {
    if (group.aggregate) print(fmt::format("ok  {}  group of {}\n", group.key(), group.members.size()));
  }
  return kExitDone;
}

void print_task_list(const TaskRegistry& registry, const std::vector<const Task*>& tasks, const DataRoot& root) {
  TextTable table;
  table.columns = {{"task"}, {"convention"}, {"group"}, {"items", true}, {"shots", true}, {"metric"}, {"data"}};
  for (const Task* task : tasks) {
    auto items = count_items(*task, root);
    table.rows.push_back({task->name, task->convention, group_of(registry, task->key()),
                          items ? std::to_string(*items) : "-", std::to_string(task->fewshot.count),
                          task->metrics.empty() ? "" : task->metrics.front().metric, data_text(*task)});
  }
  print(table.plain());
  print(fmt::format("\nitems: \"-\" where the data is not in {} (assay fetch NAME brings it)\n", root.folder));
}

int tasks_command(const TasksOptions& options) {
  if (!options.validate.empty()) return validate_file(options);
  const TaskRegistry registry = load_registry(options.places.include);
  std::vector<const Task*> tasks;
  if (options.pattern.empty()) {
    for (const Task& task : registry.tasks) {
      if (!task.form_of) tasks.push_back(&task);
    }
  } else {
    tasks = select_tasks(registry, options.pattern).tasks;
  }
  const DataRoot root{options.places.data, options.places.texts};
  if (options.json) {
    Json list = Json::array();
    for (const Task* task : tasks) list.push_back(task_json(*task, registry, root));
    print_json(list);
  } else {
    print_task_list(registry, tasks, root);
  }
  return kExitDone;
}

// --------------------------------------------------------------------------------------------------------------- show

struct ShowOptions {
  RunConfig config;
  std::string task;
  int64_t item = 0;
  bool tokens = false;
};

Json ids_json(const std::vector<TokenId>& ids) {
  return Json(ids);
}

// One request as the model will see it.
Json request_json(const Request& request, const Tokenizer* tokenizer) {
  Json out = {{"kind", to_string(request.kind)}};
  const std::string& text = request.kind == RequestKind::kRolling ? request.text : request.context;
  out["text"] = text;
  Json continuations = Json::array();
  for (const std::string& continuation : request.continuations) {
    Json entry = {{"text", continuation}};
    if (tokenizer) {
      EncodedPair pair = encode_pair(*tokenizer, text, continuation);
      out["token_ids"] = ids_json(pair.context);
      entry["token_ids"] = ids_json(pair.continuation);
    }
    continuations.push_back(std::move(entry));
  }
  if (tokenizer && request.continuations.empty()) out["token_ids"] = ids_json(encode_context(*tokenizer, text));
  out["continuations"] = std::move(continuations);
  if (request.kind == RequestKind::kGenerate) {
    out["stop"] = request.generate.stop;
    out["max_tokens"] = request.generate.max_tokens;
    out["temperature"] = request.generate.temperature;
  }
  return out;
}

Json gold_json(const Prompt& prompt) {
  if (prompt.gold_index >= 0) return prompt.gold_index;
  if (prompt.golds.size() > 1) return prompt.golds;
  return prompt.golds.empty() ? prompt.target : prompt.golds.front();
}

// The agreed shape: the first request's text at the top, further parts under "parts".
Json show_json(const PreparedItem& item, const Tokenizer* tokenizer) {
  Json out = {{"item", item.prompt.item_id}};
  Json parts = Json::array();
  for (const Request& request : item.requests) parts.push_back(request_json(request, tokenizer));
  out.update(parts.front());
  out["gold"] = gold_json(item.prompt);
  if (parts.size() > 1) out["parts"] = std::move(parts);
  return out;
}

std::string ids_text(const Json& ids) {
  std::string text;
  for (const Json& id : ids) text += (text.empty() ? "" : " ") + std::to_string(id.get<int64_t>());
  return text;
}

std::string show_text(const Json& shown, const PreparedItem& item) {
  std::string out = fmt::format("item {}\n", item.prompt.item_id);
  const Json parts = shown.contains("parts") ? shown["parts"] : Json::array({shown});
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    out += fmt::format("── {}{} ──\n{}\n", part["kind"].get<std::string>(),
                       parts.size() > 1 ? fmt::format(", part {} of {}", i + 1, parts.size()) : "",
                       part["text"].get<std::string>());
    if (part.contains("token_ids")) {
      out += fmt::format("── {} tokens ──\n{}\n", part["token_ids"].size(), ids_text(part["token_ids"]));
    }
    for (const Json& continuation : part["continuations"]) {
      out += fmt::format("── continuation {}", dump_json(continuation["text"]));
      if (continuation.contains("token_ids")) out += "  tokens " + ids_text(continuation["token_ids"]);
      out += "\n";
    }
    if (part.contains("stop")) {
      out += fmt::format("── stops at {}, at most {} tokens, temperature {}\n", dump_json(part["stop"]),
                         part["max_tokens"].get<int>(), part["temperature"].get<double>());
    }
  }
  return out + "── gold " + dump_json(shown["gold"]) + "\n";
}

int show_command(ShowOptions options) {
  RunConfig& config = options.config;
  if (options.tokens && config.model.empty()) throw_input("--tokens", "needs --model DIR or FILE.gguf");
  const TaskRegistry registry = load_registry(config.places.include);
  const TaskSelection selection = select_tasks(registry, options.task);
  if (selection.tasks.empty()) throw_input(options.task, "names no task");
  std::shared_ptr<const Tokenizer> tokenizer;
  if (!config.model.empty() && (options.tokens || config.chat_template)) tokenizer = load_tokenizer(config.model);
  // A row of an audit form may give several items, or none.
  if (!selection.tasks.front()->form_of) config.limit = options.item + 1;
  std::vector<PreparedItem> items = prepare_items(*selection.tasks.front(), config);
  if (options.item >= static_cast<int64_t>(items.size())) {
    throw_input(fmt::format("--item {}", options.item),
                fmt::format("the task has {} items, counted from 0", items.size()));
  }
  PreparedItem& item = items[static_cast<size_t>(options.item)];
  if (config.chat_template) {
    if (!tokenizer) throw_input("--chat-template on", "needs --model, whose template is used");
    if (!tokenizer->chat_template()) throw_input(config.model, "has no chat template");
    ChatRenderer renderer(*tokenizer->chat_template(), config.model + " chat template", tokenizer->special_tokens());
    render_chat(item.requests, renderer);
  }
  Json shown = show_json(item, options.tokens ? tokenizer.get() : nullptr);
  if (config.json) {
    print_json(shown);
  } else {
    print(show_text(shown, item));
  }
  return kExitDone;
}

// ------------------------------------------------------------------------------------------- score, report and samples

struct ReadOptions {
  Places places;
  std::string run;     // id or label; empty = all
  std::string format;  // empty = table
  std::string task;
  bool all_metrics = false;
  bool no_members = false;
  bool json = false;
  bool wrong = false, right = false, unparsed = false;
  int64_t limit = 0;
  SandboxFlags sandbox;
  ReportOutputs outputs;
};

std::vector<StoredRun> chosen_runs(ResultsDb& db, const std::string& selector) {
  std::vector<StoredRun> runs = db.find_runs(selector);
  if (runs.empty()) {
    throw_input(db.path(), selector.empty() ? "has no runs yet" : "has no run \"" + selector + "\"",
                "`assay report` without --run lists all");
  }
  return runs;
}

std::string format_of(const ReadOptions& options, const std::string& otherwise) {
  if (!options.format.empty()) return options.format;
  return options.json ? (otherwise == "jsonl" ? "jsonl" : "json") : "table";
}

int report_command(const ReadOptions& options) {
  const std::string name = format_of(options, "json");
  const ReportFormat* format = find_report_format(name);
  if (!format) {
    throw_input("--format " + name, "unknown format", fmt::format("known: {}", fmt::join(report_format_names(), " ")));
  }
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);
  std::vector<int64_t> ids;
  bool complete = true;
  const std::vector<StoredRun> runs = chosen_runs(*db, options.run);
  for (const StoredRun& run : runs) {
    ids.push_back(run.id);
    complete = complete && run.complete;
  }
  if (!options.outputs.html.empty()) {
    for (const std::string& path : write_report_page(*db, runs, options.outputs, options.places.include))
      note("wrote " + path);
    return complete ? kExitDone : kExitIncomplete;
  }
  std::vector<ReportRow> rows = db->report_rows(ids, !options.task.empty());
  if (!options.task.empty()) {
    std::erase_if(rows, [&](const ReportRow& row) {
      return !glob_match(options.task, row.task) && !glob_match(options.task, row.task + "@" + row.convention);
    });
  }
  if (options.outputs.curve || !options.outputs.svg.empty()) {
    if (options.no_members) std::erase_if(rows, [](const ReportRow& row) { return row.depth > 0; });
    print(curves_output(rows, options.outputs, options.json));
  } else {
    print(format->render(rows, {!options.all_metrics, !options.no_members}));
  }
  return complete ? kExitDone : kExitIncomplete;
}

int score_command(const ReadOptions& options) {
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadWrite);
  std::vector<int64_t> ids;
  int64_t missing = 0;
  std::unique_ptr<Sandbox> sandbox;
  std::unique_ptr<ProgramExecution> execution;
  for (const StoredRun& run : chosen_runs(*db, options.run)) {
    const TaskRegistry registry = load_registry_of(run, options.places.include);
    if (!sandbox && has_programs(*db, run, registry)) {
      sandbox = std::make_unique<Sandbox>(options.sandbox.options(0));
      announce(sandbox->state());
      execution = std::make_unique<ProgramExecution>(*sandbox);
    }
    missing += score_stored_run(*db, run, registry, execution.get(), g_cancelled);
    ids.push_back(run.id);
  }
  print(options.json ? render_json(db->report_rows(ids, true), {}) : render_table(db->report_rows(ids, true), {}));
  return missing == 0 ? kExitDone : kExitIncomplete;
}

bool is_wanted(const ReadOptions& options, const std::vector<Score>& scores, const std::string& headline) {
  if (!options.wrong && !options.right && !options.unparsed) return true;
  for (const Score& score : scores) {
    if (score.metric != headline || score.outcome == Outcome::kMissing) continue;
    if (options.wrong && score.value == 0) return true;
    if (options.right && score.value > 0) return true;
    if (options.unparsed && score.outcome == Outcome::kUnparsed) return true;
  }
  return false;
}

// What judges said about a task's items, by position.
std::map<int64_t, std::vector<SampleWord>> judged_words(ResultsDb& db, int64_t run, const TaskRecord& task) {
  std::map<int64_t, std::vector<SampleWord>> words;
  for (const JudgeQuestionRecord& question : db.judge_questions_of(run, task.task, task.convention)) {
    for (Judgement& word : db.judgements_of(question.request_hash)) {
      if (word.prompt_version != question.prompt_version || word.presentation != question.presentation) continue;
      words[question.position].push_back({word.judge, question.presentation, question.part, word.score, word.label,
                                          std::move(word.problem), std::move(word.text)});
    }
  }
  return words;
}

int samples_command(const ReadOptions& options) {
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);
  std::vector<Sample> samples;
  bool found = false;
  for (const StoredRun& run : chosen_runs(*db, options.run)) {
    for (const TaskRecord& task : db->tasks_of(run.id)) {
      bool matches = options.task.empty() || glob_match(options.task, task.task) ||
                     glob_match(options.task, task.task + "@" + task.convention);
      if (task.is_group || !matches) continue;
      found = true;
      auto scores = db->scores_of(run.id, task.task, task.convention);
      auto words = judged_words(*db, run.id, task);
      auto programs = db->programs_of(run.id, task.task, task.convention);
      for (StoredItem& item : db->items_of(run.id, task.task, task.convention)) {
        const size_t position = static_cast<size_t>(item.position);
        std::vector<Score> own = position < scores.size() ? scores[position] : std::vector<Score>{};
        if (!is_wanted(options, own, task.headline)) continue;
        if (options.limit > 0 && static_cast<int64_t>(samples.size()) >= options.limit) break;
        samples.push_back({task.task, task.convention, item.position, std::move(item.prompt), std::move(item.requests),
                           std::move(item.responses), std::move(own), std::move(words[item.position]),
                           std::move(programs[item.position])});
      }
    }
  }
  if (!found) throw_input("--task " + options.task, "no stored run has such a task", "`assay report` lists them");
  print(render_samples(samples, format_of(options, "jsonl")));
  return kExitDone;
}

void add_read_flags(CLI::App& command, ReadOptions& options) {
  add_place_flags(command, options.places);
  command.add_option("--run", options.run, "Id of a run or label of a checkpoint (default: all)");
  command.add_flag("--json", options.json, "JSON on stdout, everything else on stderr");
}

}  // namespace

void declare_run(CLI::App& command, int& exit_code) {
  auto config = std::make_shared<RunConfig>();
  add_run_flags(command, *config);
  command.callback([config, &exit_code] { exit_code = run_command(*config); });
}

void declare_tasks(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<TasksOptions>();
  add_place_flags(command, options->places);
  command.add_option("pattern", options->pattern, "Tasks, groups, tags or globs (default: all)");
  command.add_option("--validate", options->validate, "Check this task file");
  command.add_flag("--json", options->json, "JSON on stdout");
  command.callback([options, &exit_code] { exit_code = tasks_command(*options); });
}

void declare_show(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<ShowOptions>();
  add_task_flags(command, options->config);
  command.add_option("task", options->task, "Task, with @convention where there are several")->required();
  command.add_option("--item", options->item, "Which item, counted from 0")->check(CLI::NonNegativeNumber);
  command.add_flag("--tokens", options->tokens, "Token ids too; needs --model");
  command.add_option("--model", options->config.model, "Checkpoint whose tokenizer and chat template are used");
  command.add_flag("--json", options->config.json, "JSON on stdout");
  command.callback([options, &exit_code] { exit_code = show_command(*options); });
}

void declare_fetch(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<FetchOptions>();
  add_fetch_flags(command, *options);
  command.callback([options, &exit_code] { exit_code = fetch(*options, g_cancelled) ? kExitDone : kExitIncomplete; });
}

void declare_score(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<ReadOptions>();
  add_read_flags(command, *options);
  add_sandbox_flags(command, options->sandbox);
  command.callback([options, &exit_code] { exit_code = score_command(*options); });
}

void declare_report(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<ReadOptions>();
  add_read_flags(command, *options);
  command.add_option("--format", options->format,
                     "table, markdown, csv, lm-eval-json, model-index, json, lm-eval or judged (default: table)");
  command.add_option("--task", options->task, "Only tasks that match this name or glob");
  command.add_flag("--all-metrics", options->all_metrics, "Every metric, not only each task's headline");
  command.add_flag("--no-members", options->no_members, "Groups without the tasks inside them");
  add_output_flags(command, options->outputs);
  command.callback([options, &exit_code] { exit_code = report_command(*options); });
}

void declare_samples(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<ReadOptions>();
  add_read_flags(command, *options);
  command.add_option("--format", options->format, "table, jsonl or lm-eval-jsonl (default: table)");
  command.add_option("--task", options->task, "Only tasks that match this name or glob");
  command.add_option("--limit", options->limit, "At most this many items")->check(CLI::PositiveNumber);
  command.add_flag("--wrong", options->wrong, "Items scored 0");
  command.add_flag("--right", options->right, "Items scored above 0");
  command.add_flag("--unparsed", options->unparsed, "Items in whose response no answer was found");
  command.callback([options, &exit_code] { exit_code = samples_command(*options); });
}

}  // namespace assay
