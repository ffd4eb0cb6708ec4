#include "model_backend/checkpoint/checkpoint.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView& tensor = checkpoint.tensor(name);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  checkpoint.read_f32(tensor, values.data());
  return values;
}

// Every tensor of `path` equals that of the folder `reference` within `tolerance`.
void check_same_weights(const std::string& path, const std::string& reference, double tolerance) {
  INFO(path);
  Checkpoint ours = Checkpoint::open(path), expected = Checkpoint::open(reference);
  REQUIRE(ours.tensors().size() == expected.tensors().size());
  for (const auto& [name, tensor] : expected.tensors()) {
    INFO(name);
    REQUIRE(ours.has(name));
    CHECK(ours.tensor(name).shape == tensor.shape);
    std::vector<float> got = values_of(ours, name), want = values_of(expected, name);
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(double{got[i]} - want[i]));
    CHECK(worst <= tolerance);
  }
}

std::string error_of_opening(const std::string& path) {
  return error_of([&] { Checkpoint::open(path); });
}

// GGUF metadata of a Llama whose tensors are left out.
GgufBuilder gguf_llama() {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").u32("llama.block_count", 1).u32("llama.embedding_length", 8);
  builder.u32("llama.attention.head_count", 2).u32("llama.feed_forward_length", 6).u32("llama.context_length", 64);
  builder.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f).tensor("token_embd.weight", {8, 5}, 0, 0);
  builder.data = std::string(160, '\0');
  return builder;
}

}  // namespace

TEST_CASE("a folder and its GGUF forms hold the same weights in the same order") {
  std::string reference = golden_checkpoint("tiny-llama");
  check_same_weights(golden_checkpoint("tiny-llama-f32.gguf"), reference, 0);
  check_same_weights(golden_checkpoint("tiny-llama-f16.gguf"), reference, 0);
  check_same_weights(golden_checkpoint("tiny-llama-bf16.gguf"), reference, 0);
  // Largest weight 24/64; half a step of 1/127 (Q8_0) and of 2/31 (Q5_1) of it, and the scale's own rounding.
  check_same_weights(golden_checkpoint("tiny-llama-q8_0.gguf"), reference, 0.375 / 127 / 2 + 4e-4);
  check_same_weights(golden_checkpoint("tiny-llama-rope-factors-q5_1.gguf"), reference, 0.75 / 31 / 2 + 4e-4);
  check_same_weights(golden_checkpoint("tiny-qwen2-f32.gguf"), golden_checkpoint("tiny-qwen2"), 0);
}

TEST_CASE("a folder and its GGUF form have the same configuration") {
  for (const char* name : {"tiny-llama", "tiny-qwen2"}) {
    INFO(name);
    Checkpoint gguf_checkpoint = Checkpoint::open(golden_checkpoint(std::string(name) + "-f32.gguf"));
    Checkpoint folder_checkpoint = Checkpoint::open(golden_checkpoint(name));
    ModelConfig gguf = gguf_checkpoint.config(), folder = folder_checkpoint.config();
    CHECK(gguf.architecture == folder.architecture);
    CHECK(gguf.layers == folder.layers);
    CHECK(gguf.hidden == folder.hidden);
    CHECK(gguf.heads == folder.heads);
    CHECK(gguf.kv_heads == folder.kv_heads);
    CHECK(gguf.head_dim == folder.head_dim);
    CHECK(gguf.intermediate == folder.intermediate);
    CHECK(gguf.vocab == folder.vocab);
    CHECK(gguf.context_length == folder.context_length);
    CHECK(gguf.norm_eps == Approx(folder.norm_eps));
    CHECK(gguf.rope_theta == folder.rope_theta);
    CHECK(gguf.tied_head == folder.tied_head);
    CHECK(gguf.attention_bias == folder.attention_bias);
    CHECK(gguf.bos_id == folder.bos_id);
    CHECK(gguf.eos_ids == std::vector<int>{2});
    CHECK(folder.eos_ids == std::vector<int>{2, 3});
    CHECK(gguf_checkpoint.gguf() != nullptr);
    CHECK(folder_checkpoint.gguf() == nullptr);
  }
}

TEST_CASE("rows read one by one equal the whole tensor") {
  for (const char* file : {"tiny-llama-f32.gguf", "tiny-llama-q8_0.gguf", "tiny-llama"}) {
    Checkpoint checkpoint = Checkpoint::open(golden_checkpoint(file));
    const TensorView& tensor = checkpoint.tensor("model.layers.1.self_attn.q_proj.weight");
    std::vector<float> whole = values_of(checkpoint, tensor.name), part(3 * 32);
    checkpoint.read_rows_f32(tensor, 5, 3, part.data());
    CHECK(std::equal(part.begin(), part.end(), whole.begin() + 5 * 32));
  }
}

TEST_CASE("a checkpoint can be moved and is named after its path") {
  Checkpoint first = Checkpoint::open(golden_checkpoint("tiny-llama/"));
  CHECK(first.label() == "tiny-llama");
  Checkpoint second = std::move(first);
  CHECK(values_of(second, "model.norm.weight").size() == 32);
  CHECK(Checkpoint::open(golden_checkpoint("tiny-llama-f32.gguf")).label() == "tiny-llama-f32.gguf");
}

