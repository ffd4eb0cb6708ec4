#include "harness/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "harness/chat.h"
#include "harness/checkpoint_folder.h"
#include "harness/progress.h"
#include "harness/scoring.h"
#include "harness/stored_registry.h"
#include "harness/version.h"
#include "reports/results_db.h"
#include "sandbox/sandbox.h"
#include "tasks/documents.h"
#include "tasks/fewshot.h"
#include "tasks/judge/protocol.h"
#include "tasks/programs.h"
#include "tasks/prompt.h"
#include "tasks/requests.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A task file named in --tasks stands for what it defines: its outermost groups, or its tasks. Its folder is included.
RunConfig with_task_files(RunConfig config) {
  std::string names;
  for (const std::string& part : split(config.tasks, ',')) {
    std::string name(strip(part));
    if (ends_with(name, ".yaml") || ends_with(name, ".yml")) {
      const std::string file = name;
      name = names_in_task_file(file);
      const std::string folder = std::filesystem::path(file).parent_path().string();
      config.places.include.push_back(folder.empty() ? "." : folder);
    }
    names += (names.empty() ? "" : ",") + name;
  }
  config.tasks = names;
  return config;
}

// A task with all that will be asked for it.
struct PreparedTask {
  const Task* task = nullptr;
  std::vector<PreparedItem> items;
  std::vector<std::vector<std::string>> hashes;  // [item][part]; never changed once they are there
};

// By request hash: the texts in PreparedTask::hashes.
using Answers = std::unordered_map<std::string_view, Response>;

// Every hash once, in order, less those whose answer is known.
struct OpenRequests {
  std::vector<Request> requests;
  std::vector<const std::string*> hashes;
};

// Runs programs as their texts come, where there are cores that the model leaves free.
class EarlyExecution {
 public:
  EarlyExecution(ProgramExecution& execution, const std::vector<PreparedTask>& tasks) : execution_(execution) {
    for (const PreparedTask& prepared : tasks) {
      if (!prepared.task->program) continue;
      for (size_t i = 0; i < prepared.items.size(); ++i) {
        askers_.emplace(prepared.hashes[i].front(), Asker{prepared.task, &prepared.items[i].prompt});
      }
    }
  }
  void start(const std::string& hash, const Response& response) {
    auto [asker, end] = askers_.equal_range(hash);
    for (; asker != end; ++asker) {
      execution_.prefetch(make_programs(*asker->second.task, *asker->second.prompt, {response}));
    }
  }

 private:
  struct Asker {
    const Task* task;
    const Prompt* prompt;
  };
  ProgramExecution& execution_;
  std::unordered_multimap<std::string, Asker> askers_;  // by request hash
};

// Passes responses on to the database and keeps them for the scores. A request that is answered is let go: what a run
// holds does not grow with its answers.
class RecordingSink : public ResponseSink {
 public:
  RecordingSink(ResultsDb& db, OpenRequests& open, Answers& answers, ProgressLine& line, EarlyExecution* early,
                bool bought)
      : db_(db), open_(open), answers_(answers), line_(line), early_(early), bought_(bought) {}

  void deliver(size_t index, Response response) override {
    ASSAY_ASSERT(index < open_.hashes.size(), "a backend answers only what it was asked");
    const std::string& hash = *open_.hashes[index];
    line_.add(open_.requests[index]);
    db_.store_response(hash, response, bought_);
    if (early_) early_->start(hash, response);
    bool added = answers_.emplace(hash, std::move(response)).second;
    ASSAY_ASSERT(added, "a backend answers a request once");
    let_go(open_.requests[index]);
  }
  void progress(const RunStats& stats) override { line_.update(stats); }

 private:
  // Of a request that is answered only its texts take room.
  static void let_go(Request& request) {
    request.context = std::string(), request.text = std::string();
    request.continuations = std::vector<std::string>();
    request.messages = std::vector<Message>();
  }

  ResultsDb& db_;
  OpenRequests& open_;
  Answers& answers_;
  ProgressLine& line_;
  EarlyExecution* early_;  // may be null
  bool bought_;
};

