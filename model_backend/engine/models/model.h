// A model as the engine sees it: rows of tokens in, answers of the output head out.
//
// A model file (llama.cc) holds weights and the order of operations of one family. It is written against ops.h alone
// and knows no request, no plan and no device. A new family is a file beside it, a row in model_table.cc and golden
// logits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/engine/kv_cache.h"
#include "model_backend/engine/ops.h"

namespace assay {

// Rows of one pass, back to back, no padding. Every row belongs to exactly one segment, in the segments' order.
struct Batch {
  std::vector<int32_t> tokens;       // [T]
  std::vector<int32_t> positions;    // [T]
  std::vector<int32_t> slots;        // [T] where each row's key and value go
  std::vector<RowSegment> segments;  // their `slots` must outlive the pass
  // Rows that read() and logits() may be asked about, ascending, none twice. For the others the pass ends with their
  // keys and values in the last layer.
  std::vector<int32_t> read_rows;
  int rows() const { return static_cast<int>(tokens.size()); }
};

// Multiplications and additions: of all matrix products for one row; of attention for each key that a row may see (a
// window not counted); of the output head for one row. What a row that nobody reads does without: the last layer's
// products behind its keys and values, and its attention for each key.
struct ModelCost {
  double row = 0, key = 0, head_row = 0;
  double unread_row = 0, unread_key = 0;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual ModelCost cost() const = 0;

  virtual int vocab() const = 0;
  virtual int layers() const = 0;
  virtual int64_t kv_width() const = 0;  // K * D

  // Runs the batch through all layers and writes its keys and values. `keep_going` is asked after every layer; when it
  // says no, forward returns false and the states are not usable.
  virtual bool forward(const Batch& batch, KvCache& cache, const std::function<bool()>& keep_going) = 0;

  // Of each row of the last forward: the layer in which its query, key, value or state was not finite, -1 where that
  // never was. What such a row says, and every row that sees it, means nothing; other rows are not touched by it. What
  // the last layer makes of a row no other row sees: where nothing but that is not finite it is layers(), and only rows
  // that are read are looked at.
  virtual std::span<const int32_t> bad_layers() const = 0;

  // What the rows of the last forward say. `rows`: row numbers of that batch, among its read_rows; a read's `row` is an
  // index into `rows`.
  virtual void read(std::span<const int32_t> rows, std::span<const HeadRead> reads, HeadAnswer* answers) = 0;
  // logits [rows, V], for sampling.
  virtual void logits(std::span<const int32_t> rows, float* logits) = 0;
};

// Loads the weights, tensor by tensor, onto the device. `ops` must outlive the model; the checkpoint need not.
// Throws Error(kInput) for an architecture that is not in the table, for weights that are infinite or not a number;
// Error(kWorld) when the device's memory does not hold them.
std::unique_ptr<Model> load_model(Ops& ops, const Checkpoint& checkpoint);

// One family each; called by load_model.
std::unique_ptr<Model> load_llama(Ops& ops, const Checkpoint& checkpoint);

}  // namespace assay
