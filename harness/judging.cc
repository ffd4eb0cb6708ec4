#include "harness/judging.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "harness/chat.h"
#include "tasks/judge/protocol.h"

namespace assay {
namespace {

constexpr size_t kChunk = 512;  // questions handed to the backend at once: bounds memory

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

std::string version_of(const JudgeQuestion& question) {
  FieldHash hash;
  for (const Message& message : question.messages) hash.add(message.role).add(message.content);
  return question.prompt_name + "-" + hash.hex().substr(0, 16);
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
    const JudgeMaterial material = protocol_.load(config_.data);
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
        const std::string version = version_of(question);
        const std::string& hash = item.request_hashes.at(static_cast<size_t>(question.part));
        const auto prompt = material.prompts.find(question.prompt_name);
        const bool canonical = material.canonical && prompt != material.prompts.end() && prompt->second.canonical;
        records.push_back({item.position, question.part, question.order, against, hash, version, canonical});
        for (int repetition = 0; repetition < config_.repeats; ++repetition) {
          plan.questions.push_back(
              {&protocol_, &item.prompt, against != 0, hash, version, question.order, repetition, question.messages});
        }
      }
    }
    db_.put_judge_questions(run_.id, task_.name, task_.convention, against, records);
  }

 private:
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

struct TokenCount {
  int64_t prompt = 0, completion = 0;
};

// The most that a question can cost: a token has at least two bytes in real prompts; 64 more for the template.
TokenCount most_tokens(const std::vector<Message>& messages, int64_t completion) {
  return {bytes_of(messages) / 2 + 64, completion};
}

// What a word cost. Where the judge's server counts no tokens a budget must hold all the same.
TokenCount tokens_of(const OpenQuestion& question, const Judgement& word) {
  if (word.prompt_tokens > 0 || word.completion_tokens > 0) return {word.prompt_tokens, word.completion_tokens};
  return most_tokens(question.messages, static_cast<int64_t>(word.text.size()) / 2 + 1);
}

// What has been spent, and what one more question may cost at most.
class Purse {
 public:
  Purse(const JudgeBudget& budget, const JudgePrice& price) : budget_(budget), price_(price) {}

  void spend(const TokenCount& count) {
    tokens_ += count.prompt + count.completion;
    money_ += cost(count);
  }
  // Reserves a question's worst case; false when it might break the cap.
  bool reserve(const TokenCount& count) {
    const int64_t tokens = count.prompt + count.completion;
    const double money = cost(count);
    if (budget_.tokens && tokens_ + held_tokens_ + tokens > *budget_.tokens) return false;
    if (budget_.money && money_ + held_money_ + money > *budget_.money) return false;
    held_tokens_ += tokens;
    held_money_ += money;
    return true;
  }
  void release_all() { held_tokens_ = 0, held_money_ = 0; }
  int64_t tokens() const { return tokens_; }
  double money() const { return money_; }

 private:
  double cost(const TokenCount& count) const {
    return (static_cast<double>(count.prompt) * price_.prompt +
            static_cast<double>(count.completion) * price_.completion) /
           1e6;
  }
  JudgeBudget budget_;
  JudgePrice price_;
  int64_t tokens_ = 0, held_tokens_ = 0;
  double money_ = 0, held_money_ = 0;
};

class JudgementSink final : public ResponseSink {
 public:
  JudgementSink(ResultsDb& db, const std::vector<const OpenQuestion*>& questions, const Judgement& judge, Purse& purse,
                JudgeOutcome& outcome)
      : db_(db), questions_(questions), judge_(judge), purse_(purse), outcome_(outcome) {}

  void deliver(size_t index, Response response) override {
    if (response.status != ResponseStatus::kAnswered || response.texts.empty()) {
      if (first_loss_.empty()) first_loss_ = response.detail;
      return;
    }
    const OpenQuestion& question = *questions_.at(index);
    const std::string& text = response.texts.front().text;
    const JudgeWord verdict = question.pair ? read_pair(text) : question.protocol->read(*question.prompt, text);
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
    purse_.spend(tokens_of(question, judgement));
    ++outcome_.asked;
    outcome_.unparsed += !verdict.score;
  }
  void progress(const RunStats&) override {}
  const std::string& first_loss() const { return first_loss_; }

 private:
  ResultsDb& db_;
  const std::vector<const OpenQuestion*>& questions_;
  const Judgement& judge_;
  Purse& purse_;
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
std::vector<const OpenQuestion*> still_open(ResultsDb& db, const Plan& plan, const Judgement& judge, Purse& purse,
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
      outcome.unparsed += !word.score;
      purse.spend(tokens_of(question, word));
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

}  // namespace

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
  options.http.chat = true;
  return open_backend(config.judge, options);
}

void check_judge(const JudgeConfig& config) {
  if (config.judge.find(':') != std::string::npos) {
    price_of(config, open_judge(config)->info().label);
  } else if (!std::filesystem::exists(config.judge)) {
    throw_input("--judge " + config.judge, "no such file or folder",
                "write a checkpoint folder, FILE.gguf, openai:NAME or scripted:FILE");
  }
}

JudgeOutcome judge_run(ResultsDb& db, const StoredRun& run, const TaskRegistry& registry, Backend& judge,
                       const JudgeConfig& config, const std::atomic<bool>& cancelled) {
  const BackendInfo& info = judge.info();
  if (!info.generate) throw_input(config.judge, "cannot write texts, so it cannot judge");
  const JudgePrice price = price_of(config, info.label);
  std::optional<ChatRenderer> renderer;
  if (!info.chat && info.chat_template)
    renderer.emplace(*info.chat_template, info.label + " chat template", info.special_tokens);

  JudgeOutcome outcome;
  Purse purse(config.budget, price);
  const Judgement identity = judge_identity(judge, config);
  const Plan plan = make_plan(db, run, registry, config);
  const std::vector<const OpenQuestion*> open = still_open(db, plan, identity, purse, outcome);

  size_t next = 0;
  std::string first_loss;
  while (next < open.size() && !cancelled) {
    std::vector<const OpenQuestion*> chunk;
    std::vector<Request> requests;
    for (; next < open.size() && chunk.size() < kChunk; ++next) {
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
    purse.release_all();
  }
  outcome.left = outcome.questions - outcome.known - outcome.asked;
  outcome.tokens = purse.tokens();
  outcome.money = purse.money();
  return outcome;
}

}  // namespace assay