// The sandbox of a run whose tasks have programs, and when they run.
struct Execution {
  std::unique_ptr<Sandbox> sandbox;
  std::unique_ptr<ProgramExecution> programs;
  std::unique_ptr<EarlyExecution> early;  // null: after the model
};

// Cores that the backend leaves free: all of them where the model runs elsewhere.
int spare_cores(const RunConfig& config) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const bool elsewhere = config.model.find(':') != std::string::npos || config.backend.device != "cpu";
  if (elsewhere) return cores;
  return config.backend.threads > 0 ? cores - config.backend.threads : 0;
}

Execution prepare_execution(const RunConfig& config, const std::vector<PreparedTask>& tasks) {
  Execution out;
  if (std::none_of(tasks.begin(), tasks.end(), [](const PreparedTask& one) { return one.task->program.has_value(); })) {
    return out;
  }
  const int spare = spare_cores(config);
  out.sandbox = std::make_unique<Sandbox>(config.sandbox.options(std::max(0, spare)));
  announce(out.sandbox->state());
  out.programs = std::make_unique<ProgramExecution>(*out.sandbox);
  if (spare > 0) out.early = std::make_unique<EarlyExecution>(*out.programs, tasks);
  std::fprintf(
      stderr, "programs run %s, %d at once\n",
      spare > 0 ? "while the model answers, on cores that it does not use" : "after the model, which uses every core",
      out.sandbox->slots());
  return out;
}

void check_capabilities(const Backend& backend, const std::vector<PreparedTask>& tasks) {
  const BackendInfo& info = backend.info();
  for (const PreparedTask& prepared : tasks) {
    for (const PreparedItem& item : prepared.items) {
      for (const Request& request : item.requests) {
        bool able = request.kind == RequestKind::kLoglikelihood ? info.loglikelihood
                    : request.kind == RequestKind::kRolling     ? info.rolling
                                                                : info.generate;
        if (!able) {
          throw_input(prepared.task->key(),
                      fmt::format("needs {} requests, which the backend \"{}\" cannot answer", to_string(request.kind),
                                  info.name),
                      request.kind == RequestKind::kLoglikelihood
                          ? "it gives no log-probabilities of prompts, or wrong ones; a local checkpoint does"
                          : "");
        }
      }
    }
  }
}

// What turns messages into prompts; nothing where prompts are plain, or the backend takes messages as they are.
std::optional<ChatRenderer> make_renderer(const RunConfig& config, const Backend& backend,
                                          const std::vector<PreparedTask>& tasks) {
  const BackendInfo& info = backend.info();
  if (!config.chat_template) return std::nullopt;
  if (info.chat) {
    for (const PreparedTask& prepared : tasks) {
      if (prepared.task->output_type != OutputType::kGenerate)
        throw_input(prepared.task->key(),
                    "needs log-probabilities, which \"" + info.name + "\" does not give through chat",
                    "leave --chat-template off");
    }
    return std::nullopt;
  }
  if (!info.chat_template) {
    throw_input(info.label, "has no chat template, but --chat-template is on", "leave --chat-template off");
  }
  return ChatRenderer(*info.chat_template, info.label + " chat template", info.special_tokens);
}

void apply_chat_template(const ChatRenderer& renderer, std::vector<PreparedTask>& tasks) {
  bool folded = false;
  for (PreparedTask& prepared : tasks) {
    for (PreparedItem& item : prepared.items) folded = render_chat(item.requests, renderer) || folded;
  }
  if (folded) std::fprintf(stderr, "%s\n", kFoldedNote);
}

void hash_requests(std::vector<PreparedTask>& tasks, const std::string& model_identity) {
  for (PreparedTask& prepared : tasks) {
    for (const PreparedItem& item : prepared.items) {
      std::vector<std::string>& hashes = prepared.hashes.emplace_back();
      for (const Request& request : item.requests) hashes.push_back(request_hash(request, model_identity));
    }
  }
}

