// Model files below the tokenizer: logits of golden checkpoints.
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/json.h"
#include "core/text.h"
#include "model_backend/engine/models/model.h"
#include "tests/support.h"

namespace assay {
namespace {

// Logits of every position of `ids` in one batch, [ids.size()][V].
std::vector<std::vector<float>> all_logits(Ops& ops, Model& model, const std::vector<int32_t>& ids) {
  const int rows = static_cast<int>(ids.size());
  KvCache cache(ops, model.layers(), model.kv_width(), rows);
  Batch batch;
  batch.tokens = ids;
  batch.positions.resize(rows);
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  batch.slots = batch.read_rows = batch.positions;
  batch.segments = {{0, rows, 0, batch.slots.data()}};
  REQUIRE(model.forward(batch, cache, [] { return true; }));
  std::vector<float> flat(rows * model.vocab());
  model.logits(batch.positions, flat.data());
  std::vector<std::vector<float>> logits;
  for (int r = 0; r < rows; ++r)
    logits.emplace_back(flat.begin() + r * model.vocab(), flat.begin() + (r + 1) * model.vocab());
  return logits;
}

// The largest difference to the golden logits, over all cases of the folder.
double worst_difference(const std::string& folder, const char* field, Precision precision) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  auto ops = make_cpu_ops(precision, 2);
  auto model = load_model(*ops, checkpoint);
  double worst = 0;
  const Json golden = read_json_file(folder + "/golden.json");
  for (const Json& row : golden["cases"]) {
    const auto logits = all_logits(*ops, *model, row["ids"].get<std::vector<int32_t>>());
    for (size_t i = 0; i < row[field].size(); ++i) {
      const size_t position = row.contains("positions") ? row["positions"][i].get<size_t>() : i;
      const auto expected = row[field][i].get<std::vector<double>>();
      for (size_t v = 0; v < expected.size(); ++v) {
        const double difference = std::abs(logits.at(position).at(v) - expected[v]);
        worst = difference <= worst ? worst : difference;
      }
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("every family and every kind of rotary scaling gives transformers' float32 logits") {
  const char* names[] = {"llama-plain",     "llama-tied-mha",    "llama-biases",
                         "llama-head-dim",  "llama-rope-linear", "llama-rope-llama3",
                         "llama-rope-yarn", "mistral-window",    "qwen2-biases"};
  for (const char* name : names) {
    INFO(name);
    const std::string folder = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/engine/" + name;
    // Logits are of size 10; a float32 pass in another order of sums differs in the sixth digit.
    CHECK(worst_difference(folder, "logits", Precision::kFloat32) < 1e-4);
    // Random weights of this size amplify the rounding of activations to eight bits.
    CHECK(worst_difference(folder, "logits", Precision::kBFloat16) < 1.0);
  }
}

TEST_CASE("digit-llama: logits are the float64 reference's in float32 and within bfloat16's reach") {
  const auto golden = testing::shared_file("models/digit-llama-bf16-random/golden.json");
  if (!golden) return;
  const std::string folder = golden->substr(0, golden->rfind('/'));
  CHECK(worst_difference(folder, "logits_all_positions", Precision::kFloat32) < 2e-5);
  // Logits of size 0.5 with eight bits for every activation.
  CHECK(worst_difference(folder, "logits_all_positions", Precision::kBFloat16) < 2e-2);
}

}  // namespace assay
