#include "model_backend/checkpoint/gguf_config.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

// Metadata that every file has, with an embedding of 5 rows.
GgufBuilder base(const std::string& architecture = "llama") {
  GgufBuilder builder;
  builder.text("general.architecture", architecture);
  for (auto [key, value] : std::vector<std::pair<std::string, uint32_t>>{{"block_count", 1},
                                                                         {"embedding_length", 8},
                                                                         {"attention.head_count", 2},
                                                                         {"feed_forward_length", 6},
                                                                         {"context_length", 64}}) {
    builder.u32(architecture + "." + key, value);
  }
  builder.f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f).tensor("token_embd.weight", {8, 5}, 0, 0);
  builder.data = std::string(256, '\0');
  return builder;
}

ModelConfig config_of(const GgufBuilder& builder) {
  std::string bytes = builder.build();
  return read_gguf_config(GgufFile::view({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "x.gguf"));
}

}  // namespace

TEST_CASE("absent metadata means what llama.cpp makes of it") {
  ModelConfig model = config_of(base());
  CHECK(model.architecture == "llama");
  CHECK(model.kv_heads == 2);
  CHECK(model.head_dim == 4);
  CHECK(model.vocab == 5);
  CHECK(model.rope_theta == 10000);
  CHECK(model.rope_scaling.kind == RopeScaling::kNone);
  CHECK(model.tied_head);
  CHECK(!model.attention_bias);
  CHECK(config_of(base("qwen2")).attention_bias);
}

TEST_CASE("heads may have a dimension of their own") {
  ModelConfig model = config_of(base().u32("llama.attention.key_length", 6).u32("llama.attention.value_length", 6));
  CHECK(model.head_dim == 6);
}

TEST_CASE("linear scaling is the default of a factor") {
  ModelConfig model = config_of(base().f32("llama.rope.scaling.factor", 2.0f));
  CHECK(model.rope_scaling.kind == RopeScaling::kLinear);
  CHECK(model.rope_scaling.factor == 2);
  model = config_of(base().f32("llama.rope.scaling.factor", 2.0f).text("llama.rope.scaling.type", "none"));
  CHECK(model.rope_scaling.kind == RopeScaling::kNone);
}

TEST_CASE("YaRN's attention factor is the written one times the one that follows from the stretch") {
  GgufBuilder builder = base().text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4.0f);
  ModelConfig model = config_of(builder);
  CHECK(model.rope_scaling.kind == RopeScaling::kYarn);
  CHECK(model.rope_scaling.original_max_position == 64);
  CHECK(*model.rope_scaling.attention_factor == Approx(1 + 0.1 * std::log(4.0)));
  builder.u32("llama.rope.scaling.original_context_length", 16).f32("llama.rope.scaling.attn_factor", 0.5f);
  model = config_of(builder);
  CHECK(model.rope_scaling.original_max_position == 16);
  CHECK(*model.rope_scaling.attention_factor == Approx(0.5 + 0.05 * std::log(4.0)));
}

TEST_CASE("ends of text, of turn and of message all end a generation") {
  GgufBuilder builder = base().u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 4);
  builder.u32("tokenizer.ggml.eot_token_id", 3).u32("tokenizer.ggml.eom_token_id", 77);
  ModelConfig model = config_of(builder);
  CHECK(model.bos_id == 1);
  CHECK(model.eos_ids == std::vector<int>{3, 4});
}

TEST_CASE("metadata that cannot be right is refused, file and key named") {
  struct Row {
    GgufBuilder file;
    const char* message;
  };
  const Row rows[] = {
      {base().text("llama.rope.freq_base", "x"), "\"llama.rope.freq_base\" is a text"},
      {base().u32("llama.attention.value_length", 2), "\"llama.attention.value_length\" is 2"},
      {base().f32("llama.rope.scaling.attn_factor", 2.0f), "\"llama.rope.scaling.attn_factor\" is not 1"},
      {base().f32("llama.rope.freq_base", -1.0f), "rope theta is -1"},
      {base().tensor("rope_freqs.weight", {3}, 0, 160), "tensor \"rope_freqs.weight\" must have 2 F32 values"},
      {base().tensor("rope_freqs.weight", {2}, 0, 160), "a rope frequency factor is 0"},
      {GgufBuilder().text("general.architecture", "llama"), "\"llama.block_count\" is missing"},
      {GgufBuilder(), "\"general.architecture\" is missing"},
  };
  for (const Row& row : rows) {
    INFO(row.message);
    std::string message = error_of([&] { config_of(row.file); });
    INFO(message);
    CHECK(message.find("x.gguf: ") == 0);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

}  // namespace assay