Json settings_json(const RunConfig& config) {
  std::vector<std::string> include;  // as they can be found again from another folder
  for (const std::string& folder : config.places.include) include.push_back(stored_path(folder));
  return {{"model", stored_path(config.model)},
          {"tasks", config.tasks},
          {"include", include},
          {"text", config.places.texts},
          {"limit", config.limit},
          {"seed", config.seed},
          {"num_fewshot", or_null(config.num_fewshot)},
          {"samples", or_null(config.samples)},
          {"temperature", or_null(config.temperature)},
          {"chat_template", config.chat_template},
          {"system_prompt", config.system_prompt_file},
          {"dtype", config.backend.dtype},
          {"device", config.backend.device}};
}

RunRecord run_record(const RunConfig& config, const BackendInfo& info, const std::vector<TaskRecord>& records,
                     const std::vector<PreparedTask>& tasks) {
  RunRecord run;
  CheckpointRecord& checkpoint = run.checkpoint;
  checkpoint.identity = info.identity;
  checkpoint.label = config.name.empty() ? info.label : config.name;
  checkpoint.step = training_step(checkpoint.label);
  checkpoint.model = config.model;
  checkpoint.weights_hash = info.weights_hash, checkpoint.tokenizer_hash = info.tokenizer_hash;
  checkpoint.numerics = info.numerics;
  run.settings = settings_json(config);
  run.software = fmt::format("assay {}", kVersion);
  // What decides a run's rows: who is asked, under which label, and everything that is asked.
  FieldHash key;
  key.add(info.identity).add(checkpoint.label);
  for (const TaskRecord& record : records) key.add(record.task).add(record.convention).add_number(record.depth);
  for (const PreparedTask& prepared : tasks) {
    key.add(prepared.task->key());
    for (const auto& hashes : prepared.hashes) {
      for (const std::string& hash : hashes) key.add(hash);
    }
    for (const PreparedItem& item : prepared.items) {
      for (const std::string& turn : item.prompt.next_turns) key.add(turn);
    }
  }
  run.run_key = key.hex();
  return run;
}

std::string definition_hash(const PreparedTask& prepared) {
  FieldHash hash;
  hash.add(prepared.task->key()).add_number(prepared.task->version);
  for (const PreparedItem& item : prepared.items) {
    for (const Request& request : item.requests) hash.add(request_hash(request, ""));
    for (const std::string& turn : item.prompt.next_turns) hash.add(turn);
  }
  return hash.hex();
}

// `turns_only`: again, after a turn: only what has more than one.
void store_plan(ResultsDb& db, int64_t run, std::vector<TaskRecord>& records, const std::vector<PreparedTask>& tasks,
                bool turns_only) {
  for (TaskRecord& record : records) {
    auto same = [&](const PreparedTask& prepared) {
      return !record.is_group && prepared.task->key() == record.task + "@" + record.convention;
    };
    auto prepared = std::find_if(tasks.begin(), tasks.end(), same);
    const bool has_items = prepared != tasks.end();
    if (turns_only && (!has_items || prepared->task->next_turns.empty())) continue;
    if (has_items) record.definition = definition_hash(*prepared);
    db.put_task(run, record);
    if (!has_items) continue;
    db.put_items(run, record, prepared->items.size(), [&](size_t i) {
      const PreparedItem& item = prepared->items[i];
      return ItemView{static_cast<int64_t>(i), &item.prompt, item.requests, prepared->hashes[i]};
    });
  }
}

// Choices are scored by their numbers: what else the items hold is stored by now, and would only fill memory.
void drop_stored_texts(std::vector<PreparedTask>& tasks) {
  for (PreparedTask& prepared : tasks) {
    const Task& task = *prepared.task;
    if (task.output_type != OutputType::kMultipleChoice || !task.cluster.empty()) continue;
    for (PreparedItem& item : prepared.items) {
      item.prompt.context = std::string();
      item.prompt.messages = std::vector<Message>();
      item.prompt.fields = {};
    }
  }
}

