#include "model_backend/engine/engine_backend.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/engine/matrix_peak.h"
#include "model_backend/engine/memory_check.h"
#include "model_backend/engine/models/model.h"
#include "model_backend/engine/run.h"
#include "model_backend/tokenizer/tokenizer.h"

namespace assay {
namespace {

Precision parse_precision(const std::string& dtype) {
  if (dtype == "float32") return Precision::kFloat32;
  if (dtype == "bfloat16") return Precision::kBFloat16;
  throw_input("--dtype " + dtype, "no such precision", "one of: float32, bfloat16");
}

std::unique_ptr<Ops> make_ops(const BackendOptions& options) {
  const Precision precision = parse_precision(options.dtype);
  if (options.device == "cpu") return make_cpu_ops(precision, options.threads);
  if (options.device == "cuda") return make_cuda_ops(precision, 0);
  throw_input("--device " + options.device, "no such device", "one of: cpu, cuda");
}

// Embeddings are padded to a round number of rows: Qwen2.5's by 0.3 %, those of DeepSeek LLM by 2.4 %.
size_t most_padding(size_t tokens) {
  return std::max<size_t>(128, tokens / 20);
}

void check_vocabulary(const Tokenizer& tokenizer, const Checkpoint& checkpoint) {
  const size_t tokens = tokenizer.vocab_size(), rows = checkpoint.config().vocab;
  if (tokens <= rows && rows - tokens <= most_padding(tokens)) return;
  throw_input(
      checkpoint.path(),
      "its tokenizer has " + std::to_string(tokens) + " tokens, its embedding " + std::to_string(rows) + " rows",
      "the tokenizer belongs to another checkpoint");
}

BackendInfo describe(const Checkpoint& checkpoint, const Tokenizer& tokenizer, const Ops& ops) {
  BackendInfo info;
  info.name = "engine";
  info.label = checkpoint.label();
  info.weights_hash = checkpoint.weights_hash();
  info.tokenizer_hash = tokenizer.hash();
  info.numerics = ops.numerics();
  info.identity = FieldHash().add(info.weights_hash).add(info.tokenizer_hash).add(info.numerics).hex();
  info.loglikelihood = info.rolling = info.generate = true;
  info.context_length = checkpoint.config().context_length;
  info.chat_template = tokenizer.chat_template();
  info.special_tokens = tokenizer.special_tokens();
  return info;
}

// Keys and values may have this share of what is free once the weights are in place.
constexpr int64_t kKvShare = 4;
constexpr int kPeakTries = 4;

RunSettings settings_of(const BackendOptions& options, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                        const Ops& ops) {
  RunSettings settings;
  settings.context_length = checkpoint.config().context_length;
  settings.eos = checkpoint.config().eos_ids;
  // A chat checkpoint may end its turns with a token that only its tokenizer's files name.
  if (tokenizer.eos() && std::find(settings.eos.begin(), settings.eos.end(), *tokenizer.eos()) == settings.eos.end())
    settings.eos.push_back(*tokenizer.eos());
  settings.batch_tokens = options.batch_tokens > 0 ? options.batch_tokens : ops.default_batch_tokens();
  int64_t free_bytes = ops.available_bytes();
  if (options.device == "cpu") free_bytes = std::min(free_bytes, machine_memory_bytes());
  settings.kv_bytes = options.kv_memory_bytes > 0 ? options.kv_memory_bytes : free_bytes / kKvShare;
  settings.threads = options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  return settings;
}

// What decides how requests are prepared: their texts and settings.
std::string content_hash(std::span<const Request> requests) {
  FieldHash hash;
  for (const Request& request : requests) hash.add(request_hash(request, "").hex());
  return hash.hex();
}

class EngineBackend final : public Backend {
 public:
  EngineBackend(const std::string& path, const BackendOptions& options) : options_(options) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    tokenizer_ = load_tokenizer(path);
    check_vocabulary(*tokenizer_, checkpoint);
    ops_ = make_ops(options);
    load(checkpoint);
  }

  const BackendInfo& info() const override { return info_; }

  RunStats answer(std::span<const Request> requests, ResponseSink& sink, const std::atomic<bool>& cancelled) override {
    Run run(*ops_, *model_, *tokenizer_, settings_, requests, sink, cancelled);
    RunStats stats = options_.keep_plan ? run.answer(planned(requests, cancelled)) : run.answer_all();
    stats.matrix_peak = matrix_peak_;
    // Beside other work a peak is measured too low. That shows where the answers came faster: then once more.
    for (int i = 0; i < kPeakTries && stats.computed_tokens > 0 && !cancelled; ++i) {
      if (stats.matrix_peak > 0 && stats.share_of_peak() <= 1) break;
      stats.matrix_peak = std::max(stats.matrix_peak, measure_matrix_peak(*ops_));
    }
    matrix_peak_ = stats.matrix_peak;
    return stats;
  }

  bool reload(const std::string& path) override {
    const Checkpoint checkpoint = Checkpoint::open(path);
    std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(path);
    if (tokenizer->hash() != tokenizer_->hash()) return false;
    if (checkpoint.config().context_length != settings_.context_length) return false;
    check_vocabulary(*tokenizer, checkpoint);
    tokenizer_ = std::move(tokenizer);
    model_.reset();  // never two of them in memory
    load(checkpoint);
    return true;
  }

 private:
  // Kept from the last call where it was the same.
  const PlannedRequests& planned(std::span<const Request> requests, const std::atomic<bool>& cancelled) {
    std::string wanted = content_hash(requests);
    if (!planned_ || wanted != planned_for_) {
      planned_ = plan_requests(*tokenizer_, settings_.context_length, settings_.threads, requests,
                               [&cancelled] { return !cancelled; });
      planned_for_ = cancelled ? "" : std::move(wanted);
    }
    return *planned_;
  }

  void load(const Checkpoint& checkpoint) {
    if (options_.device == "cpu") check_memory(checkpoint, parse_precision(options_.dtype), machine_memory_bytes());
    model_ = load_model(*ops_, checkpoint);
    info_ = describe(checkpoint, *tokenizer_, *ops_);
    settings_ = settings_of(options_, checkpoint, *tokenizer_, *ops_);
  }

  const BackendOptions options_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  BackendInfo info_;
  RunSettings settings_;
  double matrix_peak_ = 0;                  // 0 = not measured yet
  std::optional<PlannedRequests> planned_;  // options_.keep_plan: of the last answer()
  std::string planned_for_;                 // content_hash of its requests
};

}  // namespace

std::unique_ptr<Backend> open_engine_backend(const std::string& path, const BackendOptions& options) {
  return std::make_unique<EngineBackend>(path, options);
}

}  // namespace assay
