// Every operation of ops.h on every device that is here, against plain double-precision references.
//
// A test body runs on each row of devices(); where a device is absent the reason is printed and the row is skipped.
// Tolerances: float32 results may differ from the reference by rounding of sums of at most a few thousand terms near 1
// (2e-5, relative to the largest term); an output rounded to bfloat16 by half of its last bit, 2^-8 of its value at
// most.
#include "model_backend/engine/ops.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "core/error.h"
#include "model_backend/engine/cpu/cpu_ops.h"
#include "tests/support.h"

namespace assay {
namespace {

struct Device {
  std::string name;
  std::function<std::unique_ptr<Ops>(Precision)> make;
};

const std::vector<Device>& devices() {
  static const std::vector<Device> all = {
      {"cpu", [](Precision precision) { return make_cpu_ops(precision, 2); }},
      {"cpu, one thread", [](Precision precision) { return make_cpu_ops(precision, 1); }},
      {"cpu, our matrix product",
       [](Precision precision) -> std::unique_ptr<Ops> {
         auto team = std::make_shared<Team>(2);
         return std::make_unique<CpuOps>(precision, team, make_tile_product(precision, team));
       }},
      {"cpu, oneDNN",
       [](Precision precision) -> std::unique_ptr<Ops> {
         auto team = std::make_shared<Team>(2);
         auto product = make_onednn_product(precision, team);
         if (!product) throw_world("oneDNN", "has no bfloat16 kernels for this processor");
         return std::make_unique<CpuOps>(precision, team, std::move(product));
       }},
      {"cuda", [](Precision precision) { return make_cuda_ops(precision, 0); }},
  };
  return all;
}

// Runs `body` on each device in each precision.
void on_each_device(const std::function<void(Ops&)>& body) {
  for (const Device& device : devices()) {
    for (Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
      std::unique_ptr<Ops> ops;
      try {
        ops = device.make(precision);
      } catch (const Error& error) {
        testing::skip(device.name + ": " + error.what());
        continue;
      }
      INFO(device.name << ", " << (precision == Precision::kFloat32 ? "float32" : "bfloat16"));
      body(*ops);
    }
  }
}

float round_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
  std::memcpy(&value, &bits, 4);
  return value;
}

// What an activation of this value becomes.
float as_act(const Ops& ops, float value) {
  return ops.precision() == Precision::kFloat32 ? value : round_bfloat16(value);
}

double tolerance(const Ops& ops) {
  return ops.precision() == Precision::kFloat32 ? 2e-5 : 1.01 / 256;
}

// Numbers in (-1, 1), exact in bfloat16, so that inputs are the same in both precisions.
std::vector<float> numbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> all(count);
  for (float& value : all) value = static_cast<float>(static_cast<int>(random() % 255) - 127) / 128.0f;
  return all;
}

std::unique_ptr<DeviceBuffer> put_floats(Ops& ops, const std::vector<float>& values) {
  auto buffer = ops.allocate(std::max<size_t>(4, values.size() * 4));
  ops.upload(buffer->data(), values.data(), values.size() * 4);
  return buffer;
}

std::unique_ptr<DeviceBuffer> put_acts(Ops& ops, const std::vector<float>& values) {
  if (ops.precision() == Precision::kFloat32) return put_floats(ops, values);
  std::vector<uint16_t> halves(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], 4);
    halves[i] = static_cast<uint16_t>(bits >> 16);
  }
  auto buffer = ops.allocate(std::max<size_t>(4, halves.size() * 2));
  ops.upload(buffer->data(), halves.data(), halves.size() * 2);
  return buffer;
}

std::vector<float> get_floats(Ops& ops, DeviceBuffer& buffer, size_t count) {
  std::vector<float> values(count);
  ops.download(values.data(), buffer.data(), count * 4);
  return values;
}

std::vector<float> get_acts(Ops& ops, DeviceBuffer& buffer, size_t count) {
  if (ops.precision() == Precision::kFloat32) return get_floats(ops, buffer, count);
  std::vector<uint16_t> halves(count);
  ops.download(halves.data(), buffer.data(), count * 2);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(halves[i]) << 16;
    std::memcpy(&values[i], &bits, 4);
  }
  return values;
}