TEST_CASE("a sharded folder is one checkpoint") {
  TemporaryFolder folder;
  TinyLlama model;
  folder.write("config.json", model.config.dump());
  folder.write("a.safetensors", model.shard(0, 4));
  folder.write("b.safetensors", model.shard(4, model.tensors.size()));
  Json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", Json::object()}};
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    index["weight_map"][model.tensors[i].first] = i < 4 ? "a.safetensors" : "b.safetensors";
  }
  folder.write("model.safetensors.index.json", index.dump());
  Checkpoint checkpoint = Checkpoint::open(folder.path());
  CHECK(values_of(checkpoint, "lm_head.weight")[1] == 2);
  CHECK(values_of(checkpoint, "model.layers.0.mlp.down_proj.weight")[47] == 48);

  SECTION("a shard that is not there is named") {
    std::filesystem::remove(folder.file("b.safetensors"));
    CHECK(error_of_opening(folder.path())
              .find("model.safetensors.index.json: names the file \"b.safetensors\", which is not there") !=
          std::string::npos);
  }
  SECTION("a truncated shard is named") {
    std::string whole = model.shard(4, model.tensors.size());
    folder.write("b.safetensors", whole.substr(0, whole.size() - 1));
    CHECK(error_of_opening(folder.path()).find("b.safetensors: the file ends inside tensor") != std::string::npos);
  }
  SECTION("a tensor that is not in its shard is named") {
    index["weight_map"]["lm_head.weight"] = "b.safetensors";
    folder.write("model.safetensors.index.json", index.dump());
    CHECK(error_of_opening(folder.path()).find("b.safetensors: tensor \"lm_head.weight\" is missing") !=
          std::string::npos);
  }
  SECTION("a tensor that the index forgets is missing") {
    index["weight_map"].erase("lm_head.weight");
    folder.write("model.safetensors.index.json", index.dump());
    CHECK(error_of_opening(folder.path()).find("tensor \"lm_head.weight\" is missing") != std::string::npos);
  }
  SECTION("an index may not point out of its folder") {
    index["weight_map"]["lm_head.weight"] = "../a.safetensors";
    folder.write("model.safetensors.index.json", index.dump());
    CHECK(error_of_opening(folder.path()).find("not a file of this folder") != std::string::npos);
  }
}

TEST_CASE("a folder whose files contradict each other is refused, file and tensor named") {
  struct Row {
    const char* defect;
    std::function<void(TinyLlama&)> break_it;
    const char* file;
    const char* message;
  };
  const Row rows[] = {
      {"shape against config.json", [](TinyLlama& m) { m.config["intermediate_size"] = 7; }, "model.safetensors",
       "tensor \"model.layers.0.mlp.gate_proj.weight\" has shape [6, 8], by config.json it must be [7, 8]"},
      {"vocabulary against config.json", [](TinyLlama& m) { m.config["vocab_size"] = 6; }, "model.safetensors",
       "tensor \"model.embed_tokens.weight\" has shape [5, 8]"},
      {"dtype against config.json", [](TinyLlama& m) { m.config["torch_dtype"] = "bfloat16"; }, "model.safetensors",
       "has dtype F32, config.json declares BF16"},
      {"dtype that no weight has",
       [](TinyLlama& m) {
         m.tensor("model.norm.weight") = {"I32", {8}, std::string(32, '\0')};
       },
       "model.safetensors", "tensor \"model.norm.weight\" has dtype I32: weights must be F32, F16 or BF16"},
      {"missing tensor", [](TinyLlama& m) { m.remove("model.layers.0.self_attn.o_proj.weight"); }, "model.safetensors",
       "tensor \"model.layers.0.self_attn.o_proj.weight\" is missing"},
      {"missing head", [](TinyLlama& m) { m.remove("lm_head.weight"); }, "model.safetensors",
       "tensor \"lm_head.weight\" is missing"},
      {"more layers than config.json says",
       [](TinyLlama& m) {
         m.add("model.layers.1.self_attn.q_proj.weight", {8, 8});
       },
       "model.safetensors", "tensor \"model.layers.1.self_attn.q_proj.weight\" has no place"},
      {"a bias that config.json denies", [](TinyLlama& m) { m.add("model.layers.0.self_attn.q_proj.bias", {8}); },
       "model.safetensors", "tensor \"model.layers.0.self_attn.q_proj.bias\" has no place"},
      {"a bias that config.json promises", [](TinyLlama& m) { m.config["mlp_bias"] = true; }, "model.safetensors",
       "tensor \"model.layers.0.mlp.gate_proj.bias\" is missing"},
      {"another architecture", [](TinyLlama& m) { m.config["model_type"] = "mamba"; }, "config.json",
       "unknown architecture 'mamba'"},
  };
  for (const Row& row : rows) {
    INFO(row.defect);
    TinyLlama model;
    row.break_it(model);
    TemporaryFolder folder;
    std::string message = error_of_opening(model.write(folder));
    INFO(message);
    CHECK(message.find(folder.file(row.file) + ": ") == 0);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("a tied head and stored frequencies are no surplus") {
  TinyLlama model;
  model.config["tie_word_embeddings"] = true;
  model.add("model.layers.0.self_attn.rotary_emb.inv_freq", {2});
  TemporaryFolder folder;
  Checkpoint checkpoint = Checkpoint::open(model.write(folder));
  CHECK(!checkpoint.has("lm_head.weight"));
  CHECK(checkpoint.tensors().size() == 11);
}

TEST_CASE("norms may be kept wider than declared") {
  TinyLlama model;
  model.config["torch_dtype"] = "bfloat16";
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() == 1) continue;
    tensor.dtype = "BF16";
    tensor.bytes.resize(tensor.bytes.size() / 2);
  }
  TemporaryFolder folder;
  CHECK(error_of_opening(model.write(folder)) == "(no error)");
}

