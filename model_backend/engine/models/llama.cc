// The Llama family: Llama, Mistral (sliding window), Qwen2 (biases on q, k and v).
//
//   x = embedding of the token
//   each layer:  x += o_proj(attention(rope(qkv_proj(norm(x)))))
//                x += down_proj(silu(gate_proj(norm(x))) * up_proj(norm(x)))
//   logits = head(norm(x))
//
// In the last layer only the rows that are read go further than their keys and values.
//
// q, k and v are one weight, gate and up another: fewer and larger matrix products, with the same bits for every
// output.
#include <algorithm>

#include "core/error.h"
#include "model_backend/checkpoint/rope.h"
#include "model_backend/engine/models/model.h"
#include "model_backend/engine/models/weights.h"

namespace assay {
namespace {

using Buffer = std::unique_ptr<DeviceBuffer>;
using Weight = std::unique_ptr<PackedWeight>;

struct Layer {
  Buffer attention_norm, ffn_norm;  // [H]
  Weight qkv;                       // [(Q + 2K) * D, H]
  Weight output;                    // [H, Q * D]
  Weight gate_up;                   // [2F, H]
  Weight down;                      // [H, F]
  // Null where the family has none.
  Buffer qkv_bias, output_bias, gate_up_bias, down_bias;
  AttentionShape shape;
};

float* floats(const Buffer& buffer) {
  return buffer ? static_cast<float*>(buffer->data()) : nullptr;
}

// What a pass keeps between operations, for up to `rows` rows.
struct States {
  int rows = 0;
  Buffer x;         // [T, H] float: the residual stream
  Buffer normed;    // [T, H] act
  Buffer wide;      // [T, max((Q + 2K) * D, 2F)] float
  Buffer q;         // [T, Q * D] act
  Buffer attended;  // [T, Q * D] act
  Buffer inner;     // [T, F] act
  Buffer change;    // [T, H] float: what is added to x
  Buffer bad;       // [T] int32: see Model::bad_layers
  Buffer read_bad;  // [R] int32: the same of the rows that are read
};

class Llama final : public Model {
 public:
  Llama(Ops& ops, const Checkpoint& checkpoint);
  ModelCost cost() const override;
  int vocab() const override { return config_.vocab; }
  int layers() const override { return config_.layers; }
  int64_t kv_width() const override { return int64_t{config_.kv_heads} * config_.head_dim; }
  bool forward(const Batch& batch, KvCache& cache, const std::function<bool()>& keep_going) override;
  std::span<const int32_t> bad_layers() const override { return bad_layers_; }
  void read(std::span<const int32_t> rows, std::span<const HeadRead> reads, HeadAnswer* answers) override;
  void logits(std::span<const int32_t> rows, float* logits) override;

 private:
  Layer load_layer(WeightLoader& loader, int index) const;
  void make_room(int rows);
  void store_keys(int index, const Batch& batch, KvCache& cache);
  void attend(const Layer& layer, std::span<const RowSegment> segments, const void* keys, const void* values);
  void keep_rows(std::span<const int32_t> rows);
  void add_attended(const Layer& layer, int rows);
  void feed_forward(const Layer& layer, int rows);
  void note_bad_rows(const Buffer& values, int64_t width, int rows, int layer, const Buffer& bad);
  // The final norm of some rows of the last batch, [rows, H] act; lies in states_.normed.
  const void* final_states(std::span<const int32_t> rows);

