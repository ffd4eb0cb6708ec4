#include "model_backend/checkpoint/config_json.h"

#include <catch2/catch.hpp>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

const char kBase[] = R"({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8,
  "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 8192})";

// The base with the members of `change` on top; a null member is written as null, "-" takes the member away.
HuggingFaceConfig read_changed(const std::string& change, const std::string& generation = "") {
  Json json = Json::parse(kBase);
  Json members = Json::parse(change);
  for (const auto& [key, value] : members.items()) {
    if (value == "-") {
      json.erase(key);
    } else {
      json[key] = value;
    }
  }
  TemporaryFolder folder;
  folder.write("config.json", json.dump());
  if (!generation.empty()) folder.write("generation_config.json", generation);
  return read_config_json(folder.path());
}

ModelConfig model_of(const std::string& change) {
  return read_changed(change).model;
}

}  // namespace

TEST_CASE("absent values mean what transformers makes of them") {
  ModelConfig model = model_of("{}");
  CHECK(model.architecture == "llama");
  CHECK(model.kv_heads == 8);
  CHECK(model.head_dim == 8);
  CHECK(model.norm_eps == 1e-6);
  CHECK(model.rope_theta == 10000);
  CHECK(model.rope_scaling.kind == RopeScaling::kNone);
  CHECK(!model.tied_head);
  CHECK(!model.attention_bias);
  CHECK(!model.sliding_window);
  CHECK(!model.bos_id);
  CHECK(model.eos_ids.empty());
  CHECK(model_of(R"({"max_position_embeddings": "-"})").context_length == 2048);
  CHECK(!read_changed("{}").dtype);
}

TEST_CASE("swish is silu by its other name") {
  CHECK(model_of(R"({"hidden_act": "swish"})").layers == model_of(R"({"hidden_act": "silu"})").layers);
}

TEST_CASE("given values are kept") {
  ModelConfig model = model_of(R"({"head_dim": 16, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
    "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true, "bos_token_id": 1, "eos_token_id": [7, 5, 7]})");
  CHECK(model.head_dim == 16);
  CHECK(model.kv_heads == 2);
  CHECK(model.norm_eps == 1e-5);
  CHECK(model.rope_theta == 500000);
  CHECK(model.tied_head);
  CHECK(model.attention_bias);
  CHECK(model.output_bias);
  CHECK(model.mlp_bias);
  CHECK(model.bos_id == 1);
  CHECK(model.eos_ids == std::vector<int>{5, 7});
}

TEST_CASE("the declared dtype is read in both spellings") {
  CHECK(read_changed(R"({"torch_dtype": "bfloat16"})").dtype == DType::kBF16);
  CHECK(read_changed(R"({"dtype": "float16", "torch_dtype": "float32"})").dtype == DType::kF16);
  CHECK(!read_changed(R"({"torch_dtype": null})").dtype);
}

TEST_CASE("end ids of both files are joined, those outside the vocabulary left out") {
  ModelConfig model = read_changed(R"({"eos_token_id": 2})", R"({"eos_token_id": [9, 2, 100, -1]})").model;
  CHECK(model.eos_ids == std::vector<int>{2, 9});
}

TEST_CASE("Qwen2 has biases on queries, keys and values only") {
  ModelConfig model = model_of(R"({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]})");
  CHECK(model.attention_bias);
  CHECK(!model.output_bias);
  CHECK(!model.mlp_bias);
}

TEST_CASE("sliding windows") {
  struct Row {
    const char* change;
    int window;  // 0: none
    int first_layer;
  };
  const Row rows[] = {
      {R"({"model_type": "mistral", "sliding_window": 4096})", 4096, 0},
      {R"({"model_type": "mistral"})", 4096, 0},
      {R"({"model_type": "mistral", "sliding_window": null})", 0, 0},
      {R"({"model_type": "mistral", "sliding_window": 8192})", 0, 0},
      {R"({"model_type": "llama", "sliding_window": 16})", 0, 0},
      {R"({"model_type": "qwen2", "sliding_window": 16})", 0, 0},
      {R"({"model_type": "qwen2", "sliding_window": 16, "use_sliding_window": true, "max_window_layers": 2})", 16, 2},
      {R"({"model_type": "qwen2", "sliding_window": 16, "use_sliding_window": true, "max_window_layers": 4})", 0, 0},
      {R"({"model_type": "qwen2", "sliding_window": 16, "use_sliding_window": true, "layer_types":
           ["full_attention", "full_attention", "full_attention", "sliding_attention"]})",
       16, 3},
  };
  for (const Row& row : rows) {
    INFO(row.change);
    ModelConfig model = model_of(row.change);
    CHECK(model.sliding_window.value_or(0) == row.window);
    CHECK(model.sliding_window_first_layer == row.first_layer);
  }
}

