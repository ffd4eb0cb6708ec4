#include "harness/judging.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "harness/chat.h"
#include "harness/fetch.h"
#include "tasks/judge/protocol.h"

namespace assay {
namespace {

constexpr size_t kChunk = 512;  // questions handed to the backend at once: bounds memory
// With a budget: what replies cost that were thrown away is known after each.
constexpr size_t kCappedChunk = 64;

// One question with what is needed to keep its answer.
struct OpenQuestion {
  const JudgeProtocol* protocol = nullptr;
  const Prompt* prompt = nullptr;  // owned by Plan::items
  bool pair = false;
  std::string request_hash, prompt_version, presentation;
  int repetition = 0;
  std::vector<Message> messages;
};

struct Plan {
  std::vector<std::vector<StoredItem>> items;  // kept alive for OpenQuestion::prompt
  std::vector<OpenQuestion> questions;
};

// `own`: the wording is ours, and its version's name says so.
std::string version_of(const JudgeQuestion& question, bool own) {
  FieldHash hash;
  for (const Message& message : question.messages) hash.add(message.role).add(message.content);
  const bool marked = !own || starts_with(question.prompt_name, kOwnWording);
  return (marked ? "" : kOwnWording) + question.prompt_name + "-" + hash.hex().substr(0, 16);
}

// False when a file of the benchmark that the protocol reads is there and is not the published one.
bool are_published(const JudgeMaterial& material, const std::string& folder) {
  for (const auto& [file, sha] : data_checksums()) {
    if (std::find(material.files.begin(), material.files.end(), file) == material.files.end()) continue;
    if (sha256_file_hex(folder + "/" + file) != sha) return false;
  }
  return true;
}

// First text of each part, up to the first without an answer.
std::vector<std::string> answers_of(const StoredItem& item) {
  std::vector<std::string> answers;
  for (const auto& response : item.responses) {
    if (!response || response->status != ResponseStatus::kAnswered || response->texts.empty()) break;
    answers.push_back(response->texts.front().text);
  }
  return answers;
}

std::map<std::string, const StoredItem*> by_item(const std::vector<StoredItem>& items) {
  std::map<std::string, const StoredItem*> found;
  for (const StoredItem& item : items) found[item.prompt.item_id] = &item;
  return found;
}

// Plans one task's questions and stores which of them count for the run.
class TaskPlanner {
 public:
  TaskPlanner(ResultsDb& db, const StoredRun& run, const Task& task, const JudgeConfig& config)
      : db_(db), run_(run), task_(task), config_(config), protocol_(*find_judge_protocol(task.judge)) {}

  void add_to(Plan& plan) {
    JudgeMaterial material = protocol_.load(config_.data);
    material.canonical = material.canonical && are_published(material, config_.data);
    plan.items.push_back(db_.items_of(run_.id, task_.name, task_.convention));
    const std::vector<StoredItem>& items = plan.items.back();
    int64_t against = 0;
    std::vector<StoredItem> others;
    if (!config_.against.empty()) {
      if (!protocol_.ask_pair)
        throw_input(task_.key(), "its protocol " + task_.judge + " has no pairs", "leave --against");
      const auto runs = db_.find_runs(config_.against);
      if (runs.empty()) throw_input("--against " + config_.against, "no such run");
      against = runs.back().id;
      others = db_.items_of(against, task_.name, task_.convention);
    }
    const auto other_of = by_item(others);
    std::vector<JudgeQuestionRecord> records;
    for (const StoredItem& item : items) {
      std::vector<JudgeQuestion> questions;
      if (against == 0) {
        questions = protocol_.ask(material, item.prompt, answers_of(item));
      } else if (const auto other = other_of.find(item.prompt.item_id); other != other_of.end()) {
        questions = protocol_.ask_pair(material, item.prompt, answers_of(item), answers_of(*other->second));
      }
      for (JudgeQuestion& question : questions) {
        const auto prompt = material.prompts.find(question.prompt_name);
        const bool own = prompt == material.prompts.end() || !prompt->second.canonical;
        const bool canonical = material.canonical && !own;
        const std::string version = version_of(question, own);
        const std::string& hash = item.request_hashes.at(static_cast<size_t>(question.part));
        records.push_back({item.position, question.part, question.order, against, hash, version, canonical});
        for (int repetition = 0; repetition < config_.repeats; ++repetition) {
          plan.questions.push_back(
              {&protocol_, &item.prompt, against != 0, hash, version, question.order, repetition, question.messages});
        }
      }
    }
    if (!config_.reword) check_wording(against, records);
    db_.put_judge_questions(run_.id, task_.name, task_.convention, against, records);
  }