  Ops& ops_;
  ModelConfig config_;
  float eps_;
  Buffer embedding_;  // [V, H] act
  std::vector<Layer> layers_;
  Buffer final_norm_;  // [H]
  Weight head_;        // [V, H]
  Buffer inverse_frequency_;
  float attention_scale_ = 1;
  States states_;
  std::vector<int32_t> bad_layers_;  // [T]
  std::vector<int32_t> kept_rows_;   // of the last batch: what the rows of states_.x are after the last layer
};

// The parts of `segments` whose rows are among `rows`, which ascend.
std::vector<RowSegment> segments_of_rows(const std::vector<RowSegment>& segments, std::span<const int32_t> rows) {
  std::vector<RowSegment> parts;
  size_t next = 0;
  for (const RowSegment& segment : segments) {
    for (bool joins = false; next < rows.size() && rows[next] < segment.first_row + segment.rows; ++next) {
      joins = joins && rows[next] == rows[next - 1] + 1;
      const int offset = rows[next] - segment.first_row;
      if (joins) {
        ++parts.back().rows;
      } else {
        parts.push_back({rows[next], 1, segment.first_position + offset, segment.slots});
      }
      joins = true;
    }
  }
  return parts;
}

Llama::Llama(Ops& ops, const Checkpoint& checkpoint)
    : ops_(ops), config_(checkpoint.config()), eps_(static_cast<float>(config_.norm_eps)) {
  WeightLoader loader(ops, checkpoint);
  embedding_ = loader.table("model.embed_tokens.weight");
  for (int i = 0; i < config_.layers; ++i) layers_.push_back(load_layer(loader, i));
  final_norm_ = loader.floats({"model.norm.weight"});
  head_ = loader.pack({config_.tied_head ? "model.embed_tokens.weight" : "lm_head.weight"});
  const std::vector<float> frequencies = rope_inverse_frequencies(config_, &attention_scale_);
  inverse_frequency_ = ops.allocate(frequencies.size() * sizeof(float));
  ops.upload(inverse_frequency_->data(), frequencies.data(), frequencies.size() * sizeof(float));
}

Layer Llama::load_layer(WeightLoader& loader, int index) const {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  Layer layer;
  layer.attention_norm = loader.floats({prefix + "input_layernorm.weight"});
  layer.ffn_norm = loader.floats({prefix + "post_attention_layernorm.weight"});
  layer.qkv = loader.pack({attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"});
  layer.output = loader.pack({attention + "o_proj.weight"});
  layer.gate_up = loader.pack({mlp + "gate_proj.weight", mlp + "up_proj.weight"});
  layer.down = loader.pack({mlp + "down_proj.weight"});
  if (config_.attention_bias) {
    layer.qkv_bias = loader.floats({attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"});
  }
  if (config_.output_bias) layer.output_bias = loader.floats({attention + "o_proj.bias"});
  if (config_.mlp_bias) {
    layer.gate_up_bias = loader.floats({mlp + "gate_proj.bias", mlp + "up_proj.bias"});
    layer.down_bias = loader.floats({mlp + "down_proj.bias"});
  }
  const bool windowed = config_.sliding_window && index >= config_.sliding_window_first_layer;
  layer.shape = {config_.heads, config_.kv_heads, config_.head_dim, windowed ? *config_.sliding_window : 0};
  return layer;
}

void Llama::make_room(int rows) {
  if (rows <= states_.rows) return;
  const int64_t q_width = int64_t{config_.heads} * config_.head_dim;
  const int64_t wide = std::max(q_width + 2 * kv_width(), 2 * int64_t{config_.intermediate});
  const size_t act = ops_.act_bytes(), hidden = config_.hidden;
  states_ = {};
  states_.x = ops_.allocate(rows * hidden * sizeof(float));
  states_.normed = ops_.allocate(rows * hidden * act);
  states_.wide = ops_.allocate(rows * wide * sizeof(float));
  states_.q = ops_.allocate(rows * q_width * act);
  states_.attended = ops_.allocate(rows * q_width * act);
  states_.inner = ops_.allocate(rows * int64_t{config_.intermediate} * act);
  states_.change = ops_.allocate(rows * hidden * sizeof(float));
  states_.bad = ops_.allocate(rows * sizeof(int32_t));
  states_.read_bad = ops_.allocate(rows * sizeof(int32_t));
  states_.rows = rows;
}

ModelCost Llama::cost() const {
  const auto of = [](const Weight& weight) { return 2.0 * static_cast<double>(weight->n() * weight->k()); };
  ModelCost cost;
  for (const Layer& layer : layers_) {
    cost.row += of(layer.qkv) + of(layer.output) + of(layer.gate_up) + of(layer.down);
    cost.key += 4.0 * layer.shape.query_heads * layer.shape.head_dim;
  }
  cost.head_row = of(head_);
  const Layer& last = layers_.back();
  cost.unread_row = of(last.output) + of(last.gate_up) + of(last.down);
  cost.unread_key = 4.0 * last.shape.query_heads * last.shape.head_dim;
  return cost;
}

bool Llama::forward(const Batch& batch, KvCache& cache, const std::function<bool()>& keep_going) {
  make_room(batch.rows());
  bad_layers_.assign(batch.rows(), -1);
  ops_.upload(states_.bad->data(), bad_layers_.data(), bad_layers_.size() * sizeof(int32_t));
  ops_.embed(embedding_->data(), config_.hidden, batch.tokens, floats(states_.x));
  const int last = config_.layers - 1;
  for (int i = 0; i < last; ++i) {
    store_keys(i, batch, cache);
    attend(layers_[i], batch.segments, cache.keys(i), cache.values(i));
    add_attended(layers_[i], batch.rows());
    feed_forward(layers_[i], batch.rows());
    note_bad_rows(states_.x, config_.hidden, batch.rows(), i, states_.bad);
    if (!keep_going()) return false;
  }
  const Layer& layer = layers_[last];
  const int read = static_cast<int>(batch.read_rows.size());
  store_keys(last, batch, cache);
  if (read > 0) {
    attend(layer, segments_of_rows(batch.segments, batch.read_rows), cache.keys(last), cache.values(last));
    keep_rows(batch.read_rows);
    add_attended(layer, read);
    feed_forward(layer, read);
    note_bad_rows(states_.x, config_.hidden, read, config_.layers, states_.read_bad);
  }
  ops_.download(bad_layers_.data(), states_.bad->data(), bad_layers_.size() * sizeof(int32_t));
  std::vector<int32_t> read_bad(read);
  ops_.download(read_bad.data(), states_.read_bad->data(), read_bad.size() * sizeof(int32_t));
  for (int i = 0; i < read; ++i) bad_layers_[batch.read_rows[i]] = read_bad[i];
  kept_rows_ = batch.read_rows;
  return keep_going();
}

void Llama::store_keys(int index, const Batch& batch, KvCache& cache) {
  const Layer& layer = layers_[index];
  const int rows = batch.rows();
  ops_.rms_norm(floats(states_.x), floats(layer.attention_norm), eps_, rows, config_.hidden, states_.normed->data());
  ops_.linear(states_.normed->data(), *layer.qkv, floats(layer.qkv_bias), rows, floats(states_.wide));
  // Stored as 0 (see rotate_and_store), such a value would not show in what the row becomes.
  note_bad_rows(states_.wide, layer.qkv->n(), rows, index, states_.bad);
  ops_.rotate_and_store(floats(states_.wide), layer.shape, batch.positions, batch.slots, floats(inverse_frequency_),
                        attention_scale_, states_.q->data(), cache.keys(index), cache.values(index));
}

void Llama::attend(const Layer& layer, std::span<const RowSegment> segments, const void* keys, const void* values) {
  ops_.attention(states_.q->data(), keys, values, layer.shape, segments, states_.attended->data());
}

// From here on the pass is about these rows alone.
void Llama::keep_rows(std::span<const int32_t> rows) {
  ops_.gather_rows(states_.x->data(), rows, config_.hidden * sizeof(float), states_.change->data());
  std::swap(states_.x, states_.change);
  const size_t q_bytes = static_cast<size_t>(config_.heads) * config_.head_dim * ops_.act_bytes();
  ops_.gather_rows(states_.attended->data(), rows, q_bytes, states_.q->data());
  std::swap(states_.attended, states_.q);
  ops_.gather_rows(states_.bad->data(), rows, sizeof(int32_t), states_.read_bad->data());
}

void Llama::add_attended(const Layer& layer, int rows) {
  ops_.linear(states_.attended->data(), *layer.output, floats(layer.output_bias), rows, floats(states_.change));
  ops_.add(floats(states_.x), floats(states_.change), int64_t{rows} * config_.hidden);
}

void Llama::feed_forward(const Layer& layer, int rows) {
  ops_.rms_norm(floats(states_.x), floats(layer.ffn_norm), eps_, rows, config_.hidden, states_.normed->data());
  ops_.linear(states_.normed->data(), *layer.gate_up, floats(layer.gate_up_bias), rows, floats(states_.wide));
  ops_.silu_multiply(floats(states_.wide), rows, config_.intermediate, states_.inner->data());
  ops_.linear(states_.inner->data(), *layer.down, floats(layer.down_bias), rows, floats(states_.change));
  ops_.add(floats(states_.x), floats(states_.change), int64_t{rows} * config_.hidden);
}

void Llama::note_bad_rows(const Buffer& values, int64_t width, int rows, int layer, const Buffer& bad) {
  ops_.note_bad_rows(floats(values), rows, width, layer, static_cast<int32_t*>(bad->data()));
}

const void* Llama::final_states(std::span<const int32_t> rows) {
  std::vector<int32_t> places;
  for (const int32_t row : rows) {
    const auto kept = std::lower_bound(kept_rows_.begin(), kept_rows_.end(), row);
    ASSAY_ASSERT(kept != kept_rows_.end() && *kept == row, "only rows that were to be read are asked about");
    places.push_back(static_cast<int32_t>(kept - kept_rows_.begin()));
  }
  ops_.gather_rows(floats(states_.x), places, config_.hidden * sizeof(float), floats(states_.change));
  ops_.rms_norm(floats(states_.change), floats(final_norm_), eps_, static_cast<int64_t>(rows.size()), config_.hidden,
                states_.normed->data());
  return states_.normed->data();
}

void Llama::read(std::span<const int32_t> rows, std::span<const HeadRead> reads, HeadAnswer* answers) {
  ops_.head_logprobs(final_states(rows), static_cast<int64_t>(rows.size()), *head_, reads, answers);
}

void Llama::logits(std::span<const int32_t> rows, float* logits) {
  ops_.head_logits(final_states(rows), static_cast<int64_t>(rows.size()), *head_, logits);
}

}  // namespace

std::unique_ptr<Model> load_llama(Ops& ops, const Checkpoint& checkpoint) {
  return std::make_unique<Llama>(ops, checkpoint);
}

}  // namespace assay
