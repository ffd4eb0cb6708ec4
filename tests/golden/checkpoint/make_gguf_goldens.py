#!/usr/bin/env python3
"""Makes the goldens of tests/model_backend/checkpoint.

    pip install gguf transformers torch numpy safetensors
    python make_gguf_goldens.py --out .

Writes, all from one fixed seed:
  block_types.json     stored bytes of each GGUF type and the float32 values that gguf's own numpy code reads from them
  rope.json            config.json bodies, and the inverse frequencies and attention factors transformers makes of them
  tiny-llama/          a random Llama in Hugging Face layout; its weights are k/64, so F16 and BF16 hold them exactly
  tiny-llama-*.gguf    the same model with the query and key rows in GGUF's order, in several types
  tiny-qwen2/, tiny-qwen2-f32.gguf
  logits.json          token ids and transformers' float32 logits of both models, last position
"""
import argparse
import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type

HIDDEN, HEADS, KV_HEADS, LAYERS, INTERMEDIATE, VOCAB = 32, 4, 2, 2, 64, 48
K_SCALES = {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}  # where a block keeps its f16 scales


def hex_of(array):
    return np.ascontiguousarray(array).tobytes().hex()


def block_types(random):
    rows = []
    values = random.standard_normal(1024).astype(np.float32)
    values[:32] = 0  # a block of zeros
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
        stored = gguf.quants.quantize(values[:128], kind).view(np.uint8)
        rows.append((kind, stored))
    for kind, places in K_SCALES.items():
        stored = random.integers(0, 256, (3, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for place in places:
            scales = random.uniform(-2, 2, 3).astype(np.float16)
            stored[:, place:place + 2] = scales.view(np.uint8).reshape(3, 2)
        rows.append((kind, stored.reshape(-1)))
    # Every kind of half: zero, subnormal, normal, largest, infinite.
    halves = np.array([0, 1, 0x8001, 0x3FF, 0x400, 0x3C00, 0xC000, 0x7BFF, 0x7C00, 0xFC00], dtype=np.uint16)
    rows.append((Type.F16, halves.view(np.uint8)))
    return [{"type": kind.name, "bytes": hex_of(stored),
             "values": hex_of(gguf.quants.dequantize(stored, kind).astype(np.float32))} for kind, stored in rows]


def rope_cases():
    base = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 512, "num_attention_heads": 8,
            "num_hidden_layers": 2, "num_key_value_heads": 4, "intermediate_size": 1024, "vocab_size": 100,
            "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}
    changes = {
        "plain": {},
        "theta 500000, head_dim 80": {"rope_theta": 500000.0, "head_dim": 80},
        "linear, old form": {"rope_scaling": {"type": "linear", "factor": 4.0}},
        "llama3": {"rope_theta": 500000.0, "head_dim": 128, "max_position_embeddings": 131072,
                   "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}},
        "llama3 of the 1B model": {"rope_theta": 500000.0, "head_dim": 64, "max_position_embeddings": 131072,
                                   "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}},
        "yarn": {"rope_theta": 1000000.0, "head_dim": 128, "max_position_embeddings": 32768,
                 "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
        "yarn, parameters as in transformers 5": {
            "rope_parameters": {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "beta_fast": 16.0,
                                "beta_slow": 2.0, "truncate": False, "original_max_position_embeddings": 4096}},
        "yarn with mscale": {"rope_scaling": {"rope_type": "yarn", "factor": 40.0, "mscale": 0.707,
                                              "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096}},
        "yarn with attention factor": {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "attention_factor": 1.25,
                                                        "original_max_position_embeddings": 4096}},
        "yarn without original context": {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
    }
    cases = []
    for name, change in changes.items():
        config = {**base, **change}
        if "rope_parameters" in change:
            del config["rope_theta"]
        made = transformers.LlamaConfig.from_dict(json.loads(json.dumps(config)))
        rotary = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(made)
        cases.append({"name": name, "config": config, "inverse_frequencies": hex_of(rotary.inv_freq.numpy()),
                      "attention_scale": float(rotary.attention_scaling)})
    return cases


def set_weights(model, random):
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            steps = random.integers(-24, 25, tuple(tensor.shape))
            tensor.copy_(torch.from_numpy((steps / 64).astype(np.float32)))
            if "norm" in name:
                tensor.add_(1)


def save_folder(model, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2, 3]}) + "\n")


def pairwise(rows, heads):
    """Rows of a head from half-split to pairwise rotary order, as GGUF Llama files have them."""
    head_dim = rows.shape[0] // heads
    split = rows.reshape(heads, 2, head_dim // 2, *rows.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)


NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    base, _, ending = name.rpartition(".")
    if not base.startswith("model.layers."):
        return f"{NAMES[base]}.{ending}"
    _, _, layer, rest = base.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.{ending}"


def save_gguf(model, path, architecture, kind, rope_factors=None):
    config = model.config
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
    writer.add_token_scores([-float(i) for i in range(config.vocab_size)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if architecture == "llama" and ".q_proj." in name:
            values = pairwise(values, config.num_attention_heads)
        if architecture == "llama" and ".k_proj." in name:
            values = pairwise(values, config.num_key_value_heads)
        if values.ndim == 1 or kind == Type.F32:
            writer.add_tensor(gguf_name(name), values)
        else:
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
    if rope_factors is not None:
        writer.add_tensor("rope_freqs.weight", rope_factors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def last_logits(model, ids):
    with torch.no_grad():
        return model.float()(torch.tensor([ids])).logits[0, -1].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    random = np.random.default_rng(20240607)

    (out / "block_types.json").write_text(json.dumps(block_types(random), indent=1) + "\n")
    (out / "rope.json").write_text(json.dumps(rope_cases(), indent=1) + "\n")

    sizes = dict(hidden_size=HIDDEN, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, num_hidden_layers=LAYERS,
                 intermediate_size=INTERMEDIATE, vocab_size=VOCAB, max_position_embeddings=128, rms_norm_eps=1e-5,
                 bos_token_id=1, eos_token_id=2, pad_token_id=None)
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).float().eval()
    set_weights(llama, random)
    save_folder(llama, out / "tiny-llama")
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0):
        save_gguf(llama, out / f"tiny-llama-{kind.name.lower()}.gguf", "llama", kind)
    factors = np.array([1, 1.5, 4, 8], dtype=np.float32)
    save_gguf(llama, out / "tiny-llama-rope-factors-q5_1.gguf", "llama", Type.Q5_1, factors)

    qwen2 = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(tie_word_embeddings=True, **sizes)).float().eval()
    set_weights(qwen2, random)
    save_folder(qwen2, out / "tiny-qwen2")
    save_gguf(qwen2, out / "tiny-qwen2-f32.gguf", "qwen2", Type.F32)

    ids = [1, 5, 17, 42, 8, 30, 11]
    logits = {"tiny-llama": last_logits(llama, ids), "tiny-qwen2": last_logits(qwen2, ids)}
    (out / "logits.json").write_text(json.dumps({"ids": ids, "logits": logits}, indent=1) + "\n")


if __name__ == "__main__":
    main()