 private:
  // Answers that were judged are not asked about in other words in passing: a forgotten --data would pay for everything
  // again and put our wording in the benchmark's place. From our wording to the benchmark's is meant.
  void check_wording(int64_t against, const std::vector<JudgeQuestionRecord>& records) {
    std::map<std::tuple<int64_t, int, std::string>, const JudgeQuestionRecord*> now;
    for (const JudgeQuestionRecord& one : records) now[{one.position, one.part, one.presentation}] = &one;
    for (const JudgeQuestionRecord& old : db_.judge_questions_of(run_.id, task_.name, task_.convention)) {
      const auto same = now.find({old.position, old.part, old.presentation});
      if (old.against != against || same == now.end()) continue;
      const JudgeQuestionRecord& one = *same->second;
      if (one.request_hash != old.request_hash || one.prompt_version == old.prompt_version) continue;
      if (one.canonical && !old.canonical) continue;
      const std::vector<Judgement> words = db_.judgements_of(old.request_hash);
      if (std::none_of(words.begin(), words.end(),
                       [&](const Judgement& word) { return word.prompt_version == old.prompt_version; }))
        continue;
      throw_input(fmt::format("run {}, {}", run_.id, task_.key()),
                  fmt::format("was judged with {}; the judge prompts of {} differ, and everything would be asked again",
                              old.prompt_version, config_.data),
                  "give --data FOLDER as before, or --judge-reword if that is meant");
    }
  }

  ResultsDb& db_;
  const StoredRun& run_;
  const Task& task_;
  const JudgeConfig& config_;
  const JudgeProtocol& protocol_;
};

Plan make_plan(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, const JudgeConfig& config) {
  Plan plan;
  for (const Task* task : judged_tasks(db, run, registry, config)) TaskPlanner(db, run, *task, config).add_to(plan);
  if (plan.items.empty())
    throw_input(fmt::format("run {}", run.id), "has no task that a judge grades",
                "such tasks say `judge:` in their file: mt_bench, alignbench, do_not_answer, ...");
  return plan;
}

Request make_request(const OpenQuestion& question, const JudgeConfig& config) {
  Request request;
  request.kind = RequestKind::kChat;
  request.task = "judge";
  request.item_id = question.prompt->item_id;
  request.part = question.repetition;
  request.messages = question.messages;
  request.generate.max_tokens = config.max_tokens;
  request.generate.temperature = config.temperature;
  request.generate.seed = static_cast<uint64_t>(question.repetition);
  return request;
}

// For a backend that takes texts only and has no template: the turns one after the other.
void render_plainly(Request& request) {
  for (const Message& message : request.messages) request.context += message.content + "\n\n";
  request.messages.clear();
  request.kind = RequestKind::kGenerate;
}

int64_t bytes_of(const std::vector<Message>& messages) {
  int64_t bytes = 0;
  for (const Message& message : messages) bytes += static_cast<int64_t>(message.content.size());
  return bytes;
}

// The most that a question can cost: a token has at least two bytes in real prompts; 64 more for the template.
TokenCount most_tokens(const std::vector<Message>& messages, int64_t completion) {
  return {bytes_of(messages) / 2 + 64, completion};
}

// What a word cost. Where the judge's server counts no tokens a budget must hold all the same.
TokenCount tokens_of(const OpenQuestion& question, const Judgement& word) {
  if (word.prompt_tokens > 0 || word.completion_tokens > 0) return {word.prompt_tokens, word.completion_tokens};
  return most_tokens(question.messages, static_cast<int64_t>(word.text.size()) / 2 + 1);
}

JudgePurse::Word key_of(const Judgement& word) {
  return {word.request_hash, word.judge, word.judge_version, word.prompt_version, word.presentation, word.repetition};
}

// A word that is stored: its cost, and whether it is of use.
void count_word(const OpenQuestion& question, const Judgement& word, JudgePurse& purse, JudgeOutcome& outcome) {
  const TokenCount cost = tokens_of(question, word);
  purse.spend_on(key_of(word), cost);
  outcome.tokens += cost.prompt + cost.completion;
  outcome.money += purse.cost(cost);
  if (word.score) return;
  ++outcome.unparsed;
  ++outcome.problems[word.problem];
}

class JudgementSink final : public ResponseSink {
 public:
  JudgementSink(ResultsDb& db, const std::vector<const OpenQuestion*>& questions, const Judgement& judge,
                JudgePurse& purse, JudgeOutcome& outcome)
      : db_(db), questions_(questions), judge_(judge), purse_(purse), outcome_(outcome) {}