// Adds the next turn of every conversation whose turns so far are answered. False when there was none.
bool add_next_turns(std::vector<PreparedTask>& tasks, const Answers& answers, bool chat,
                    const std::optional<ChatRenderer>& renderer, const std::string& identity) {
  bool added = false;
  for (PreparedTask& prepared : tasks) {
    for (size_t i = 0; i < prepared.items.size(); ++i) {
      PreparedItem& item = prepared.items[i];
      std::vector<std::string>& hashes = prepared.hashes[i];
      if (hashes.size() > item.prompt.next_turns.size()) continue;
      std::vector<std::string> texts;
      for (const std::string& hash : hashes) {
        const auto found = answers.find(hash);
        if (found == answers.end() || found->second.texts.empty()) break;
        texts.push_back(found->second.texts.front().text);
      }
      if (texts.size() < hashes.size()) continue;
      std::vector<Request> next = {make_next_turn(*prepared.task, item.prompt, item.requests, texts, chat)};
      if (renderer) render_chat(next, *renderer);
      hashes.push_back(request_hash(next.front(), identity));
      item.requests.push_back(std::move(next.front()));
      added = true;
    }
  }
  return added;
}

void add_stats(RunStats& sum, const RunStats& more) {
  sum.requests_done += more.requests_done;
  sum.requested_tokens += more.requested_tokens;
  sum.tree_tokens += more.tree_tokens;
  sum.computed_tokens += more.computed_tokens;
  sum.generated_tokens += more.generated_tokens;
  sum.head_rows += more.head_rows;
  sum.seconds += more.seconds;
  sum.plan_seconds += more.plan_seconds;
  sum.operations += more.operations;
  sum.matrix_peak = std::max(sum.matrix_peak, more.matrix_peak);
  sum.peak_bytes = std::max(sum.peak_bytes, more.peak_bytes);
  for (const auto& [name, count] : more.events) sum.events[name] += count;
  if (sum.first_failure.empty()) sum.first_failure = more.first_failure;
}

// Requests after which no other turn comes are taken out of the tasks: nothing else asks for them.
OpenRequests open_requests(std::vector<PreparedTask>& tasks, const Answers& known) {
  size_t most = 0;
  for (const PreparedTask& prepared : tasks) {
    for (const auto& hashes : prepared.hashes) most += hashes.size();
  }
  OpenRequests open;
  open.requests.reserve(most), open.hashes.reserve(most);
  std::unordered_set<std::string_view> seen(most);
  for (PreparedTask& prepared : tasks) {
    const bool last = prepared.task->next_turns.empty();
    for (size_t i = 0; i < prepared.items.size(); ++i) {
      if (prepared.items[i].requests.empty()) continue;  // asked before
      for (size_t part = 0; part < prepared.hashes[i].size(); ++part) {
        const std::string& hash = prepared.hashes[i][part];
        if (known.count(hash) || !seen.insert(hash).second) continue;
        Request& request = prepared.items[i].requests[part];
        open.requests.push_back(last ? std::move(request) : request);
        open.hashes.push_back(&hash);
      }
      if (last) prepared.items[i].requests = std::vector<Request>();
    }
  }
  return open;
}

// Adds what the database knows.
void add_known(ResultsDb& db, const std::vector<PreparedTask>& tasks, Answers& answers) {
  std::vector<std::string_view> unknown;
  for (const PreparedTask& prepared : tasks) {
    for (const auto& hashes : prepared.hashes) {
      for (const std::string& hash : hashes) {
        if (!answers.count(hash)) unknown.push_back(hash);
      }
    }
  }
  for (auto& [place, response] : db.known_among(unknown)) answers.emplace(unknown[place], std::move(response));
}

