// Speed of the engine against limits measured in the same run: the machine's matrix peak and the model's matrix
// products alone.
//
//   engine_bench [--shape 135m|1b] [--model DIR|FILE.gguf] [--dtype bfloat16|float32] [--threads N] [--rounds N]
//
// Without --model a checkpoint of the shape with random weights is written to the temporary folder and removed again.
// Every figure is the median of --rounds rounds; a round measures everything once, so that other load falls on all
// alike.
//
//   peak       one large product through the engine's own matrix product: what attention is held against
//   products   every weight matrix of all layers times T rows, nothing else: the bound of a prefill without attention
//   prefill    the forward pass of T rows of one sequence; share = products / prefill
//   attention bound: its operations at the peak, added to the products where a line says so
//   decode     one step of 32 sequences that share a prefix, with the output head
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>

#include "bench/random_checkpoint.h"
#include "core/error.h"
#include "model_backend/engine/matrix_peak.h"
#include "model_backend/engine/models/model.h"

namespace assay::bench {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// All weight matrices of a model of the shape, as the engine packs them.
class Products {
 public:
  Products(Ops& ops, const Shape& shape) : ops_(ops), shape_(shape) {
    const int64_t h = shape.hidden, f = shape.intermediate;
    for (int i = 0; i < shape.layers; ++i) {
      add(shape.q_width() + 2 * shape.kv_width(), h);
      add(h, shape.q_width());
      add(2 * f, h);
      add(h, f);
    }
    body_ = weights_.size();
    add(shape.vocab, h);
  }
  // The products of `rows` rows; with the head as well where `head` says so.
  void run(int64_t rows, bool head) {
    const int64_t widest = std::max<int64_t>({shape_.intermediate, shape_.hidden, shape_.q_width()});
    const int64_t longest = std::max<int64_t>(2 * shape_.intermediate, shape_.q_width() + 2 * shape_.kv_width());
    reserve(in_, rows * widest * ops_.act_bytes());
    reserve(out_, rows * longest * sizeof(float));
    for (size_t i = 0; i < body_; ++i) {
      ops_.linear(in_->data(), *weights_[i], nullptr, rows, static_cast<float*>(out_->data()));
    }
    if (!head) return;
    std::vector<HeadRead> reads(rows);
    for (int64_t i = 0; i < rows; ++i) reads[i].row = static_cast<int>(i);
    std::vector<HeadAnswer> answers(rows);
    ops_.head_logprobs(in_->data(), rows, *weights_[body_], reads, answers.data());
  }

 private:
  void add(int64_t n, int64_t k) {
    std::vector<float> values(n * k);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 8000 - 0.06f;
    weights_.push_back(ops_.pack({values.data(), false, n, k}));
  }
  void reserve(std::unique_ptr<DeviceBuffer>& buffer, size_t bytes) {
    if (!buffer || buffer->bytes() < bytes) buffer = ops_.allocate(bytes);
  }

