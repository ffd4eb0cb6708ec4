"""Makes the tiny checkpoints of this folder and their golden logits.

    python make_goldens.py [--out FOLDER] [NAME ...]

Needs torch, transformers, tokenizers and safetensors from PyPI. Each checkpoint is random, from a fixed seed; the logits are
transformers' own in float32. Every folder holds config.json, model.safetensors, tokenizer.json, tokenizer_config.json and
golden.json: {"cases": [{"ids": [...], "logits": [[...], ...]}]}, logits of every position, 7 digits.
"""

import argparse
import json
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

VOCAB = 96
BASE = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    bos_token_id=0,
    eos_token_id=1,
    tie_word_embeddings=False,
)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)
LINEAR = dict(rope_type="linear", factor=4.0, rope_theta=10000.0)

CHECKPOINTS = {
    "llama-plain": (LlamaForCausalLM, LlamaConfig, {}),
    "llama-tied-mha": (LlamaForCausalLM, LlamaConfig, dict(tie_word_embeddings=True, num_key_value_heads=4)),
    "llama-biases": (LlamaForCausalLM, LlamaConfig, dict(attention_bias=True, mlp_bias=True)),
    "llama-head-dim": (LlamaForCausalLM, LlamaConfig, dict(head_dim=12, num_key_value_heads=1)),
    "llama-rope-linear": (LlamaForCausalLM, LlamaConfig, dict(rope_scaling=LINEAR)),
    "llama-rope-llama3": (LlamaForCausalLM, LlamaConfig, dict(rope_scaling=LLAMA3)),
    "llama-rope-yarn": (LlamaForCausalLM, LlamaConfig, dict(rope_scaling=YARN)),
    "mistral-window": (MistralForCausalLM, MistralConfig, dict(sliding_window=24)),
    "qwen2-biases": (Qwen2ForCausalLM, Qwen2Config, dict(tie_word_embeddings=True)),
}


def random_weights(model):
    """Larger than a fresh initialisation, biases included, so that every part shows in the logits."""
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.data.uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            parameter.data.normal_(0, 0.5)
        else:
            parameter.data.normal_(0, 0.25)


def write_tokenizer(folder):
    """One token a printable ASCII character, after BOS and EOS at 0 and 1; enough for the engine to open the checkpoint."""
    alphabet = ["<bos>", "<eos>"] + [chr(33 + i) for i in range(93)] + ["\u0120"]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<bos>", "<eos>"])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<bos>", eos_token="<eos>", add_bos_token=True)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")


def golden_case(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return dict(ids=ids, logits=[[float(f"{value:.7g}") for value in row] for row in logits.tolist()])


def make(name, out):
    torch.manual_seed(sum(name.encode()))
    model_class, config_class, changes = CHECKPOINTS[name]
    config = config_class(**{**BASE, **changes})
    config._attn_implementation = "eager"
    model = model_class(config).float().eval()
    random_weights(model)
    if config.tie_word_embeddings:
        model.tie_weights()
    folder = out / name
    model.save_pretrained(folder, safe_serialization=True)
    write_tokenizer(folder)
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(2, VOCAB, (100,), generator=generator).tolist()
    cases = [golden_case(model, [0]), golden_case(model, [0] + ids[:6])]
    long = golden_case(model, [0] + ids[:79])
    # Of the long text only every thirteenth position is kept: past the window and past the stretched context.
    long["positions"] = list(range(0, 80, 13)) + [79]
    long["logits"] = [long["logits"][p] for p in long["positions"]]
    cases.append(long)
    (folder / "golden.json").write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which checkpoints; all when none is named")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    for name in arguments.names or CHECKPOINTS:
        make(name, arguments.out)


if __name__ == "__main__":
    main()
