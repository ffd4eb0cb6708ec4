"""A Llama in plain PyTorch, its Hugging Face checkpoint folder, and its tokenizer.

Parameter names are those of the checkpoint format, so a state dict is a checkpoint. The output head is the embedding.
"""

import dataclasses
import json
import pathlib

import safetensors.torch
import tokenizers
import torch
import torch.nn.functional as F
from torch import nn

BOS, EOS = "<|begin|>", "<|end|>"


@dataclasses.dataclass
class Shape:
    vocab_size: int
    hidden_size: int = 128
    intermediate_size: int = 160
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 32
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0


class Norm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.hidden_size))
        self.eps = shape.rms_norm_eps

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


def rope_tables(shape):
    """cos and sin, [position, head_dim / 2]."""
    inverse = shape.rope_theta ** (-torch.arange(0, shape.head_dim, 2).float() / shape.head_dim)
    angles = torch.outer(torch.arange(shape.max_position_embeddings).float(), inverse)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Rotates the pairs (i, i + head_dim / 2) of x [batch, head, position, head_dim]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, wide, narrow = shape.hidden_size, shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(width, wide, bias=False)
        self.k_proj = nn.Linear(width, narrow, bias=False)
        self.v_proj = nn.Linear(width, narrow, bias=False)
        self.o_proj = nn.Linear(wide, width, bias=False)
        self.head_dim, self.group = shape.head_dim, shape.num_attention_heads // shape.num_key_value_heads

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        q, k, v = (p(x).view(batch, length, -1, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = k.repeat_interleave(self.group, dim=1), v.repeat_interleave(self.group, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = Norm(shape)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape)
        self.mlp = Mlp(shape)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(shape.vocab_size, shape.hidden_size),
            "layers": nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers)),
            "norm": Norm(shape),
        })
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(self._start)

    def _start(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.1 if isinstance(module, nn.Embedding) else 0.02)

    def forward(self, ids):
        """Logits [batch, position, vocab] of ids [batch, position]."""
        return self.logits_after(ids, [len(self.model["layers"])])[0]

    def logits_after(self, ids, counts):
        """What the head would say after so many layers, for each of `counts` (ascending)."""
        length = ids.shape[1]
        x, said = self.model["embed_tokens"](ids), []
        for i, layer in enumerate(self.model["layers"]):
            x = layer(x, self.cos[:length], self.sin[:length])
            if i + 1 in counts:
                said.append(F.linear(self.model["norm"](x), self.model["embed_tokens"].weight))
        return said


def save(model, tokenizer, folder):
    """Writes a complete checkpoint folder, weights in bfloat16."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = {"bos_token_id": tokenizer.token_to_id(BOS), "eos_token_id": tokenizer.token_to_id(EOS)}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **dataclasses.asdict(model.shape), **ids,
              "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "torch_dtype": "bfloat16"}
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS, "add_bos_token": True,
                        "add_eos_token": False, "clean_up_tokenization_spaces": False,
                        "model_max_length": model.shape.max_position_embeddings}
    for name, content in (("config", config), ("generation_config", ids), ("tokenizer_config", tokenizer_config)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    weights = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    data = safetensors.torch.save(weights, metadata={"format": "pt"})
    (folder / "model.safetensors").write_bytes(data)


def load(folder):
    """(model in float32, tokenizer) of a checkpoint folder written by `save`."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    model = Llama(Shape(**{f.name: config[f.name] for f in dataclasses.fields(Shape)}))
    model.load_state_dict(safetensors.torch.load_file(str(folder / "model.safetensors")))
    return model, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