  Ops& ops_;
  Shape shape_;
  std::vector<std::unique_ptr<PackedWeight>> weights_;
  size_t body_ = 0;
  std::unique_ptr<DeviceBuffer> in_, out_;
};

std::function<bool()> always() {
  return [] { return true; };
}

// Rows of one sequence, from its beginning.
double prefill_seconds(Model& model, KvCache& cache, int rows) {
  Batch batch;
  std::vector<int32_t> slots(rows);
  std::iota(slots.begin(), slots.end(), 0);
  for (int i = 0; i < rows; ++i) {
    batch.tokens.push_back(i * 37 % model.vocab());
    batch.positions.push_back(i);
  }
  batch.slots = slots;
  batch.segments.push_back({0, rows, 0, slots.data()});
  batch.read_rows = {rows - 1};  // as after a prompt; the limit is made of all products all the same
  return seconds_of([&] { model.forward(batch, cache, always()); });
}

// One step of `count` sequences: `shared` positions in common, `own` positions of their own, the newest one computed.
double decode_seconds(Model& model, KvCache& cache, int count, int shared, int own) {
  Batch batch;
  std::vector<std::vector<int32_t>> slots(count);
  std::vector<int32_t> rows(count);
  std::vector<HeadRead> reads(count);
  std::vector<HeadAnswer> answers(count);
  for (int s = 0; s < count; ++s) {
    for (int i = 0; i < shared; ++i) slots[s].push_back(i);
    for (int i = 0; i < own; ++i) slots[s].push_back(shared + s * own + i);
    batch.tokens.push_back(s * 91 % model.vocab());
    batch.positions.push_back(shared + own - 1);
    batch.slots.push_back(slots[s].back());
    batch.segments.push_back({s, 1, shared + own - 1, slots[s].data()});
    rows[s] = s;
    reads[s].row = s;
  }
  batch.read_rows = rows;
  return seconds_of([&] {
    model.forward(batch, cache, always());
    model.read(rows, reads, answers.data());
  });
}

struct Figures {
  std::vector<double> peak, products_512, products_2048, prefill_512, prefill_2048, products_32, decode_32;
};

void run(const Shape& shape, const std::string& path, const std::string& dtype, int threads, int rounds) {
  const Precision precision = dtype == "float32" ? Precision::kFloat32 : Precision::kBFloat16;
  auto ops = make_cpu_ops(precision, threads);
  fmt::print("{}, {}\n", ops->numerics(), shape.name);
  auto model = load_model(*ops, Checkpoint::open(path));
  Products products(*ops, shape);
  constexpr int kSequences = 32, kShared = 1000, kOwn = 100, kLong = 2048;
  KvCache cache(*ops, model->layers(), model->kv_width(), std::max(kLong, kShared + kSequences * kOwn));

  Figures all;
  prefill_seconds(*model, cache, kLong);  // touches all memory once
  for (int i = 0; i < rounds; ++i) {
    all.peak.push_back(measure_matrix_peak(*ops));
    all.products_512.push_back(seconds_of([&] { products.run(512, false); }));
    all.prefill_512.push_back(prefill_seconds(*model, cache, 512));
    all.products_2048.push_back(4 * seconds_of([&] { products.run(512, false); }));
    all.prefill_2048.push_back(prefill_seconds(*model, cache, kLong));
    all.products_32.push_back(seconds_of([&] { products.run(kSequences, true); }));
    all.decode_32.push_back(decode_seconds(*model, cache, kSequences, kShared, kOwn));
  }

  const double best = median(all.peak), body = 2.0 * static_cast<double>(shape.body_weights());
  const auto attention = [&](double pairs) {
    return pairs * 4.0 * static_cast<double>(shape.q_width()) * shape.layers;
  };
  const auto causal = [](double rows) { return rows * (rows + 1) / 2; };
  fmt::print("peak              {:8.1f} GF/s\n", best / 1e9);
  const auto prefill = [&](int rows, double bound, double measured) {
    const double with_attention = bound + attention(causal(rows)) / best;
    fmt::print("products  {:5} rows {:8.1f} ms {:8.0f} tokens/s  {:5.1f} % of peak\n", rows, bound * 1e3, rows / bound,
               100 * body * rows / bound / best);
    fmt::print(
        "prefill   {:5} rows {:8.1f} ms {:8.0f} tokens/s  {:5.1f} % of products, {:5.1f} % of products + attention\n",
        rows, measured * 1e3, rows / measured, 100 * bound / measured, 100 * with_attention / measured);
  };
  prefill(512, median(all.products_512), median(all.prefill_512));
  prefill(kLong, median(all.products_2048), median(all.prefill_2048));
  const double bound = median(all.products_32), step = median(all.decode_32);
  const double with_attention = bound + attention(double{kSequences} * (kShared + kOwn)) / best;
  fmt::print("products  {:5} rows {:8.1f} ms {:8.0f} tokens/s  with the head\n", kSequences, bound * 1e3,
             kSequences / bound);
  fmt::print(
      "decode    {:5} rows {:8.1f} ms {:8.0f} tokens/s  {:5.1f} % of products + attention ({} shared + {} own "
      "positions)\n",
      kSequences, step * 1e3, kSequences / step, 100 * with_attention / step, kShared, kOwn);
}

}  // namespace
}  // namespace assay::bench

int main(int argc, char** argv) try {
  std::string shape_name = "135m", model, dtype = "bfloat16";
  int threads = 0, rounds = 5;
  CLI::App app("Speed of the engine against limits of the same run");
  app.add_option("--shape", shape_name);
  app.add_option("--model", model, "a checkpoint of that shape");
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--threads", threads);
  app.add_option("--rounds", rounds);
  CLI11_PARSE(app, argc, argv);
  const auto shape = assay::bench::shape_named(shape_name);
  if (!model.empty()) {
    assay::bench::run(shape, model, dtype, threads, rounds);
    return 0;
  }
  assay::bench::run(shape, assay::bench::RandomCheckpoint(shape).path(), dtype, threads, rounds);
  return 0;
} catch (const assay::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 2;
}
