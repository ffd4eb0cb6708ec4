#include "model_backend/checkpoint/tensor_list.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

struct NamePair {
  std::string_view canonical, gguf;
};

// Without the ending ".weight" or ".bias".
constexpr NamePair kModelNames[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
// After "model.layers.N." and "blk.N.".
constexpr NamePair kLayerNames[] = {{"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"},
                                    {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
                                    {"self_attn.v_proj", "attn_v"},   {"self_attn.o_proj", "attn_output"},
                                    {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
                                    {"mlp.down_proj", "ffn_down"}};

template <size_t kCount>
std::string_view translate(const NamePair (&names)[kCount], std::string_view canonical) {
  for (const NamePair& pair : names) {
    if (pair.canonical == canonical) return pair.gguf;
  }
  ASSAY_ASSERT(false, "only canonical tensor names are translated");
}

void add_projection(std::vector<ExpectedTensor>& list, const std::string& name, int64_t outputs, int64_t inputs,
                    bool bias) {
  list.push_back({name + ".weight", {outputs, inputs}});
  if (bias) list.push_back({name + ".bias", {outputs}});
}

void add_layer(std::vector<ExpectedTensor>& list, const ModelConfig& config, int layer) {
  std::string prefix = fmt::format("model.layers.{}.", layer);
  int64_t queries = int64_t{config.heads} * config.head_dim, keys = int64_t{config.kv_heads} * config.head_dim;
  list.push_back({prefix + "input_layernorm.weight", {config.hidden}});
  add_projection(list, prefix + "self_attn.q_proj", queries, config.hidden, config.attention_bias);
  add_projection(list, prefix + "self_attn.k_proj", keys, config.hidden, config.attention_bias);
  add_projection(list, prefix + "self_attn.v_proj", keys, config.hidden, config.attention_bias);
  add_projection(list, prefix + "self_attn.o_proj", config.hidden, queries, config.output_bias);
  list.push_back({prefix + "post_attention_layernorm.weight", {config.hidden}});
  add_projection(list, prefix + "mlp.gate_proj", config.intermediate, config.hidden, config.mlp_bias);
  add_projection(list, prefix + "mlp.up_proj", config.intermediate, config.hidden, config.mlp_bias);
  add_projection(list, prefix + "mlp.down_proj", config.hidden, config.intermediate, config.mlp_bias);
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> list;
  list.push_back({"model.embed_tokens.weight", {config.vocab, config.hidden}});
  for (int layer = 0; layer < config.layers; ++layer) add_layer(list, config, layer);
  list.push_back({"model.norm.weight", {config.hidden}});
  if (!config.tied_head) list.push_back({"lm_head.weight", {config.vocab, config.hidden}});
  return list;
}

std::string gguf_tensor_name(std::string_view canonical) {
  size_t dot = canonical.rfind('.');
  std::string_view base = canonical.substr(0, dot), ending = canonical.substr(dot);
  constexpr std::string_view kLayers = "model.layers.";
  if (!starts_with(base, kLayers)) return fmt::format("{}{}", translate(kModelNames, base), ending);
  base.remove_prefix(kLayers.size());
  size_t end_of_number = base.find('.');
  return fmt::format("blk.{}.{}{}", base.substr(0, end_of_number),
                     translate(kLayerNames, base.substr(end_of_number + 1)), ending);
}

}  // namespace assay