float* floats(DeviceBuffer& buffer) {
  return static_cast<float*>(buffer.data());
}

void check_close(const std::vector<float>& got, const std::vector<double>& expected, double allowed) {
  REQUIRE(got.size() == expected.size());
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - expected[i]) / std::max(1.0, std::abs(expected[i]));
    if (!(error <= worst)) worst = error, at = i;
  }
  INFO("worst at " << at << ": got " << got.at(at) << ", expected " << expected.at(at));
  CHECK(worst <= allowed);
}

}  // namespace

TEST_CASE("embed copies the rows of the table") {
  on_each_device([](Ops& ops) {
    const auto table = numbers(5 * 24, 1);
    auto device_table = put_acts(ops, table);
    auto out = ops.allocate(3 * 24 * 4);
    const int32_t ids[] = {4, 0, 4};
    ops.embed(device_table->data(), 24, ids, floats(*out));
    const auto got = get_floats(ops, *out, 3 * 24);
    for (int t = 0; t < 3; ++t) {
      for (int i = 0; i < 24; ++i) CHECK(got[t * 24 + i] == table[ids[t] * 24 + i]);
    }
  });
}

TEST_CASE("rms_norm divides by the root of the mean square") {
  on_each_device([](Ops& ops) {
    for (int hidden : {8, 64, 100, 576}) {
      const int rows = 3;
      const auto x = numbers(rows * hidden, 2), weight = numbers(hidden, 3);
      auto dx = put_floats(ops, x), dw = put_floats(ops, weight), out = ops.allocate(rows * hidden * 4);
      ops.rms_norm(floats(*dx), floats(*dw), 1e-5f, rows, hidden, out->data());
      std::vector<double> expected;
      for (int r = 0; r < rows; ++r) {
        double squares = 0;
        for (int i = 0; i < hidden; ++i) squares += double{x[r * hidden + i]} * x[r * hidden + i];
        for (int i = 0; i < hidden; ++i) {
          expected.push_back(x[r * hidden + i] / std::sqrt(squares / hidden + 1e-5) * weight[i]);
        }
      }
      check_close(get_acts(ops, *out, rows * hidden), expected, tolerance(ops));
    }
  });
}

TEST_CASE("linear multiplies by the transposed weight and adds the bias") {
  on_each_device([](Ops& ops) {
    struct Row {
      int rows, k, n;
      bool bias;
    };
    const Row rows[] = {{1, 64, 64, false},   {1, 576, 960, true}, {7, 172, 64, false}, {33, 576, 48, true},
                        {200, 64, 344, true}, {5, 8, 9000, false}, {3, 300, 17, true}};
    for (const Row& row : rows) {
      INFO(row.rows << " x " << row.k << " x " << row.n);
      const auto in = numbers(row.rows * row.k, 4), weight = numbers(row.n * row.k, 5), bias = numbers(row.n, 6);
      auto packed = ops.pack({weight.data(), false, row.n, row.k});
      CHECK(packed->n() == row.n);
      CHECK(packed->k() == row.k);
      auto din = put_acts(ops, in), dbias = put_floats(ops, bias), out = ops.allocate(row.rows * row.n * 4);
      ops.linear(din->data(), *packed, row.bias ? floats(*dbias) : nullptr, row.rows, floats(*out));
      std::vector<double> expected;
      for (int r = 0; r < row.rows; ++r) {
        for (int j = 0; j < row.n; ++j) {
          double sum = row.bias ? bias[j] : 0;
          for (int i = 0; i < row.k; ++i) sum += double{in[r * row.k + i]} * weight[j * row.k + i];
          expected.push_back(sum);
        }
      }
      check_close(get_floats(ops, *out, row.rows * row.n), expected, 2e-5);
    }
  });
}