TEST_CASE("rope scaling in its three spellings") {
  for (const char* change : {R"({"rope_scaling": {"type": "linear", "factor": 2}})",
                             R"({"rope_scaling": {"rope_type": "linear", "factor": 2.0}})",
                             R"({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000}})"}) {
    INFO(change);
    ModelConfig model = model_of(change);
    CHECK(model.rope_scaling.kind == RopeScaling::kLinear);
    CHECK(model.rope_scaling.factor == 2);
  }
  CHECK(model_of(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 7e4}})").rope_theta == 70000);
  CHECK(model_of(R"({"rope_scaling": null})").rope_scaling.kind == RopeScaling::kNone);
  ModelConfig llama3 = model_of(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
    "high_freq_factor": 4, "original_max_position_embeddings": 1024}})");
  CHECK(llama3.rope_scaling.kind == RopeScaling::kLlama3);
  CHECK(llama3.rope_scaling.original_max_position == 1024);
}

TEST_CASE("what Assay cannot run is refused, file and place named") {
  struct Row {
    const char* change;
    const char* message;
  };
  const Row rows[] = {
      {R"({"model_type": "gpt2"})", "unknown architecture 'gpt2': Assay runs llama, mistral, qwen2"},
      {R"({"model_type": "-"})", "\"model_type\" is missing"},
      {R"({"architectures": ["LlamaForSequenceClassification"]})",
       "unknown architecture 'LlamaForSequenceClassification': Assay runs llama, mistral, qwen2"},
      {R"({"architectures": ["MistralForCausalLM"]})", "unknown architecture 'MistralForCausalLM'"},
      {R"({"architectures": "LlamaForCausalLM"})", "\"architectures\" must be a list"},
      {R"({"hidden_size": "-"})", "\"hidden_size\" is missing"},
      {R"({"hidden_size": "wide"})", "\"hidden_size\" must be a whole number"},
      {R"({"hidden_size": 0})", "hidden size is 0"},
      {R"({"hidden_size": 60})", "no multiple of num_attention_heads"},
      {R"({"num_attention_heads": 0})", "no multiple of num_attention_heads"},
      {R"({"num_attention_heads": 0, "head_dim": 8})", "number of heads is 0"},
      {R"({"num_hidden_layers": -1})", "number of layers is -1"},
      {R"({"num_hidden_layers": 1000000})", "number of layers is 1000000"},
      {R"({"vocab_size": 1e15})", "\"vocab_size\" is 1000000000000000, which is absurd"},
      {R"({"num_key_value_heads": 3})", "8 heads are no multiple of 3 key-value heads"},
      {R"({"num_key_value_heads": 0})", "number of key-value heads is 0"},
      {R"({"head_dim": 7})", "head dimension is 7"},
      {R"({"max_position_embeddings": 0})", "context length is 0"},
      {R"({"rms_norm_eps": -1})", "epsilon of the norm is -1"},
      {R"({"rope_theta": 0})", "rope theta is 0"},
      {R"({"hidden_act": "gelu"})", "\"hidden_act\" is \"gelu\""},
      {R"({"partial_rotary_factor": 0.5})", "\"partial_rotary_factor\" is 0.5"},
      {R"({"rope_parameters": {"partial_rotary_factor": 0.5}})", "\"partial_rotary_factor\" is 0.5"},
      {R"({"quantization_config": {"quant_method": "gptq"}})", "the weights are quantized by \"gptq\""},
      {R"({"torch_dtype": "float8"})", "\"torch_dtype\" is \"float8\""},
      {R"({"eos_token_id": "end"})", "\"eos_token_id\" must be a whole number"},
      {R"({"tie_word_embeddings": 1})", "\"tie_word_embeddings\" must be true or false"},
      {R"({"rope_scaling": "linear"})", "\"rope_scaling\" must be an object"},
      {R"({"rope_scaling": {"type": "dynamic", "factor": 2}})", "unknown rope scaling \"dynamic\""},
      {R"({"rope_scaling": {"rope_type": "longrope"}})", "unknown rope scaling \"longrope\""},
      {R"({"rope_scaling": {"rope_type": "linear"}})", "\"factor\" is missing"},
      {R"({"rope_scaling": {"rope_type": "linear", "factor": 0}})", "rope scaling factor is 0"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})", "\"low_freq_factor\" is missing"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}})",
       "high_freq_factor of rope scaling is not above"},
      {R"({"model_type": "mistral", "sliding_window": 0})", "sliding window is 0"},
      {R"({"model_type": "qwen2", "use_sliding_window": true, "layer_types":
           ["sliding_attention", "full_attention", "full_attention", "full_attention"]})",
       "\"layer_types\" of layer 1"},
  };
  for (const Row& row : rows) {
    INFO(row.change);
    std::string message = error_of([&] { read_changed(row.change); });
    INFO(message);
    CHECK(message.find("/config.json: ") != std::string::npos);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("files that are no JSON are refused") {
  TemporaryFolder folder;
  CHECK(error_of([&] { read_config_json(folder.path()); }).find(folder.file("config.json")) == 0);
  folder.write("config.json", "{\"model_type\": ");
  CHECK(error_of([&] { read_config_json(folder.path()); }).find("config.json: malformed JSON") != std::string::npos);
  folder.write("config.json", "[1]");
  CHECK(error_of([&] { read_config_json(folder.path()); }).find("a JSON object was expected") != std::string::npos);
  CHECK(error_of([] { read_changed("{}", "{"); }).find("generation_config.json: malformed JSON") != std::string::npos);
}

}  // namespace assay
