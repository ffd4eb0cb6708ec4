#include "model_backend/engine/run.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "model_backend/engine/sampler.h"

namespace assay {
namespace {

// Rows of logits that exist at one time, for sampling.
constexpr size_t kLogitRows = 16;
// Multiplications and additions in the time in which a byte of keys and values comes from memory, about.
constexpr double kOperationsOfByte = 60;
constexpr auto kReportEvery = std::chrono::milliseconds(450);

// ContinuationScore::rarest. Sorted first, so that the order in which the tokens were read does not show in the sum.
double mean_of_rarest(std::vector<float> logprobs) {
  std::sort(logprobs.begin(), logprobs.end());
  const size_t rare = std::max<size_t>(1, logprobs.size() / 5);
  return std::accumulate(logprobs.begin(), logprobs.begin() + static_cast<ptrdiff_t>(rare), 0.0) /
         static_cast<double>(rare);
}

}  // namespace

int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

Run::Run(Ops& ops, Model& model, const Tokenizer& tokenizer, RunSettings settings, std::span<const Request> requests,
         ResponseSink& sink, const std::atomic<bool>& cancelled)
    : ops_(ops),
      model_(model),
      tokenizer_(tokenizer),
      settings_(std::move(settings)),
      requests_(requests),
      sink_(sink),
      cancelled_(cancelled),
      begin_(std::chrono::steady_clock::now()),
      last_report_(begin_) {}

RunStats Run::answer_all() {
  return answer(plan_requests(tokenizer_, settings_.context_length, settings_.threads, requests_,
                              [this] { return keep_going(); }));
}

RunStats Run::answer(PlannedRequests planned) {
  ASSAY_ASSERT(planned.open.size() == requests_.size(), "the plan is that of these requests");
  open_ = std::move(planned.open), asked_ = std::move(planned.asked), plan_ = std::move(planned.plan);
  stats_.tree_tokens = planned.tree_tokens, stats_.requested_tokens = planned.requested_tokens;
  stats_.plan_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  for (size_t i = 0; i < open_.size() && keep_going(); ++i) {
    if (open_[i].sequences_left == 0) deliver(i);
  }
  make_memory();
  walk_ = std::make_unique<PlanWalk>(*plan_);
  queue_texts(0);
  while (!cancelled_ && step()) {
  }
  report_progress();
  return stats_;
}

int64_t Run::slots_needed(int64_t& longest) const {
  int64_t all = plan_->tree_tokens();
  longest = 1;
  for (int s = 0; s < plan_->sequence_count(); ++s) {
    const Open& open = open_[asked_[s].request];
    longest = std::max<int64_t>(longest, plan_->sequence(s).length + open.max_tokens);
    if (open.max_tokens > 0) all += int64_t{open.max_tokens} * open.sequences_left;
  }
  return std::max(all, longest);
}

void Run::make_memory() {
  const int64_t per_slot = KvCache::bytes_per_slot(ops_, model_.layers(), model_.kv_width());
  if (const double row = model_.cost().row; row > 0)
    stats_.rows_of_key = kOperationsOfByte * static_cast<double>(per_slot) / row;
  int64_t longest;
  const int64_t most = slots_needed(longest), affordable = settings_.kv_bytes / per_slot;
  if (affordable < longest) {
    throw_input("key/value memory",
                "the longest request has " + std::to_string(longest) + " tokens and needs " +
                    std::to_string(longest * per_slot) + " bytes, " + std::to_string(settings_.kv_bytes) +
                    " are allowed",
                "raise --kv-memory");
  }
  const int slots = static_cast<int>(std::min<int64_t>({most, affordable, INT32_MAX}));
  pool_ = std::make_unique<SlotPool>(slots);
  cache_ = std::make_unique<KvCache>(ops_, model_.layers(), model_.kv_width(), slots);
  tree_ = std::make_unique<TreeSlots>(*plan_, *pool_);
}

// False when nothing is left to do.
bool Run::step() {
  batch_ = {};
  paths_.clear();
  plan_rows_.clear();
  plan_first_rows_.clear();
  read_rows_.clear();
  reads_.clear();
  waiters_.clear();
  add_texts_to_batch();
  admit_waiting_texts();
  add_walk_to_batch();
  if (batch_.rows() == 0) {
    ASSAY_ASSERT(walk_->done() && waiting_.empty(), "every plan ends");
    return false;
  }
  batch_.read_rows = read_rows_;
  if (!model_.forward(batch_, *cache_, [this] { return keep_going(); })) return false;
  ++stats_.passes;
  stats_.computed_tokens += batch_.rows();
  count_operations();
  note_bad_rows();
  read_head();
  release_rows();
  std::erase(texts_, nullptr);
  return true;
}

void Run::count_operations() {
  double keys = 0, read_keys = 0;
  for (const RowSegment& segment : batch_.segments) {
    const double rows = segment.rows;
    keys += rows * segment.first_position + rows * (rows + 1) / 2;
  }
  for (const int row : read_rows_) read_keys += batch_.positions[row] + 1;
  const ModelCost cost = model_.cost();
  const double rows = batch_.rows(), read = static_cast<double>(read_rows_.size());
  stats_.operations += cost.row * rows + cost.key * keys + cost.head_row * read - cost.unread_row * (rows - read) -
                       cost.unread_key * (keys - read_keys);
}

void Run::add_texts_to_batch() {
  for (size_t i = 0; i < texts_.size(); ++i) {
    add_text_row(*texts_[i], static_cast<int>(i));
    if (texts_[i]->sequence.tokens() == 0) continue;
    ++stats_.generated_tokens, ++stats_.requested_tokens, ++stats_.tree_tokens;
  }
}

void Run::admit_waiting_texts() {
  while (!waiting_.empty() && batch_.rows() < settings_.batch_tokens) {
    const WaitingText& waiting = waiting_.front();
    const Open& open = open_[waiting.request];
    if (pool_->available() < open.max_tokens) return;
    pool_->promise(open.max_tokens);
    const GenerateSettings& generate = requests_[waiting.request].generate;
    texts_.push_back(
        std::make_unique<Text>(Text{waiting.request,
                                    waiting.sample,
                                    waiting.node,
                                    tree_->path(waiting.node, plan_->node(waiting.node).length),
                                    {},
                                    open.last_prompt_token,
                                    open.max_tokens,
                                    0,
                                    GeneratedSequence(tokenizer_, generate.stop, settings_.eos, open.max_tokens)}));
    waiting_.pop_front();
    add_text_row(*texts_.back(), static_cast<int>(texts_.size()) - 1);
  }
}

// Many at once: neighbouring positions then lie side by side, however many texts grow at the same time.
void Run::take_slots(Text& text) {
  const int count = std::min(text.promised, kKeyBlock);
  for (int i = 0; i < count; ++i) text.ready.push_back(pool_->take_promised());
  text.promised -= count;
  std::reverse(text.ready.begin(), text.ready.end());
}

void Run::add_text_row(Text& text, int index) {
  const int row = batch_.rows(), position = static_cast<int>(text.slots.size());
  text.batch_row = row;
  if (text.ready.empty()) take_slots(text);
  text.slots.push_back(text.ready.back());
  text.ready.pop_back();
  batch_.tokens.push_back(text.next_token);
  batch_.positions.push_back(position);
  batch_.slots.push_back(text.slots.back());
  batch_.segments.push_back({row, 1, position, text.slots.data()});
  add_read(row, -1 - index, 0);
}

void Run::add_walk_to_batch() {
  while (!walk_->done() && waiting_.empty()) {
    const int room = std::min(settings_.batch_tokens - batch_.rows(), pool_->available());
    if (room <= 0) return;
    const PlanRows rows = walk_->peek(room);
    add_plan_rows(rows);
    walk_->advance(rows);
    if (rows.begin + rows.rows == plan_->node(rows.node).length) {
      queue_texts(rows.node);
      admit_waiting_texts();
    }
  }
}

void Run::add_plan_rows(const PlanRows& rows) {
  const PlanNode& node = plan_->node(rows.node);
  const int first = batch_.rows(), position = node.start + rows.begin;
  tree_->take(rows);
  paths_.push_back(tree_->path(rows.node, rows.begin + rows.rows));
  const auto tokens = plan_->tokens(rows.node).subspan(rows.begin, rows.rows);
  batch_.tokens.insert(batch_.tokens.end(), tokens.begin(), tokens.end());
  for (int i = 0; i < rows.rows; ++i) batch_.positions.push_back(position + i);
  batch_.slots.insert(batch_.slots.end(), paths_.back().end() - rows.rows, paths_.back().end());
  batch_.segments.push_back({first, rows.rows, position, paths_.back().data()});
  plan_rows_.push_back(rows);
  plan_first_rows_.push_back(first);

  struct Read {
    int row, sequence;
  };
  std::vector<Read> reads;
  for (const PlanReader& reader : plan_->readers(rows.node)) {
    const int end = std::min(reader.end, rows.begin + rows.rows);
    for (int row = std::max(reader.begin, rows.begin); row < end; ++row) reads.push_back({row, reader.sequence});
  }
  std::stable_sort(reads.begin(), reads.end(), [](const Read& a, const Read& b) { return a.row < b.row; });
  for (const Read& read : reads) {
    add_read(first + read.row - rows.begin, read.sequence, plan_->target(read.sequence, rows.node, read.row));
  }
}

void Run::queue_texts(int node) {
  for (int sequence : plan_->endings(node)) {
    const size_t request = asked_[sequence].request;
    for (int sample = 0; sample < open_[request].sequences_left; ++sample) {
      tree_->hold(node);
      waiting_.push_back({request, sample, node});
    }
  }
}

// Reads of one row come one after the other.
void Run::add_read(int batch_row, int sequence, int32_t target) {
  if (read_rows_.empty() || read_rows_.back() != batch_row) read_rows_.push_back(batch_row);
  reads_.push_back({static_cast<int>(read_rows_.size()) - 1, target});
  waiters_.push_back({sequence, target});
}

void Run::note_bad_rows() {
  const std::span<const int32_t> layers = model_.bad_layers();
  if (bad_.empty() && std::all_of(layers.begin(), layers.end(), [](int32_t layer) { return layer < 0; })) return;
  std::vector<int32_t> row_bad(layers.begin(), layers.end());
  for (size_t i = 0; i < plan_rows_.size(); ++i) {  // parents before children
    const PlanRows& rows = plan_rows_[i];
    const int first = plan_first_rows_[i];
    const auto above = bad_.find(plan_->node(rows.node).parent);
    if (above != bad_.end()) bad_.try_emplace(rows.node, BadRows{0, above->second.layer});
    for (int r = 0; r < rows.rows; ++r) {
      const int32_t layer = row_bad[first + r];
      if (layer >= 0 && layer < model_.layers()) bad_.try_emplace(rows.node, BadRows{rows.begin + r, layer});
      if (const int seen = bad_layer(rows.node, rows.begin + r); seen >= 0) row_bad[first + r] = seen;
    }
  }
  for (const auto& text : texts_) {
    if (row_bad[text->batch_row] < 0) {
      row_bad[text->batch_row] = bad_layer(text->node, plan_->node(text->node).length - 1);
    }
  }
  for (size_t i = 0; i < waiters_.size(); ++i) waiters_[i].bad_layer = row_bad[read_rows_[reads_[i].row]];
}

int Run::bad_layer(int node, int row) const {
  const auto found = bad_.find(node);
  return found != bad_.end() && found->second.row <= row ? found->second.layer : -1;
}

// The request fails and its other parts go on to their end.
void Run::fail_waiter(const Waiter& waiter, const std::string& why) {
  const bool is_text = waiter.sequence < 0;
  const size_t request = is_text ? texts_[-1 - waiter.sequence]->request : asked_[waiter.sequence].request;
  Response& response = open_[request].response;
  response.status = ResponseStatus::kFailed;
  response.detail = why;
  if (is_text) {
    end_text(*texts_[-1 - waiter.sequence]);
  } else if (--asked_[waiter.sequence].reads_left == 0) {
    end_part(request);
  }
}

void Run::read_head() {
  if (reads_.empty()) return;
  stats_.head_rows += static_cast<int64_t>(read_rows_.size());
  std::vector<HeadAnswer> answers(reads_.size());
  model_.read(read_rows_, reads_, answers.data());

  std::vector<int> sampled;
  for (size_t i = 0; i < waiters_.size(); ++i) {
    const Waiter& waiter = waiters_[i];
    if (waiter.bad_layer >= 0) {
      fail_waiter(waiter, "the model's state is infinite or not a number after layer " +
                              std::to_string(std::min(waiter.bad_layer, model_.layers() - 1)));
    } else if (!std::isfinite(answers[i].logprob)) {
      fail_waiter(waiter, "the output head's values are infinite or not a number");
    } else if (waiter.sequence >= 0) {
      give_to_sequence(waiter.sequence, waiter.target, answers[i]);
    } else if (is_sampled(*texts_[-1 - waiter.sequence])) {
      sampled.push_back(static_cast<int>(i));
    } else {
      give_to_text(*texts_[-1 - waiter.sequence], answers[i].best_token);
    }
  }
  const size_t vocab = model_.vocab();
  std::vector<float> logits(std::min(kLogitRows, sampled.size()) * vocab);
  for (size_t first = 0; first < sampled.size() && keep_going(); first += kLogitRows) {
    const size_t count = std::min(kLogitRows, sampled.size() - first);
    std::vector<int32_t> rows;
    for (size_t i = 0; i < count; ++i) rows.push_back(read_rows_[reads_[sampled[first + i]].row]);
    model_.logits(rows, logits.data());
    for (size_t i = 0; i < count; ++i) {
      Text& text = *texts_[-1 - waiters_[sampled[first + i]].sequence];
      give_to_text(text, draw(text, {logits.data() + i * vocab, vocab}));
    }
  }
  for (auto& text : texts_) {
    if (text && text->promised < 0) text.reset();
  }
}

void Run::give_to_sequence(int sequence, int32_t target, const HeadAnswer& answer) {
  Asked& asked = asked_[sequence];
  ContinuationScore& score = open_[asked.request].response.continuations[asked.continuation];
  score.logprob += answer.logprob;
  score.is_greedy = score.is_greedy && answer.best_token == target;
  if (requests_[asked.request].kind == RequestKind::kRolling) rolling_[asked.request].push_back(answer.logprob);
  if (--asked.reads_left == 0) end_part(asked.request);
}

bool Run::is_sampled(const Text& text) const {
  return requests_[text.request].generate.temperature > 0;
}

int32_t Run::draw(const Text& text, std::span<const float> logits) const {
  const GenerateSettings& generate = requests_[text.request].generate;
  const double random =
      random_number(generate.seed, open_[text.request].sampling_key, text.sample, text.sequence.tokens());
  return sample_token(logits, {generate.temperature, generate.top_p, generate.top_k}, random);
}

void Run::give_to_text(Text& text, int32_t token) {
  text.next_token = token;
  std::optional<GeneratedText> finished = text.sequence.add(token);
  if (!finished) return;
  open_[text.request].response.texts[text.sample] = std::move(*finished);
  end_text(text);
}

// The text is marked by promised = -1, and removed at the end of the step.
void Run::end_text(Text& text) {
  stats_.ended.push_back({text.request, text.sequence.tokens()});
  pool_->forgo(text.promised);
  std::reverse(text.ready.begin(), text.ready.end());
  pool_->give_back(text.ready);
  pool_->give_back(std::span(text.slots).subspan(plan_->node(text.node).start + plan_->node(text.node).length));
  tree_->release(text.node);
  text.promised = -1;
  end_part(text.request);
}

void Run::release_rows() {
  for (const PlanRows& rows : plan_rows_) {
    if (rows.begin + rows.rows == plan_->node(rows.node).length) tree_->release(rows.node);
  }
}

void Run::end_part(size_t request) {
  if (--open_[request].sequences_left == 0) deliver(request);
}

void Run::deliver(size_t request) {
  ++stats_.requests_done;
  if (auto found = rolling_.find(request); found != rolling_.end()) {
    open_[request].response.continuations[0].rarest = mean_of_rarest(std::move(found->second));
    rolling_.erase(found);
  }
  sink_.deliver(request, std::exchange(open_[request].response, {}));
}

bool Run::keep_going() {
  if (std::chrono::steady_clock::now() - last_report_ >= kReportEvery) report_progress();
  return !cancelled_;
}

void Run::report_progress() {
  last_report_ = std::chrono::steady_clock::now();
  stats_.seconds = std::chrono::duration<double>(last_report_ - begin_).count();
  stats_.peak_bytes = peak_resident_bytes();
  stats_.under_way.clear();
  for (const auto& text : texts_) {
    if (text) stats_.under_way.push_back({text->request, text->sequence.tokens()});
  }
  sink_.progress(stats_);
  stats_.ended.clear();
}

}  // namespace assay