TEST_CASE("a weight given as bfloat16 bits is the same weight") {
  on_each_device([](Ops& ops) {
    const auto weight = numbers(48 * 40, 7), in = numbers(2 * 40, 8);
    std::vector<uint16_t> halves(weight.size());
    for (size_t i = 0; i < weight.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, &weight[i], 4);
      halves[i] = static_cast<uint16_t>(bits >> 16);
    }
    auto from_floats = ops.pack({weight.data(), false, 48, 40}), from_halves = ops.pack({halves.data(), true, 48, 40});
    auto din = put_acts(ops, in), a = ops.allocate(2 * 48 * 4), b = ops.allocate(2 * 48 * 4);
    ops.linear(din->data(), *from_floats, nullptr, 2, floats(*a));
    ops.linear(din->data(), *from_halves, nullptr, 2, floats(*b));
    CHECK(get_floats(ops, *a, 2 * 48) == get_floats(ops, *b, 2 * 48));
  });
}

TEST_CASE("rows that are not finite are noted once, with the layer that broke them") {
  on_each_device([](Ops& ops) {
    constexpr int kHidden = 37;
    std::vector<float> x(4 * kHidden, 1.5f);
    x[1 * kHidden + 36] = std::numeric_limits<float>::infinity();
    x[2 * kHidden] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<int32_t> before = {-1, -1, 3, -1};
    auto dx = put_floats(ops, x);
    auto bad = ops.allocate(before.size() * 4);
    ops.upload(bad->data(), before.data(), before.size() * 4);
    ops.note_bad_rows(floats(*dx), 4, kHidden, 7, static_cast<int32_t*>(bad->data()));
    std::vector<int32_t> after(4);
    ops.download(after.data(), bad->data(), after.size() * 4);
    CHECK(after == std::vector<int32_t>{-1, 7, 3, -1});
  });
}

TEST_CASE("a value that is not finite is stored as 0, so that a row that must not see it is not touched") {
  on_each_device([](Ops& ops) {
    const AttentionShape shape{1, 1, 8, 0};
    const std::vector<int32_t> positions = {0, 1}, slots = {0, 1};
    auto qkv = numbers(2 * 24, 3);
    const float value = qkv[16 + 5];
    for (int i = 8; i < 24; ++i)
      qkv[24 + i] = i % 2 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    auto dqkv = put_floats(ops, qkv), frequency = put_floats(ops, {1, 0.5f, 0.25f, 0.125f});
    auto q = ops.allocate(64), keys = ops.allocate(64), values = ops.allocate(64), out = ops.allocate(64);
    ops.rotate_and_store(floats(*dqkv), shape, positions, slots, floats(*frequency), 1.0f, q->data(), keys->data(),
                         values->data());
    const RowSegment both{0, 2, 0, slots.data()};
    ops.attention(q->data(), keys->data(), values->data(), shape, {&both, 1}, out->data());
    CHECK(get_acts(ops, *out, 8)[5] == as_act(ops, value));  // position 0 sees itself alone
  });
}

TEST_CASE("rotate_and_store turns pairs by position and writes keys and values to their slots") {
  on_each_device([](Ops& ops) {
    const AttentionShape shapes[] = {{4, 2, 8, 0}, {3, 1, 64, 0}, {2, 2, 12, 0}};
    for (const AttentionShape& shape : shapes) {
      const int dim = shape.head_dim, q_width = shape.query_heads * dim, kv_width = shape.kv_heads * dim;
      const int width = q_width + 2 * kv_width;
      const std::vector<int32_t> positions = {0, 1, 77}, slots = {5, 0, 2};
      const auto qkv = numbers(3 * width, 9);
      std::vector<float> frequency;
      for (int i = 0; i < dim / 2; ++i) frequency.push_back(std::pow(10000.0f, -2.0f * i / dim));
      auto dqkv = put_floats(ops, qkv), dfrequency = put_floats(ops, frequency);
      auto q = ops.allocate(3 * q_width * 4);
      auto keys = put_acts(ops, std::vector<float>(6 * kv_width, 0)),
           values = put_acts(ops, std::vector<float>(6 * kv_width, 0));
      ops.rotate_and_store(floats(*dqkv), shape, positions, slots, floats(*dfrequency), 1.25f, q->data(), keys->data(),
                           values->data());
      const auto turned = [&](int t, int element) {
        const int head = element / dim, i = element % dim, pair = i % (dim / 2);
        const double angle = static_cast<double>(static_cast<float>(positions[t]) * frequency[pair]);
        const double low = qkv[t * width + head * dim + pair], high = qkv[t * width + head * dim + pair + dim / 2];
        return 1.25 * (i < dim / 2 ? low * std::cos(angle) - high * std::sin(angle)
                                   : high * std::cos(angle) + low * std::sin(angle));
      };
      std::vector<double> expected_q, expected_keys(6 * kv_width), expected_values(6 * kv_width);
      for (int t = 0; t < 3; ++t) {
        for (int i = 0; i < q_width; ++i) expected_q.push_back(turned(t, i));
        for (int i = 0; i < kv_width; ++i) {
          expected_keys[slots[t] * kv_width + i] = turned(t, q_width + i);
          expected_values[slots[t] * kv_width + i] = qkv[t * width + q_width + kv_width + i];
        }
      }
      check_close(get_acts(ops, *q, 3 * q_width), expected_q, tolerance(ops));
      check_close(get_acts(ops, *keys, 6 * kv_width), expected_keys, tolerance(ops));
      check_close(get_acts(ops, *values, 6 * kv_width), expected_values, tolerance(ops));
    }
  });
}