  void deliver(size_t index, Response response) override {
    if (response.status != ResponseStatus::kAnswered || response.texts.empty()) {
      if (first_loss_.empty()) first_loss_ = response.detail;
      return;
    }
    const OpenQuestion& question = *questions_.at(index);
    const std::string& text = response.texts.front().text;
    const std::string said = without_thinking(text);
    JudgeWord verdict = question.pair ? read_pair(said) : question.protocol->read(*question.prompt, said);
    if (!verdict.score && response.texts.front().finish == FinishReason::kContentFilter)
      verdict.problem = "the judge's server withheld its word (content filter)";
    if (!verdict.score && said.empty() && !text.empty()) verdict.problem = "the judge's reasoning never ended";
    Judgement judgement = judge_;
    judgement.request_hash = question.request_hash;
    judgement.prompt_version = question.prompt_version;
    judgement.presentation = question.presentation;
    judgement.repetition = question.repetition;
    judgement.score = verdict.score, judgement.label = verdict.label, judgement.problem = verdict.problem;
    judgement.text = text, judgement.answered_by = response.answered_by;
    judgement.prompt_tokens = response.prompt_tokens;
    judgement.completion_tokens = response.texts.front().tokens;
    db_.store_judgement(judgement);
    ++outcome_.asked;
    count_word(question, judgement, purse_, outcome_);
  }
  void progress(const RunStats&) override {}
  const std::string& first_loss() const { return first_loss_; }