// The items of one task with what was answered.
std::optional<ItemSource> answered_items(const std::vector<PreparedTask>& tasks, const Task& task,
                                         const Answers& answers) {
  for (const PreparedTask& prepared : tasks) {
    if (prepared.task != &task) continue;
    return ItemSource{prepared.items.size(), [&prepared, &answers](size_t i) {
                        AnsweredItem item{&prepared.items[i].prompt, {}, {}};
                        for (const std::string& hash : prepared.hashes[i]) {
                          const auto found = answers.find(hash);
                          const bool answered =
                              found != answers.end() && found->second.status != ResponseStatus::kFailed;
                          item.responses.push_back(answered ? std::optional(found->second) : std::nullopt);
                        }
                        return item;
                      }};
  }
  return std::nullopt;
}

Json stats_json(const RunStats& stats) {
  return {{"requested_tokens", stats.requested_tokens},
          {"tree_tokens", stats.tree_tokens},
          {"computed_tokens", stats.computed_tokens},
          {"generated_tokens", stats.generated_tokens},
          {"head_rows", stats.head_rows},
          {"seconds", stats.seconds},
          {"plan_seconds", stats.plan_seconds},
          {"operations", stats.operations},
          {"matrix_peak", stats.matrix_peak},
          {"share_of_peak", stats.share_of_peak()},
          {"peak_bytes", stats.peak_bytes},
          {"events", stats.events}};
}

}  // namespace

std::vector<PreparedItem> prepare_items(const Task& task, const RunConfig& config) {
  const DataRoot root{config.places.data, config.places.texts};
  const bool is_form = task.form_of != nullptr;  // several documents a row: the limit counts rows
  std::vector<Document> documents = load_documents(task, task.test_split, root, is_form ? config.limit : 0);
  const bool no_shots = is_form && task.fewshot.split == task.test_split;
  const int shots = no_shots ? 0 : shots_of(task, config.num_fewshot);
  std::vector<Document> pool;
  const bool needs_pool = shots > 0 && task.fewshot.samples.empty();
  if (needs_pool && task.fewshot.split != task.test_split) pool = load_documents(task, task.fewshot.split, root);

  PromptOptions prompt_options;
  prompt_options.num_fewshot = shots;
  prompt_options.seed = config.seed;
  prompt_options.limit = is_form ? 0 : config.limit;
  prompt_options.chat = config.chat_template;
  if (!config.system_prompt_file.empty()) prompt_options.system_prompt = read_file(config.system_prompt_file);
  const bool same_split = needs_pool && task.fewshot.split == task.test_split;
  if (same_split) pool = documents;
  std::vector<Prompt> prompts = render_prompts(task, std::move(documents), pool, prompt_options);
  if (!task.judge.empty()) {
    for (const Prompt& prompt : prompts) find_judge_protocol(task.judge)->check(prompt);
  }

  RequestOptions request_options;
  request_options.seed = config.seed;
  request_options.samples = config.samples;
  request_options.temperature = config.temperature;
  request_options.chat = config.chat_template;
  std::vector<PreparedItem> items;
  items.reserve(prompts.size());
  for (Prompt& prompt : prompts) {
    std::vector<Request> requests = make_requests(task, prompt, request_options);
    items.push_back({std::move(prompt), std::move(requests)});
  }
  return items;
}

// The pipeline, stage by stage: up to the requests in the constructor, from the backend on in score().
struct CheckpointSeries::State {
  RunConfig config;
  TaskRegistry registry;
  TaskSelection selection;  // points into the registry
  std::vector<TaskRecord> records;
  std::vector<PreparedTask> tasks;  // as before any checkpoint: requests without hashes
  std::unique_ptr<ResultsDb> db;
  std::unique_ptr<Backend> backend;  // of the last checkpoint
  bool many = true;                  // more than one checkpoint may come
  double prepare_seconds = 0;

  void open(const std::string& model) {
    if (backend && backend->reload(model)) return;
    backend.reset();  // never two checkpoints in memory
    BackendOptions options = config.backend;
    options.http.chat = config.chat_template;
    options.keep_plan = many;
    backend = open_backend(model, options);
  }
};