namespace {

// Some sequences whose keys and values lie at scattered slots, and the rows of a batch over them.
struct AttentionCase {
  AttentionShape shape;
  struct Piece {
    int sequence, first_position, rows;
  };
  std::vector<Piece> pieces;

  int slot_count = 0;
  std::vector<std::vector<int32_t>> slots;  // [sequence][position]
  std::vector<float> q, keys, values;

  AttentionCase(AttentionShape s, std::vector<int> lengths, std::vector<Piece> p) : shape(s), pieces(std::move(p)) {
    for (int length : lengths) slot_count += length;
    std::vector<int32_t> free(slot_count);
    for (int i = 0; i < slot_count; ++i) free[i] = i;
    std::shuffle(free.begin(), free.end(), std::mt19937(11));
    for (int length : lengths) {
      slots.emplace_back(free.end() - length, free.end());
      free.resize(free.size() - length);
    }
    q = numbers(rows() * shape.query_heads * shape.head_dim, 12);
    keys = numbers(slot_count * shape.kv_heads * shape.head_dim, 13);
    values = numbers(slot_count * shape.kv_heads * shape.head_dim, 14);
  }
  int rows() const {
    int sum = 0;
    for (const Piece& piece : pieces) sum += piece.rows;
    return sum;
  }
  int width() const { return shape.query_heads * shape.head_dim; }

  std::vector<double> expected() const {
    std::vector<double> all;
    int row = 0;
    for (const Piece& piece : pieces) {
      for (int r = 0; r < piece.rows; ++r, ++row) {
        for (int head = 0; head < shape.query_heads; ++head) {
          append_head(piece.sequence, piece.first_position + r, row, head, all);
        }
      }
    }
    return all;
  }
  void append_head(int sequence, int position, int row, int head, std::vector<double>& all) const {
    const int dim = shape.head_dim, kv_head = head / (shape.query_heads / shape.kv_heads);
    const int first = shape.window ? std::max(0, position - shape.window + 1) : 0;
    std::vector<double> weight;
    double total = 0;
    const auto at = [&](int p) { return (slots[sequence][p] * shape.kv_heads + kv_head) * dim; };
    for (int p = first; p <= position; ++p) {
      double score = 0;
      for (int d = 0; d < dim; ++d) score += double{q[row * width() + head * dim + d]} * keys[at(p) + d];
      weight.push_back(std::exp(score / std::sqrt(dim)));
      total += weight.back();
    }
    for (int d = 0; d < dim; ++d) {
      double sum = 0;
      for (int p = first; p <= position; ++p) sum += weight[p - first] * values[at(p) + d];
      all.push_back(sum / total);
    }
  }