 private:
  ResultsDb& db_;
  const std::vector<const OpenQuestion*>& questions_;
  const Judgement& judge_;
  JudgePurse& purse_;
  JudgeOutcome& outcome_;
  std::string first_loss_;
};

Judgement judge_identity(const Backend& judge, const JudgeConfig& config) {
  Judgement out;
  out.judge = judge.info().label;
  out.judge_version = FieldHash()
                          .add(judge.info().identity)
                          .add_real(config.temperature)
                          .add_number(config.max_tokens)
                          .hex()
                          .substr(0, 16);
  return out;
}

// Takes out what is answered already, and counts it.
std::vector<const OpenQuestion*> still_open(ResultsDb& db, const Plan& plan, const Judgement& judge, JudgePurse& purse,
                                            JudgeOutcome& outcome) {
  std::vector<const OpenQuestion*> open;
  std::map<std::string, std::vector<Judgement>> known;
  std::set<std::tuple<std::string, std::string, std::string, int>> planned;
  for (const OpenQuestion& question : plan.questions) {
    if (!planned.insert({question.request_hash, question.prompt_version, question.presentation, question.repetition})
             .second)
      continue;
    ++outcome.questions;
    auto [place, added] = known.try_emplace(question.request_hash);
    if (added) place->second = db.judgements_of(question.request_hash);
    bool answered = false;
    for (const Judgement& word : place->second) {
      if (word.judge != judge.judge || word.judge_version != judge.judge_version ||
          word.prompt_version != question.prompt_version || word.presentation != question.presentation ||
          word.repetition != question.repetition)
        continue;
      answered = true;
      ++outcome.known;
      count_word(question, word, purse, outcome);
    }
    if (!answered) open.push_back(&question);
  }
  return open;
}

JudgePrice price_of(const JudgeConfig& config, const std::string& model) {
  if (!config.prices_file.empty()) return read_price(config.prices_file, model);
  if (config.budget.money)
    throw_input("--judge-budget", "a budget in money needs --judge-prices FILE", "or give a budget in tokens");
  return {};
}

// One small question to a server: whether there is such a model, the key is right and the account pays.
void ask_once(Backend& judge, const std::string& name) {
  struct OneAnswer final : ResponseSink {
    Response response;
    void deliver(size_t, Response given) override { response = std::move(given); }
    void progress(const RunStats&) override {}
  } sink;
  Request request;
  request.kind = RequestKind::kChat;
  request.task = "judge";
  request.item_id = "a first small question";
  request.messages = {{"user", "Answer with the word yes."}};
  request.generate.max_tokens = 16;
  const std::atomic<bool> never{false};
  judge.answer({&request, 1}, sink, never);
  if (sink.response.status != ResponseStatus::kAnswered)
    throw_world("--judge " + name, "does not answer: " + sink.response.detail, "the model was not asked anything yet");
}

}  // namespace

void JudgePurse::spend(const TokenCount& count) {
  tokens_ += count.prompt + count.completion;
  money_ += cost(count);
}

void JudgePurse::spend_on(const Word& word, const TokenCount& count) {
  if (counted_.insert(word).second) spend(count);
}

bool JudgePurse::reserve(const TokenCount& count) {
  const int64_t tokens = count.prompt + count.completion;
  const double money = cost(count);
  if (budget_.tokens && tokens_ + held_tokens_ + tokens > *budget_.tokens) return false;
  if (budget_.money && money_ + held_money_ + money > *budget_.money) return false;
  held_tokens_ += tokens;
  held_money_ += money;
  return true;
}

double JudgePurse::cost(const TokenCount& count) const {
  return (static_cast<double>(count.prompt) * price_.prompt +
          static_cast<double>(count.completion) * price_.completion) /
         1e6;
}

JudgePurse open_purse(const JudgeConfig& config, const Backend& judge) {
  return {config.budget, price_of(config, judge.info().label)};
}

std::vector<const Task*> judged_tasks(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry,
                                      const JudgeConfig& config) {
  std::vector<const Task*> tasks;
  for (const TaskRecord& record : db.tasks_of(run.id)) {
    if (record.is_group || (!config.task.empty() && !glob_match(config.task, record.task))) continue;
    const Task* task = registry.find_task(record.task + "@" + record.convention);
    if (task && !task->judge.empty()) tasks.push_back(task);
  }
  return tasks;
}

JudgeBudget parse_budget(const std::string& text) {
  JudgeBudget budget;
  std::string body = text;
  const bool dollar = starts_with(body, "$");
  if (dollar) body.erase(0, 1);
  char* end = nullptr;
  const double value = std::strtod(body.c_str(), &end);
  const std::string unit = end;
  if (end == body.c_str() || !std::isfinite(value) || value < 0 || value > 1e15 ||
      (dollar ? !unit.empty() : unit != "" && unit != "tokens" && unit != "usd")) {
    throw_input("--judge-budget " + text, "is no budget", "write 200000tokens or 5usd");
  }
  if (dollar || unit == "usd") {
    budget.money = value;
  } else {
    budget.tokens = static_cast<int64_t>(value);
  }
  return budget;
}

JudgePrice read_price(const std::string& path, const std::string& model) {
  const Json json = read_json_file(path);
  const JsonObject table(json, path);
  if (!table.has(model))
    throw_input(path, "has no price for \"" + model + "\"",
                R"(add a row: {"MODEL": {"prompt": 2.5, "completion": 10}})");
  const JsonObject row = table.object(model);
  const JudgePrice price{row.number("prompt"), row.number("completion")};
  if (price.prompt < 0 || price.completion < 0) row.fail("prompt", "a price is negative");
  return price;
}

std::unique_ptr<Backend> open_judge(const JudgeConfig& config) {
  BackendOptions options = config.backend;
  options.http.chat = options.http.judge = true;
  return open_backend(config.judge, options);
}

void check_judge(const JudgeConfig& config) {
  if (config.judge.find(':') != std::string::npos) {
    const std::unique_ptr<Backend> judge = open_judge(config);
    price_of(config, judge->info().label);
    if (judge->info().bought) ask_once(*judge, config.judge);
  } else if (!std::filesystem::exists(config.judge)) {
    throw_input("--judge " + config.judge, "no such file or folder",
                "write a checkpoint folder, FILE.gguf, openai:NAME or scripted:FILE");
  }
}

JudgeOutcome judge_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, Backend& judge,
                       const JudgeConfig& config, JudgePurse& purse, const std::atomic<bool>& cancelled) {
  const BackendInfo& info = judge.info();
  if (!info.generate) throw_input(config.judge, "cannot write texts, so it cannot judge");
  std::optional<ChatRenderer> renderer;
  if (!info.chat && info.chat_template)
    renderer.emplace(*info.chat_template, info.label + " chat template", info.special_tokens);

  JudgeOutcome outcome;
  const Judgement identity = judge_identity(judge, config);
  const Plan plan = make_plan(db, run, registry, config);
  const std::vector<const OpenQuestion*> open = still_open(db, plan, identity, purse, outcome);

  size_t next = 0;
  std::string first_loss;
  while (next < open.size() && !cancelled) {
    std::vector<const OpenQuestion*> chunk;
    std::vector<Request> requests;
    for (; next < open.size() && chunk.size() < (purse.is_capped() ? kCappedChunk : kChunk); ++next) {
      if (!purse.reserve(most_tokens(open[next]->messages, config.max_tokens))) break;
      chunk.push_back(open[next]);
      requests.push_back(make_request(*open[next], config));
    }
    if (chunk.empty()) break;  // the budget bears not one more
    if (renderer) outcome.folded_system = render_chat(requests, *renderer) || outcome.folded_system;
    if (!info.chat && !renderer) {
      for (Request& request : requests) render_plainly(request);
    }
    JudgementSink sink(db, chunk, identity, purse, outcome);
    const RunStats stats = judge.answer(requests, sink, cancelled);
    outcome.stats.seconds += stats.seconds;
    for (const auto& [name, count] : stats.events) outcome.stats.events[name] += count;
    if (outcome.stats.first_failure.empty()) outcome.stats.first_failure = sink.first_loss();
    const TokenCount wasted{stats.wasted_prompt_tokens, stats.wasted_generated_tokens};
    purse.spend(wasted);
    outcome.tokens += wasted.prompt + wasted.completion;
    outcome.money += purse.cost(wasted);
    purse.release_all();
  }
  outcome.left = outcome.questions - outcome.known - outcome.asked;
  return outcome;
}

void count_known_words(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, const Backend& judge,
                       const JudgeConfig& config, JudgePurse& purse) {
  JudgeOutcome outcome;
  still_open(db, make_plan(db, run, registry, config), judge_identity(judge, config), purse, outcome);
}

}  // namespace assay
