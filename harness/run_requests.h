// What a run asks of one checkpoint, and what came back: the requests of all its items, each with a number. Equal
// requests are asked once, and those whose answer is known not at all.
//
// A conversation is asked turn by turn, since a turn holds the answer to the one before: open() gives what can be asked
// now, add_next_turns() what can be asked after it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/hash.h"
#include "core/records.h"
#include "harness/chat.h"
#include "harness/packed_store.h"
#include "model_backend/backend.h"
#include "tasks/requests.h"
#include "tasks/task.h"

namespace assay {

// A task made ready for any checkpoint.
struct PreparedTask {
  const Task* task = nullptr;
  PromptStore prompts;
  double answer_bytes = 0;  // mean length of the answers in its examples; 0 = it has none
};

class RunRequests {
 public:
  // What is to be asked, and its numbers.
  struct Open {
    std::vector<Request> requests;
    std::vector<uint32_t> numbers;
  };

  // The requests of every item, first turns. `tasks` and `renderer` (null: prompts are plain, or the backend takes
  // messages as they are) must outlive this object. Throws Error(kInput) where the backend can't answer one, or the
  // template fails.
  RunRequests(const std::vector<PreparedTask>& tasks, const RequestOptions& options, const BackendInfo& info,
              const ChatRenderer* renderer);

  size_t tasks() const { return tasks_.size(); }
  const PreparedTask& prepared(size_t task) const { return *tasks_[task].prepared; }
  // Hash of all that a task asks, whoever is asked.
  const std::string& definition(size_t task) const { return tasks_[task].definition; }
  // Hashes of an item's requests, in order of part.
  std::vector<Digest> hashes_of(size_t task, size_t item) const;
  // An item's requests in order of part; until open(), and of conversations always.
  std::span<const Request> requests_of(size_t task, size_t item) const;
  bool is_conversation(size_t task) const { return !tasks_[task].prepared->task->next_turns.empty(); }

  // Those that are not answered yet, each once. `known`: looks up answers by hash, as ResultsDb::known_among does.
  using Known = std::function<std::vector<std::pair<size_t, Response>>(size_t count,
                                                                       const std::function<std::string(size_t)>& hash)>;
  Open open(const Known& known);

  const Digest& hash(uint32_t number) const { return hashes_[number]; }
  void answer(uint32_t number, const Response& response) { answers_.put(number, response); }
  std::optional<Response> answer_of(uint32_t number) const { return answers_.at(number); }
  size_t answered() const { return answers_.count(); }
  // Numbers of an item's requests, in order of part.
  std::vector<uint32_t> numbers_of(size_t task, size_t item) const;

  // Turns of conversations that are not asked yet.
  int64_t later_turns() const;
  // Adds the next turn of every conversation whose turns so far are answered. False when there was none.
  bool add_next_turns();

  // A system text was folded into the first user turn of a prompt.
  bool folded() const { return folded_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct AskedTask {
    const PreparedTask* prepared = nullptr;
    std::string definition;
    std::vector<std::vector<uint32_t>> numbers;       // [part][item]; kNone: the item has no such part
    std::vector<std::vector<Request>> conversations;  // [item]: what was asked so far, if the task has next turns
  };

  RequestOptions options_;
  std::string identity_;
  const ChatRenderer* renderer_;
  std::vector<AskedTask> tasks_;
  std::vector<Request> requests_;  // added since the last open()
  std::vector<Digest> hashes_;     // by number
  ResponseStore answers_;
  bool folded_ = false;

  void add_item(AskedTask& asked, size_t item, std::vector<Request> requests, size_t first_part);
  std::vector<uint32_t> number_equal_ones_alike();
};

}  // namespace assay