  // Runs pieces [first, first + count) as one batch.
  std::vector<float> run(Ops& ops, size_t first, size_t count) const {
    std::vector<RowSegment> segments;
    int row = 0, skipped = 0;
    for (size_t i = 0; i < first + count; ++i) {
      if (i < first) {
        skipped += pieces[i].rows;
        continue;
      }
      segments.push_back({row, pieces[i].rows, pieces[i].first_position, slots[pieces[i].sequence].data()});
      row += pieces[i].rows;
    }
    const std::vector<float> part(q.begin() + skipped * width(), q.begin() + (skipped + row) * width());
    auto dq = put_acts(ops, part), dk = put_acts(ops, keys), dv = put_acts(ops, values);
    auto out = ops.allocate(row * width() * 4);
    ops.attention(dq->data(), dk->data(), dv->data(), shape, segments, out->data());
    return get_acts(ops, *out, row * width());
  }
};

std::vector<AttentionCase> attention_cases() {
  return {
      {{1, 1, 8, 0}, {1}, {{0, 0, 1}}},
      {{8, 4, 8, 0}, {70}, {{0, 0, 70}}},
      {{9, 3, 64, 0}, {200, 64}, {{0, 100, 100}, {1, 63, 1}, {0, 17, 3}}},
      {{6, 2, 20, 0}, {130, 129, 1}, {{0, 129, 1}, {1, 0, 129}, {2, 0, 1}}},
      {{4, 2, 16, 10}, {150}, {{0, 0, 150}}},
      {{4, 1, 128, 100}, {300, 40}, {{0, 250, 50}, {1, 30, 10}}},
      {{32, 1, 8, 64}, {140}, {{0, 60, 80}}},
  };
}

}  // namespace

TEST_CASE("attention is the softmax over the keys that a row may see") {
  on_each_device([](Ops& ops) {
    for (const AttentionCase& test : attention_cases()) {
      INFO("D " << test.shape.head_dim << ", window " << test.shape.window);
      check_close(test.run(ops, 0, test.pieces.size()), test.expected(), tolerance(ops));
    }
  });
}

TEST_CASE("an attention row has the same bits alone, one row at a time and in a larger batch") {
  on_each_device([](Ops& ops) {
    for (const AttentionCase& test : attention_cases()) {
      AttentionCase single = test;
      single.pieces.clear();
      for (const auto& piece : test.pieces) {
        for (int r = 0; r < piece.rows; ++r) single.pieces.push_back({piece.sequence, piece.first_position + r, 1});
      }
      const auto together = test.run(ops, 0, test.pieces.size());
      CHECK(single.run(ops, 0, single.pieces.size()) == together);
      std::vector<float> apart;
      for (size_t i = 0; i < test.pieces.size(); ++i) {
        const auto part = test.run(ops, i, 1);
        apart.insert(apart.end(), part.begin(), part.end());
      }
      CHECK(apart == together);
    }
  });
}

TEST_CASE("silu_multiply is gate * sigmoid(gate) * up") {
  on_each_device([](Ops& ops) {
    for (int inner : {4, 172, 1536}) {
      auto gate_up = numbers(3 * 2 * inner, 15);
      gate_up[0] = 30, gate_up[1] = -30, gate_up[2] = -100;
      // Where the exponential is infinite, and so far out that it must not begin again from small values.
      const float far[] = {-150, -178, -200, -600, -1e30f};
      for (size_t i = 0; inner > 100 && i < std::size(far); ++i) gate_up[20 + i] = far[i];
      auto in = put_floats(ops, gate_up), out = ops.allocate(3 * inner * 4);
      ops.silu_multiply(floats(*in), 3, inner, out->data());
      std::vector<double> expected;
      for (int r = 0; r < 3; ++r) {
        for (int i = 0; i < inner; ++i) {
          const double gate = gate_up[r * 2 * inner + i], up = gate_up[r * 2 * inner + inner + i];
          expected.push_back(gate / (1 + std::exp(-gate)) * up);
        }
      }
      check_close(get_acts(ops, *out, 3 * inner), expected, tolerance(ops));
    }
  });
}

