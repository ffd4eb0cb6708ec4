#include "harness/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <unordered_map>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "harness/checkpoint_folder.h"
#include "harness/progress.h"
#include "harness/run_requests.h"
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

// Runs programs as their texts come, where there are cores that the model leaves free.
class EarlyExecution {
 public:
  EarlyExecution(ProgramExecution& execution, const RunRequests& asked) : execution_(execution), asked_(asked) {
    for (size_t task = 0; task < asked.tasks(); ++task) {
      if (!asked.prepared(task).task->program) continue;
      for (size_t item = 0; item < asked.prepared(task).prompts.size(); ++item)
        askers_.emplace(asked.numbers_of(task, item).front(), Asker{task, item});
    }
  }
  void start(uint32_t number, const Response& response) {
    auto [asker, end] = askers_.equal_range(number);
    for (; asker != end; ++asker) {
      const PreparedTask& prepared = asked_.prepared(asker->second.task);
      execution_.prefetch(make_programs(*prepared.task, prepared.prompts.at(asker->second.item), {response}));
    }
  }

 private:
  struct Asker {
    size_t task, item;
  };
  ProgramExecution& execution_;
  const RunRequests& asked_;
  std::unordered_multimap<uint32_t, Asker> askers_;  // by number of the request
};

// Passes responses on to the database and keeps them for the scores. A request that is answered is let go: what a run
// holds does not grow with its answers.
class RecordingSink : public ResponseSink {
 public:
  RecordingSink(ResultsDb& db, RunRequests& asked, RunRequests::Open& open, ProgressLine& line, EarlyExecution* early,
                const BackendInfo& info)
      : db_(db), asked_(asked), open_(open), line_(line), early_(early), info_(info) {}