CheckpointSeries::CheckpointSeries(const RunConfig& config) : state_(std::make_unique<State>()) {
  const auto begin = Clock::now();
  State& s = *state_;
  s.config = with_task_files(config);

  // Task files.
  s.registry = load_registry(s.config.places.include);
  s.selection = select_tasks(s.registry, s.config.tasks);
  s.records = task_records(s.selection, s.registry, s.config.num_fewshot);

  // Documents, prompts, requests.
  for (const Task* task : s.selection.tasks) s.tasks.push_back({task, prepare_items(*task, s.config), {}});

  // The database is opened before any weights are read: a wrong path costs nothing.
  s.db = ResultsDb::open(s.config.places.db, ResultsDb::Mode::kReadWrite);
  s.prepare_seconds = seconds_since(begin);
}

CheckpointSeries::~CheckpointSeries() = default;

ResultsDb& CheckpointSeries::db() {
  return *state_->db;
}

double CheckpointSeries::prepare_seconds() const {
  return state_->prepare_seconds;
}

RunOutcome CheckpointSeries::score(const std::string& model, const std::string& name,
                                   const std::atomic<bool>& cancelled) {
  State& s = *state_;
  RunOutcome outcome;
  RunConfig config = s.config;
  config.model = model, config.name = name;
  std::vector<PreparedTask> tasks = s.many ? s.tasks : std::move(s.tasks);
  std::optional<ChatRenderer> renderer;
  try {
    s.open(model);
    if (auto made = make_renderer(config, *s.backend, tasks)) renderer.emplace(std::move(*made));
    check_capabilities(*s.backend, tasks);
    if (renderer) apply_chat_template(*renderer, tasks);
  } catch (const Error& error) {
    s.backend.reset();
    outcome.broken = error;
    return outcome;
  }
  const auto begin = Clock::now();
  Backend& backend = *s.backend;
  ResultsDb& db = *s.db;
  hash_requests(tasks, backend.info().identity);
  const int64_t run_id = db.begin_run(run_record(config, backend.info(), s.records, tasks));
  store_plan(db, run_id, s.records, tasks, false);
  drop_stored_texts(tasks);

  Execution execution = prepare_execution(config, tasks);

  // Known answers are not asked again.
  Answers answers;
  add_known(db, tasks, answers);
  outcome.prepare_seconds = seconds_since(begin);

  // Backend and responses. A conversation's next turn holds the answer to the one before, so turns come one by one.
  outcome.run = run_id;
  while (!cancelled) {
    OpenRequests open = open_requests(tasks, answers);
    if (!open.requests.empty()) {
      answers.reserve(answers.size() + open.requests.size());
      ProgressLine line(open.requests, static_cast<int64_t>(answers.size()));
      RecordingSink sink(db, open, answers, line, execution.early.get(), backend.info().bought);
      add_stats(outcome.stats, backend.answer(open.requests, sink, cancelled));
      line.finish();
    }
    if (!add_next_turns(tasks, answers, config.chat_template, renderer, backend.info().identity)) break;
    store_plan(db, run_id, s.records, tasks, true);
    add_known(db, tasks, answers);
  }
  db.flush();
  outcome.prepare_seconds += outcome.stats.plan_seconds;

  const ItemsInMemory in_memory = [&](const Task& task) { return answered_items(tasks, task, answers); };

  // Extraction, scores, results.
  for (const StoredRun& stored : db.find_runs(std::to_string(run_id))) {
    if (stored.id == run_id) {
      outcome.missing = score_stored_run(db, stored, s.registry, execution.programs.get(), cancelled, in_memory);
    }
  }
  outcome.complete = outcome.missing == 0 && !cancelled;
  db.finish_run(run_id, outcome.complete, stats_json(outcome.stats));
  return outcome;
}

RunOutcome run(const RunConfig& config, const std::atomic<bool>& cancelled) {
  CheckpointSeries one(config);
  one.state_->many = false;
  RunOutcome outcome = one.score(config.model, config.name, cancelled);
  if (outcome.broken) throw *outcome.broken;
  return outcome;
}

}  // namespace assay
