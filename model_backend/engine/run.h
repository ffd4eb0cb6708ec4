// One call of answer(): plan, batches, reads, responses.
//
// Each step makes one batch and runs it:
//   - one row for every text being generated (its newest token);
//   - then rows of the plan's walk, until the batch or the key/value memory is full.
// What the rows say goes to their sequences; a response is delivered when its last sequence has its last read.
//
// A row whose state is not finite fails the requests that see it, and only those; the run goes on.
//
// A generated text joins when the walk has passed its prompt and its whole token budget fits the key/value memory;
// until the first of those that wait has joined, the walk stands still. So memory can never run out under a text, and
// since everything but the walk's current path ends by itself, there is always something that goes on. The plan holds a
// prompt without its last token: that is the first row of each text of its own, whose answer is the text's first token,
// so that n samples of one prompt need nothing special.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "model_backend/backend.h"
#include "model_backend/engine/encode.h"
#include "model_backend/engine/generation.h"
#include "model_backend/engine/kv_cache.h"
#include "model_backend/engine/models/model.h"
#include "model_backend/engine/planned_requests.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {

struct RunSettings {
  int context_length = 0;  // tokens
  std::vector<int> eos;    // end a generated text
  int batch_tokens = 0;    // rows of a pass, > 0
  int64_t kv_bytes = 0;    // most memory for keys and values, > 0
  int threads = 1;         // for tokenising
};

class Run {
 public:
  // All must outlive this.
  Run(Ops& ops, Model& model, const Tokenizer& tokenizer, RunSettings settings, std::span<const Request> requests,
      ResponseSink& sink, const std::atomic<bool>& cancelled);
  // Throws Error(kInput) before any work when the key/value memory can't hold the longest request.
  RunStats answer_all();
  // As answer_all() with requests that were made ready before, perhaps for another checkpoint with this tokenizer.
  RunStats answer(PlannedRequests planned);

 private:
  using Open = PlannedRequests::Open;
  using Asked = PlannedRequests::Asked;
  struct Text {
    size_t request = 0;
    int sample = 0;
    int node = 0;                // of the plan: where its prompt ends
    std::vector<int32_t> slots;  // of all positions so far
    std::vector<int32_t> ready;  // taken, for the positions that follow: the last one first
    int32_t next_token = 0;      // read in the next step, at position slots.size()
    int promised = 0;            // slots it may still take
    int batch_row = 0;           // of next_token
    GeneratedSequence sequence;
  };
  struct WaitingText {
    size_t request;
    int sample;
    int node;
  };
  // A read of the head in this batch and who waits for it: sequence >= 0 of the plan, else text -1 - sequence.
  struct Waiter {
    int sequence;
    int32_t target;
    int bad_layer = -1;  // the answer means nothing
  };

  void make_memory();
  int64_t slots_needed(int64_t& longest) const;

  bool step();
  void count_operations();
  void add_texts_to_batch();
  void admit_waiting_texts();
  void take_slots(Text& text);
  void add_text_row(Text& text, int index);
  void add_walk_to_batch();
  void add_plan_rows(const PlanRows& rows);
  void queue_texts(int node);
  void add_read(int batch_row, int sequence, int32_t target);

  void note_bad_rows();
  // The layer at which this row of the node, or one that it sees, broke; -1: none.
  int bad_layer(int node, int row) const;
  void fail_waiter(const Waiter& waiter, const std::string& why);
  void end_text(Text& text);
  void read_head();
  void give_to_sequence(int sequence, int32_t target, const HeadAnswer& answer);
  void give_to_text(Text& text, int32_t token);
  int32_t draw(const Text& text, std::span<const float> logits) const;
  bool is_sampled(const Text& text) const;
  void release_rows();
  void end_part(size_t request);
  void deliver(size_t request);
  bool keep_going();
  void report_progress();

  Ops& ops_;
  Model& model_;
  const Tokenizer& tokenizer_;
  const RunSettings settings_;
  std::span<const Request> requests_;
  ResponseSink& sink_;
  const std::atomic<bool>& cancelled_;

  std::vector<Open> open_;    // [requests]
  std::vector<Asked> asked_;  // [sequences of the plan]
  // Log-probabilities of the tokens of the whole texts (kRolling) that are being read, in any order.
  std::unordered_map<size_t, std::vector<float>> rolling_;  // by request
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<PlanWalk> walk_;
  std::unique_ptr<SlotPool> pool_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<TreeSlots> tree_;
  std::deque<WaitingText> waiting_;
  std::vector<std::unique_ptr<Text>> texts_;  // null: ended in this step

  // Of nodes with a state that is not finite, inherited ones included: from which row on, and the layer.
  struct BadRows {
    int row;
    int layer;
  };
  std::unordered_map<int, BadRows> bad_;  // [node]

  // The batch being made.
  Batch batch_;
  std::deque<std::vector<int32_t>> paths_;  // what its segments' slots point to
  std::vector<PlanRows> plan_rows_;
  std::vector<int> plan_first_rows_;  // [plan_rows_]: the batch row of each
  std::vector<int32_t> read_rows_;    // batch rows that go through the head
  std::vector<HeadRead> reads_;
  std::vector<Waiter> waiters_;  // [reads]

  RunStats stats_;
  std::chrono::steady_clock::time_point begin_, last_report_;
};

// The process's largest resident size so far, in bytes; 0 where the system does not tell.
int64_t peak_resident_bytes();

}  // namespace assay