  void deliver(size_t index, Response response) override {
    ASSAY_ASSERT(index < open_.numbers.size(), "a backend answers only what it was asked");
    const uint32_t number = open_.numbers[index];
    line_.add(open_.requests[index], response);
    asked_.answer(number, response);
    // A server's limit is not known, and another one the next time it is started.
    const bool stored = response.status != ResponseStatus::kTooLong || info_.context_length > 0;
    if (early_) {  // what came is safe before anything is done with it
      if (stored) db_.store_response(asked_.hash(number).hex(), response, info_.bought);
      early_->start(number, response);
    } else if (stored) {
      db_.store_response(asked_.hash(number).hex(), std::move(response), info_.bought);
    }
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
  RunRequests& asked_;
  RunRequests::Open& open_;
  ProgressLine& line_;
  EarlyExecution* early_;  // may be null
  const BackendInfo& info_;
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

Execution prepare_execution(const RunConfig& config, const RunRequests& asked) {
  Execution out;
  bool any = false;
  for (size_t task = 0; task < asked.tasks(); ++task) any |= asked.prepared(task).task->program.has_value();
  if (!any) return out;
  const int spare = spare_cores(config);
  out.sandbox = std::make_unique<Sandbox>(config.sandbox.options(std::max(0, spare)));
  announce(out.sandbox->state());
  out.programs = std::make_unique<ProgramExecution>(*out.sandbox);
  if (spare > 0) out.early = std::make_unique<EarlyExecution>(*out.programs, asked);
  std::fprintf(
      stderr, "programs run %s, %d at once\n",
      spare > 0 ? "while the model answers, on cores that it does not use" : "after the model, which uses every core",
      out.sandbox->slots());
  return out;
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
                     const RunRequests& asked) {
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
  for (size_t task = 0; task < asked.tasks(); ++task) {
    const PreparedTask& prepared = asked.prepared(task);
    key.add(prepared.task->key());
    for (size_t item = 0; item < prepared.prompts.size(); ++item) {
      for (const Digest& hash : asked.hashes_of(task, item)) key.add(hash.hex());
    }
    for (size_t item = 0; asked.is_conversation(task) && item < prepared.prompts.size(); ++item) {
      for (const std::string& turn : prepared.prompts.at(item).next_turns) key.add(turn);
    }
  }
  run.run_key = key.hex();
  return run;
}

// `turns_only`: again, after a turn: only what has more than one.
void store_plan(ResultsDb& db, int64_t run, std::vector<TaskRecord>& records, const RunRequests& asked,
                bool turns_only) {
  std::unordered_map<std::string, size_t> places;  // of the tasks that are asked
  for (size_t task = 0; task < asked.tasks(); ++task) places.emplace(asked.prepared(task).task->key(), task);
  for (TaskRecord& record : records) {
    const auto place = record.is_group ? places.end() : places.find(record.task + "@" + record.convention);
    const bool has_items = place != places.end();
    if (turns_only && (!has_items || !asked.is_conversation(place->second))) continue;
    if (has_items) record.definition = asked.definition(place->second);
    db.put_task(run, record);
    if (!has_items) continue;
    const size_t task = place->second;
    const PromptStore& prompts = asked.prepared(task).prompts;
    Prompt prompt;
    std::vector<std::string> hashes;
    db.put_items(run, record, prompts.size(), [&](size_t item) {
      prompt = prompts.at(item);
      hashes.clear();
      for (const Digest& hash : asked.hashes_of(task, item)) hashes.push_back(hash.hex());
      return ItemView{static_cast<int64_t>(item), &prompt, asked.requests_of(task, item), hashes};
    });
  }
}

// Choices are scored by their numbers: what else the items hold is stored by now, and would only fill memory.
void drop_stored_texts(std::vector<PreparedTask>& tasks) {
  for (PreparedTask& prepared : tasks) {
    const Task& task = *prepared.task;
    if (task.output_type == OutputType::kMultipleChoice && task.cluster.empty()) prepared.prompts.drop_texts();
  }
}

void add_stats(RunStats& sum, const RunStats& more) {
  sum.requests_done += more.requests_done;
  sum.requested_tokens += more.requested_tokens;
  sum.tree_tokens += more.tree_tokens;
  sum.computed_tokens += more.computed_tokens;
  sum.generated_tokens += more.generated_tokens;
  sum.head_rows += more.head_rows;
  sum.passes += more.passes;
  sum.seconds += more.seconds;
  sum.plan_seconds += more.plan_seconds;
  sum.operations += more.operations;
  sum.matrix_peak = std::max(sum.matrix_peak, more.matrix_peak);
  sum.peak_bytes = std::max(sum.peak_bytes, more.peak_bytes);
  for (const auto& [name, count] : more.events) sum.events[name] += count;
  if (sum.first_failure.empty()) sum.first_failure = more.first_failure;
}

// The items of one task with what was answered.
std::optional<ItemSource> answered_items(const RunRequests& asked, const Task& task) {
  for (size_t place = 0; place < asked.tasks(); ++place) {
    const PreparedTask& prepared = asked.prepared(place);
    if (prepared.task != &task) continue;
    return ItemSource{prepared.prompts.size(), [&asked, &prepared, place](size_t i) {
                        AnsweredItem item{prepared.prompts.at(i), {}, {}};
                        for (const uint32_t number : asked.numbers_of(place, i)) {
                          std::optional<Response> answer = asked.answer_of(number);
                          if (answer && answer->status == ResponseStatus::kFailed) answer.reset();
                          item.responses.push_back(std::move(answer));
                        }
                        note_unasked_turns(item);
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

// Gives the mean length of the answers in the examples.
double prepare_prompts(const Task& task, const RunConfig& config, const std::function<void(Prompt)>& prompt) {
  const DataRoot root{config.places.data, config.places.texts};
  const bool is_form = task.form_of != nullptr;  // several documents a row: the limit counts rows
  const bool no_shots = is_form && task.fewshot.split == task.test_split;

  PromptOptions options;
  options.num_fewshot = no_shots ? 0 : shots_of(task, config.num_fewshot);
  options.seed = config.seed;
  options.chat = config.chat_template;
  if (!config.system_prompt_file.empty()) options.system_prompt = read_file(config.system_prompt_file);

  const bool needs_pool = *options.num_fewshot > 0 && task.fewshot.samples.empty();
  const bool same_split = needs_pool && task.fewshot.split == task.test_split;
  std::vector<Document> pool;
  if (needs_pool) pool = load_documents(task, task.fewshot.split, root);

  PromptRenderer renderer(task, pool, options);
  const JudgeProtocol* judge = task.judge.empty() ? nullptr : find_judge_protocol(task.judge);
  const auto render = [&](const Document& document) {
    Prompt made = renderer.render(document);
    if (judge) judge->check(made);
    prompt(std::move(made));
  };
  if (same_split) {
    const size_t limit = config.limit > 0 && !is_form ? static_cast<size_t>(config.limit) : pool.size();
    for (size_t i = 0; i < std::min(limit, pool.size()); ++i) render(pool[i]);
  } else {
    each_document(task, task.test_split, root, config.limit, render);
  }
  return renderer.mean_answer_bytes();
}

RequestOptions request_options(const RunConfig& config) {
  RequestOptions options;
  options.seed = config.seed;
  options.samples = config.samples;
  options.temperature = config.temperature;
  options.chat = config.chat_template;
  return options;
}

}  // namespace

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

std::vector<PreparedItem> prepare_items(const Task& task, const RunConfig& config) {
  std::vector<PreparedItem> items;
  prepare_prompts(task, config, [&](Prompt prompt) {
    std::vector<Request> requests = make_requests(task, prompt, request_options(config));
    items.push_back({std::move(prompt), std::move(requests)});
  });
  return items;
}

// The pipeline, stage by stage: up to the requests in the constructor, from the backend on in score().
struct CheckpointSeries::State {
  RunConfig config;
  TaskRegistry registry;
  TaskSelection selection;  // points into the registry
  std::vector<TaskRecord> records;
  std::vector<PreparedTask> tasks;  // their prompts: requests are made for each checkpoint
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

  // Documents, prompts. One request is made of each task, for what may be wrong with it.
  for (const Task* task : s.selection.tasks) {
    PreparedTask& prepared = s.tasks.emplace_back();
    prepared.task = task;
    prepared.answer_bytes = prepare_prompts(*task, s.config, [&](const Prompt& prompt) {
      if (prepared.prompts.size() == 0) make_requests(*task, prompt, request_options(s.config));
      prepared.prompts.add(prompt);
    });
  }

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
  std::optional<ChatRenderer> renderer;
  std::optional<RunRequests> requests;
  Clock::time_point begin;
  if (cancelled) return outcome;
  try {
    s.open(model);
    begin = Clock::now();
    if (auto made = make_renderer(config, *s.backend, s.tasks)) renderer.emplace(std::move(*made));
    // Prompts -> requests.
    requests.emplace(s.tasks, request_options(config), s.backend->info(), renderer ? &*renderer : nullptr);
    if (requests->folded()) std::fprintf(stderr, "%s\n", kFoldedNote);
  } catch (const Error& error) {
    s.backend.reset();
    outcome.broken = error;
    return outcome;
  }
  if (cancelled) return outcome;
  RunRequests& asked = *requests;
  Backend& backend = *s.backend;
  ResultsDb& db = *s.db;
  const int64_t run_id = db.begin_run(run_record(config, backend.info(), s.records, asked));
  store_plan(db, run_id, s.records, asked, false);
  if (!s.many) drop_stored_texts(s.tasks);

  // Backend and responses. Known answers are not asked again.
  const RunRequests::Known known = [&](size_t count, const std::function<std::string(size_t)>& hash) {
    return db.known_among(count, hash);
  };
  RunRequests::Open open = asked.open(known);
  Execution execution = prepare_execution(config, asked);
  outcome.prepare_seconds = seconds_since(begin);
  outcome.run = run_id;
  const TimeLeft::Earlier earlier = [&](const std::string& key) {
    for (const PreparedTask& prepared : s.tasks) {
      const Task& task = *prepared.task;
      if (task.key() != key) continue;
      std::vector<int> lengths = db.text_lengths(task.name, task.convention, run_id);
      if (lengths.empty() && prepared.answer_bytes > 0) lengths = TextLengths::like_examples(prepared.answer_bytes);
      return lengths;
    }
    return std::vector<int>();
  };
  while (!cancelled) {
    if (!open.requests.empty()) {
      ProgressLine line(open.requests, static_cast<int64_t>(asked.answered()), asked.later_turns(),
                        backend.info().context_length, earlier);
      RecordingSink sink(db, asked, open, line, execution.early.get(), backend.info());
      try {
        add_stats(outcome.stats, backend.answer(open.requests, sink, cancelled));
      } catch (const Error& error) {
        if (!s.many || error.kind() != Error::Kind::kInput) throw;
        s.backend.reset();
        outcome.broken = error;  // these requests and this checkpoint do not go together
        return outcome;
      }
      line.finish();
    }
    open = {};
    if (!asked.add_next_turns()) break;
    store_plan(db, run_id, s.records, asked, true);
    open = asked.open(known);
  }
  db.flush();
  outcome.prepare_seconds += outcome.stats.plan_seconds;

  const ItemsInMemory in_memory = [&](const Task& task) { return answered_items(asked, task); };

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
