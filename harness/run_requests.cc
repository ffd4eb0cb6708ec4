#include "harness/run_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace assay {
namespace {

void check_able(const BackendInfo& info, const Task& task, const Request& request) {
  const bool able = request.kind == RequestKind::kLoglikelihood ? info.loglikelihood
                    : request.kind == RequestKind::kRolling     ? info.rolling
                                                                : info.generate;
  if (able) return;
  throw_input(
      task.key(),
      fmt::format("needs {} requests, which the backend \"{}\" cannot answer", to_string(request.kind), info.name),
      request.kind == RequestKind::kLoglikelihood
          ? "it gives no log-probabilities of prompts, or wrong ones; a local checkpoint does"
          : "");
}

}  // namespace

RunRequests::RunRequests(const std::vector<PreparedTask>& tasks, const RequestOptions& options, const BackendInfo& info,
                         const ChatRenderer* renderer)
    : options_(options), identity_(info.identity), renderer_(renderer) {
  size_t items = 0;
  for (const PreparedTask& prepared : tasks) items += prepared.prompts.size();
  requests_.reserve(items), hashes_.reserve(items);
  for (const PreparedTask& prepared : tasks) {
    const Task& task = *prepared.task;
    AskedTask& asked = tasks_.emplace_back();
    asked.prepared = &prepared;
    FieldHash definition;
    definition.add(task.key()).add_number(task.version);
    for (size_t item = 0; item < prepared.prompts.size(); ++item) {
      const Prompt prompt = prepared.prompts.at(item);
      std::vector<Request> requests = make_requests(task, prompt, options_);
      for (const Request& request : requests) check_able(info, task, request);
      if (renderer_) folded_ = render_chat(requests, *renderer_) || folded_;
      for (const Request& request : requests) definition.add(request_hash(request, "").hex());
      for (const std::string& turn : prompt.next_turns) definition.add(turn);
      add_item(asked, item, std::move(requests), 0);
    }
    asked.definition = definition.hex();
  }
}

void RunRequests::add_item(AskedTask& asked, size_t item, std::vector<Request> requests, size_t first_part) {
  if (!asked.prepared->task->next_turns.empty()) {
    asked.conversations.resize(asked.prepared->prompts.size());
    asked.conversations[item].insert(asked.conversations[item].end(), requests.begin(), requests.end());
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t part = first_part + i;
    if (asked.numbers.size() <= part) asked.numbers.emplace_back(asked.prepared->prompts.size(), kNone);
    asked.numbers[part][item] = static_cast<uint32_t>(hashes_.size());
    hashes_.push_back(request_hash(requests[i], identity_));
    requests_.push_back(std::move(requests[i]));
  }
}

std::vector<uint32_t> RunRequests::numbers_of(size_t task, size_t item) const {
  std::vector<uint32_t> numbers;
  for (const std::vector<uint32_t>& part : tasks_[task].numbers) {
    if (part[item] != kNone) numbers.push_back(part[item]);
  }
  return numbers;
}

std::vector<Digest> RunRequests::hashes_of(size_t task, size_t item) const {
  std::vector<Digest> hashes;
  for (const uint32_t number : numbers_of(task, item)) hashes.push_back(hashes_[number]);
  return hashes;
}

std::span<const Request> RunRequests::requests_of(size_t task, size_t item) const {
  if (is_conversation(task)) return tasks_[task].conversations[item];
  const std::vector<uint32_t> numbers = numbers_of(task, item);
  if (numbers.empty()) return {};
  const size_t first = numbers.front() - (hashes_.size() - requests_.size());
  ASSAY_ASSERT(first + numbers.size() <= requests_.size(), "requests are there until they are opened");
  return std::span(requests_).subspan(first, numbers.size());
}

// Every number becomes that of the first equal request. Gives the new ones among the first, in order.
std::vector<uint32_t> RunRequests::number_equal_ones_alike() {
  std::vector<uint32_t> order(hashes_.size()), first(hashes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const auto compared = hashes_[a] <=> hashes_[b];
    return compared != 0 ? compared < 0 : a < b;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const bool again = i > 0 && hashes_[order[i]] == hashes_[order[i - 1]];
    first[order[i]] = again ? first[order[i - 1]] : order[i];
  }
  for (AskedTask& asked : tasks_) {
    for (std::vector<uint32_t>& part : asked.numbers) {
      for (uint32_t& number : part) number = number == kNone ? kNone : first[number];
    }
  }
  std::vector<uint32_t> fresh;
  for (size_t number = hashes_.size() - requests_.size(); number < hashes_.size(); ++number) {
    if (first[number] == number) fresh.push_back(first[number]);
  }
  return fresh;
}

RunRequests::Open RunRequests::open(const Known& known) {
  const std::vector<uint32_t> fresh = number_equal_ones_alike();
  answers_.grow(hashes_.size());
  for (const auto& [place, response] : known(fresh.size(), [&](size_t i) { return hashes_[fresh[i]].hex(); }))
    answer(fresh[place], response);
  // The requests move within their vector: there is no room for two of it.
  Open open;
  open.requests = std::move(requests_);
  requests_ = std::vector<Request>();
  const size_t before = hashes_.size() - open.requests.size();
  for (const uint32_t number : fresh) {
    if (answers_.has(number)) continue;
    const size_t from = number - before, to = open.numbers.size();
    if (from != to) open.requests[to] = std::move(open.requests[from]);
    open.numbers.push_back(number);
  }
  open.requests.resize(open.numbers.size());
  return open;
}

int64_t RunRequests::later_turns() const {
  size_t turns = 0;
  for (const AskedTask& asked : tasks_) {
    if (asked.prepared->task->next_turns.empty()) continue;
    for (size_t item = 0; item < asked.prepared->prompts.size(); ++item)
      turns += 1 + asked.prepared->prompts.at(item).next_turns.size() - asked.conversations[item].size();
  }
  return static_cast<int64_t>(turns);
}

bool RunRequests::add_next_turns() {
  bool added = false;
  for (AskedTask& asked : tasks_) {
    const Task& task = *asked.prepared->task;
    if (task.next_turns.empty()) continue;
    for (size_t item = 0; item < asked.prepared->prompts.size(); ++item) {
      const Prompt prompt = asked.prepared->prompts.at(item);
      const std::vector<Request>& so_far = asked.conversations[item];
      if (so_far.size() > prompt.next_turns.size()) continue;
      std::vector<std::string> texts;
      for (size_t part = 0; part < so_far.size(); ++part) {
        const std::optional<Response> answer = answer_of(asked.numbers[part][item]);
        if (!answer || answer->status != ResponseStatus::kAnswered || answer->texts.empty()) break;
        texts.push_back(answer->texts.front().text);
      }
      if (texts.size() < so_far.size()) continue;
      std::vector<Request> next = {make_next_turn(task, prompt, so_far, texts, options_.chat)};
      if (renderer_) folded_ = render_chat(next, *renderer_) || folded_;
      add_item(asked, item, std::move(next), so_far.size());
      added = true;
    }
  }
  return added;
}

}  // namespace assay