TEST_CASE("add and gather_rows are exact") {
  on_each_device([](Ops& ops) {
    const auto x = numbers(7 * 30, 16), y = numbers(7 * 30, 17);
    auto dx = put_floats(ops, x), dy = put_floats(ops, y), out = ops.allocate(3 * 30 * 4);
    ops.add(floats(*dx), floats(*dy), 7 * 30);
    const int32_t rows[] = {6, 0, 6};
    ops.gather_rows(dx->data(), rows, 30 * sizeof(float), out->data());
    const auto got = get_floats(ops, *out, 3 * 30);
    for (int r = 0; r < 3; ++r) {
      for (int i = 0; i < 30; ++i) CHECK(got[r * 30 + i] == x[rows[r] * 30 + i] + y[rows[r] * 30 + i]);
    }
  });
}

namespace {

// Logits of rows of h against the head, in double.
std::vector<double> logits_of(const std::vector<float>& h, const std::vector<float>& head, int rows, int k, int vocab) {
  std::vector<double> all;
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vocab; ++v) {
      double sum = 0;
      for (int i = 0; i < k; ++i) sum += double{h[r * k + i]} * head[v * k + i];
      all.push_back(sum);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("head_logprobs is the log-softmax at the tokens asked, in the order asked") {
  on_each_device([](Ops& ops) {
    for (int vocab : {16, 512, 10000}) {
      const int rows = vocab == 512 ? 150 : 5, k = 64;
      const auto h = numbers(rows * k, 18), head = numbers(vocab * k, 19);
      auto dh = put_acts(ops, h);
      auto packed = ops.pack({head.data(), false, vocab, k});
      std::vector<HeadRead> reads;
      for (int r = rows - 1; r >= 0; --r) reads.push_back({r, (r * 7919) % vocab}), reads.push_back({r, vocab - 1});
      std::vector<HeadAnswer> answers(reads.size());
      ops.head_logprobs(dh->data(), rows, *packed, reads, answers.data());
      const auto logits = logits_of(h, head, rows, k, vocab);
      for (size_t i = 0; i < reads.size(); ++i) {
        const double* row = logits.data() + reads[i].row * vocab;
        double total = 0;
        for (int v = 0; v < vocab; ++v) total += std::exp(row[v]);
        CHECK(answers[i].logprob == Approx(row[reads[i].token] - std::log(total)).margin(1e-4));
        CHECK(row[answers[i].best_token] == Approx(*std::max_element(row, row + vocab)).margin(1e-4));
      }
    }
  });
}

TEST_CASE("the most probable token is the lowest id on a tie") {
  on_each_device([](Ops& ops) {
    const int vocab = 9000, k = 16;
    std::vector<float> head(vocab * k, 0.0f), h(k, 1.0f);
    for (int token : {37, 4095, 4096, 8999}) std::fill_n(head.begin() + token * k, k, 0.5f);
    auto dh = put_acts(ops, h);
    auto packed = ops.pack({head.data(), false, vocab, k});
    const HeadRead read{0, 8999};
    HeadAnswer answer;
    ops.head_logprobs(dh->data(), 1, *packed, {&read, 1}, &answer);
    CHECK(answer.best_token == 37);
    CHECK(answer.logprob == Approx(8 - std::log(4 * std::exp(8.0) + vocab - 4)).margin(1e-4));
  });
}

TEST_CASE("head_logits are the products with the head") {
  on_each_device([](Ops& ops) {
    const int vocab = 5000, k = 64, rows = 3;
    const auto h = numbers(rows * k, 20), head = numbers(vocab * k, 21);
    auto dh = put_acts(ops, h);
    auto packed = ops.pack({head.data(), false, vocab, k});
    std::vector<float> logits(rows * vocab);
    ops.head_logits(dh->data(), rows, *packed, logits.data());
    check_close(logits, logits_of(h, head, rows, k, vocab), 2e-5);
  });
}

TEST_CASE("a row of linear and of the head has the same bits alone, among others and in another place") {
  on_each_device([](Ops& ops) {
    struct Shape {
      int k, n;
    };
    for (const Shape& shape : {Shape{576, 192}, Shape{300, 17}, Shape{64, 5000}}) {
      const int k = shape.k, n = shape.n, all = 600;  // more than two tiles of rows on every device
      INFO(k << " -> " << n);
      const auto in = numbers(all * k, 40), weight = numbers(n * k, 41);
      auto packed = ops.pack({weight.data(), false, n, k});
      std::vector<HeadRead> reads;
      for (int r = 0; r < all; ++r) reads.push_back({r, r % n});
      // Of the rows [first, first + rows) computed together.
      const auto computed = [&](int first, int rows) {
        auto acts = put_acts(ops, {in.begin() + first * k, in.begin() + (first + rows) * k});
        auto out = ops.allocate(static_cast<size_t>(rows) * n * 4);
        ops.linear(acts->data(), *packed, nullptr, rows, floats(*out));
        std::vector<float> values = get_floats(ops, *out, rows * n);
        std::vector<HeadRead> own;
        for (int r = 0; r < rows; ++r) own.push_back({r, reads[first + r].token});
        std::vector<HeadAnswer> answers(rows);
        ops.head_logprobs(acts->data(), rows, *packed, own, answers.data());
        for (const HeadAnswer& answer : answers) {
          values.push_back(answer.logprob);
          values.push_back(static_cast<float>(answer.best_token));
        }
        return values;
      };
      const auto row_of = [&](const std::vector<float>& values, int rows, int r) {
        std::vector<float> row(values.begin() + r * n, values.begin() + (r + 1) * n);
        row.insert(row.end(), values.begin() + rows * n + 2 * r, values.begin() + rows * n + 2 * r + 2);
        return row;
      };
      const auto together = computed(0, all);
      for (const auto& [first, rows] :
           {std::pair{0, 1}, {255, 1}, {256, 1}, {599, 1}, {0, 17}, {1, 255}, {1, 256}, {3, 257}, {300, 300}}) {
        const auto apart = computed(first, rows);
        for (int r = 0; r < rows; ++r) {
          const auto expected = row_of(together, all, first + r), got = row_of(apart, rows, r);
          INFO("row " << first + r << " of " << first << " + " << rows);
          REQUIRE(std::memcmp(expected.data(), got.data(), got.size() * sizeof(float)) == 0);
        }
      }
    }
  });
}

TEST_CASE("the chosen matrix product gives a row the same bits whatever rows come along") {
  for (Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
    for (int threads : {1, 2}) {
      auto product = make_matrix_product(precision, std::make_shared<Team>(threads));
      INFO(product->name());
      CHECK(rows_are_independent(*product, precision));
    }
  }
}

namespace {

// A product whose rows come out otherwise in company.
class CompanyMatters final : public MatrixProduct {
 public:
  explicit CompanyMatters(std::unique_ptr<MatrixProduct> honest) : honest_(std::move(honest)) {}
  std::string name() const override { return "company-matters"; }
  std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) override { return honest_->pack(matrix); }
  void multiply(const void* in, const CpuWeight& weight, int64_t tile, int64_t rows, float* out,
                int64_t out_stride) override {
    honest_->multiply(in, weight, tile, rows, out, out_stride);
    if (rows > 8) out[0] = std::nextafter(out[0], 100.0f);
  }

 private:
  std::unique_ptr<MatrixProduct> honest_;
};

}  // namespace

TEST_CASE("a matrix product whose rows depend on each other is not used, and the numerics say so") {
  const auto team = std::make_shared<Team>(2);
  for (Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
    const auto honest = [&] { return make_tile_product(precision, team); };
    CHECK(checked_product(honest(), precision, team)->name() == honest()->name());
    const auto chosen = checked_product(std::make_unique<CompanyMatters>(honest()), precision, team);
    CHECK(chosen->name() == honest()->name() + ", since rows depend on each other in company-matters");
    CHECK(rows_are_independent(*chosen, precision));
  }
}

TEST_CASE("activations are rounded to the nearest bfloat16") {
  on_each_device([](Ops& ops) {
    // Through silu_multiply with a large gate, which passes `up` on times the gate.
    const std::vector<float> gate_up = {64, 64, 1.00390625f, 1.01171875f};  // two ties
    auto in = put_floats(ops, gate_up), out = ops.allocate(2 * 4);
    ops.silu_multiply(floats(*in), 1, 2, out->data());
    const auto got = get_acts(ops, *out, 2);
    CHECK(got[0] == as_act(ops, 64 * 1.00390625f));
    CHECK(got[1] == as_act(ops, 64 * 1.01171875f));
  });
}

}  // namespace assay
