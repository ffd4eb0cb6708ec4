#include "tasks/requests.h"

#include <algorithm>

#include "core/error.h"
#include "tasks/metrics.h"

namespace assay {
namespace {

bool needs_unconditional(const Task& task) {
  return std::any_of(task.metrics.begin(), task.metrics.end(), [](const MetricSpec& metric) {
    return normalization_of(metric) == Normalization::kUnconditional;
  });
}

class RequestMaker {
 public:
  RequestMaker(const Task& task, const Prompt& prompt, const RequestOptions& options)
      : task_(task), prompt_(prompt), options_(options) {}

  std::vector<Request> make() {
    switch (task_.output_type) {
      case OutputType::kMultipleChoice:
        prompt_.contexts.empty() ? add_choices() : add_reversed();
        break;
      case OutputType::kLoglikelihood:
        add(prompt_.context, {prompt_.delimiter + prompt_.target});
        break;
      case OutputType::kRolling:
        add_rolling();
        break;
      case OutputType::kGenerate:
        add_generate();
        break;
    }
    return std::move(requests_);
  }

 private:
  const Task& task_;
  const Prompt& prompt_;
  const RequestOptions& options_;
  std::vector<Request> requests_;

  Request& add_blank(RequestKind kind) {
    Request request;
    request.kind = kind;
    request.task = task_.key();
    request.item_id = prompt_.item_id;
    request.part = static_cast<int>(requests_.size());
    request.truncate_left = task_.truncate_left;
    requests_.push_back(std::move(request));
    return requests_.back();
  }

  void add(const std::string& context, std::vector<std::string> continuations) {
    Request& request = add_blank(RequestKind::kLoglikelihood);
    request.context = context;
    request.shared_bytes = std::min(prompt_.shared_bytes, context.size());
    request.continuations = std::move(continuations);
    if (options_.chat) request.messages = prompt_.messages;
  }

  void add_choices() {
    std::vector<std::string> continuations;
    for (const std::string& choice : prompt_.choices) continuations.push_back(prompt_.delimiter + choice);
    add(prompt_.context, continuations);
    if (!needs_unconditional(task_)) return;
    add(task_.unconditional_context, std::move(continuations));
    requests_.back().shared_bytes = 0;
    requests_.back().messages.clear();
  }

  void add_reversed() {
    if (needs_unconditional(task_))
      throw_input(task_.file, "task " + task_.key() + ": the reversed form has no unconditional normalization");
    for (size_t i = 0; i < prompt_.contexts.size(); ++i) {
      add(prompt_.contexts[i], {prompt_.delimiter + prompt_.target});
      if (options_.chat) add_own_turns(i, requests_.back().messages);
    }
  }

  // A context is head, choice, gen_prefix: the head is in the turns of all contexts, the rest is one's own.
  void add_own_turns(size_t i, std::vector<Message>& messages) const {
    const std::string& choice = prompt_.choices[i];
    const std::string prefix = prompt_.contexts[i].substr(prompt_.context.size() + choice.size());
    messages.push_back({"user", choice});
    if (!prefix.empty()) messages.push_back({"assistant", prefix});
  }

  void add_rolling() { add_blank(RequestKind::kRolling).text = prompt_.target; }

  double own_temperature() const {
    if (task_.temperature_field.empty()) return task_.generation.temperature;
    const Json fields = prompt_.fields.json();
    const auto value = fields.find(task_.temperature_field);
    if (value == fields.end() || !value->is_string()) return task_.generation.temperature;
    const auto row = task_.temperatures.find(value->get<std::string>());
    return row == task_.temperatures.end() ? task_.generation.temperature : row->second;
  }

  void add_generate() {
    Request& request = add_blank(options_.chat ? RequestKind::kChat : RequestKind::kGenerate);
    if (options_.chat) {
      request.messages = prompt_.messages;
    } else {
      request.context = prompt_.context;
      request.shared_bytes = prompt_.shared_bytes;
    }
    request.generate = task_.generation;
    request.generate.seed = options_.seed;
    request.generate.samples = options_.samples.value_or(task_.generation.samples);
    request.generate.temperature = options_.temperature.value_or(own_temperature());
  }
};

}  // namespace

std::vector<Request> make_requests(const Task& task, const Prompt& prompt, const RequestOptions& options) {
  return RequestMaker(task, prompt, options).make();
}

Request make_next_turn(const Task& task, const Prompt& prompt, const std::vector<Request>& asked,
                       const std::vector<std::string>& answers, bool chat) {
  ASSAY_ASSERT(!asked.empty() && asked.size() == answers.size() && asked.size() <= prompt.next_turns.size(),
               "a next turn follows answered ones");
  Request request = asked.back();
  request.part = static_cast<int>(asked.size());
  request.kind = chat ? RequestKind::kChat : RequestKind::kGenerate;
  const std::string& question = prompt.next_turns[asked.size() - 1];
  if (!chat) {
    request.context += answers.back() + task.fewshot_delimiter + question;
    return request;
  }
  request.context.clear();
  request.shared_bytes = 0;
  request.messages = prompt.messages;
  for (size_t turn = 0; turn < answers.size(); ++turn) {
    request.messages.push_back({"assistant", answers[turn]});
    request.messages.push_back({"user", prompt.next_turns[turn]});
  }
  return request;
}

}  // namespace assay