TEST_CASE("a weight that is not a finite number is found when it is read") {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    TinyLlama model;
    model.tensor("model.norm.weight").bytes.replace(4, 4, bytes_of(bad));
    TemporaryFolder folder;
    Checkpoint checkpoint = Checkpoint::open(model.write(folder));
    std::string message = error_of([&] { values_of(checkpoint, "model.norm.weight"); });
    CHECK(message.find(folder.file("model.safetensors") + ": tensor \"model.norm.weight\" holds") == 0);
    CHECK(values_of(checkpoint, "lm_head.weight").size() == 40);
  }
}

TEST_CASE("a path that is no checkpoint is refused with what to do") {
  TemporaryFolder folder;
  CHECK(error_of_opening(folder.file("none")) == folder.file("none") + ": no such file or folder");
  CHECK(error_of_opening(folder.write("a.bin", "x")).find("neither a folder nor a .gguf file") != std::string::npos);
  CHECK(error_of_opening(folder.path()).find("config.json") != std::string::npos);
  folder.write("config.json", TinyLlama().config.dump());
  CHECK(error_of_opening(folder.path()).find("has neither model.safetensors nor") != std::string::npos);
  CHECK(error_of_opening(folder.write("a.gguf", "")).find("is not a GGUF file") != std::string::npos);
}

TEST_CASE("a GGUF file that Assay cannot run is refused, the reason named") {
  struct Row {
    const char* defect;
    std::function<void(GgufBuilder&)> break_it;
    const char* message;
  };
  const Row rows[] = {
      {"tensors missing", [](GgufBuilder&) {}, "tensor \"blk.0.attn_norm.weight\" is missing"},
      {"part of a split file", [](GgufBuilder& b) { b.u32("split.count", 3); }, "one part of a split GGUF file"},
      {"mixture of experts", [](GgufBuilder& b) { b.u32("llama.expert_count", 8); }, "runs no mixture of experts"},
      {"partial rotation", [](GgufBuilder& b) { b.u32("llama.rope.dimension_count", 2); },
       "\"llama.rope.dimension_count\" is 2"},
      {"unknown scaling", [](GgufBuilder& b) { b.text("llama.rope.scaling.type", "longrope"); },
       "unknown rope scaling \"longrope\""},
      {"kv heads that do not divide", [](GgufBuilder& b) { b.u32("llama.attention.head_count_kv", 3); },
       "2 heads are no multiple of 3"},
  };
  for (const Row& row : rows) {
    INFO(row.defect);
    GgufBuilder builder = gguf_llama();
    row.break_it(builder);
    TemporaryFolder folder;
    std::string path = folder.write("x.gguf", builder.build());
    std::string message = error_of_opening(path);
    INFO(message);
    CHECK(message.find(path + ": ") == 0);
    CHECK(message.find(row.message) != std::string::npos);
  }
  TemporaryFolder folder;
  std::string path = folder.write("x.gguf", GgufBuilder().text("general.architecture", "gemma").build());
  CHECK(error_of_opening(path) == path + ": unknown architecture 'gemma': Assay runs llama, mistral, qwen2");
}

TEST_CASE("real checkpoints open") {
  if (auto path = shared_file("models/stories260K")) {
    Checkpoint checkpoint = Checkpoint::open(*path);
    CHECK(checkpoint.config().layers == 5);
    CHECK(checkpoint.config().kv_heads == 4);
    CHECK(checkpoint.config().tied_head);
    CHECK(checkpoint.config().eos_ids == std::vector<int>{2});
    for (const auto& [name, tensor] : checkpoint.tensors()) values_of(checkpoint, name);
  }
  if (auto path = shared_file("models/digit-llama-bf16-random")) {
    Checkpoint checkpoint = Checkpoint::open(*path);
    CHECK(checkpoint.tensor("lm_head.weight").dtype == DType::kBF16);
    CHECK(!checkpoint.config().bos_id);
    for (const auto& [name, tensor] : checkpoint.tensors()) values_of(checkpoint, name);
  }
}

}  // namespace assay
