"""A GGUF checkpoint as a Hugging Face folder in float32, as lm-evaluation-harness's `hf` model reads it.

transformers 5.23 takes tokens and merges from a GGUF but not the name of its pre-tokenizer (tokenizer.ggml.pre): every
byte-level BPE gets GPT-2's. Where the name means another one, it is set here after the rules of llama.cpp, for which the
name was made. `smollm` parts each digit from its neighbours before GPT-2's pattern is applied: without it the line breaks of
"\\n\\n5" become two tokens and not one.
"""

import os
import shutil

import gguf
from tokenizers import pre_tokenizers


def gpt2_pattern():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


PRE_TOKENIZERS = {
    "gpt-2": gpt2_pattern,
    "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2_pattern()]),
}


def pre_tokenizer_name(path):
    """Name of the byte-level BPE's pre-tokenizer; None for a tokenizer of another kind."""
    fields = gguf.GGUFReader(path).fields
    if fields["tokenizer.ggml.model"].contents() != "gpt2":
        return None
    return fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else "gpt-2"


def convert_tokenizer(path):
    from transformers import AutoTokenizer
    name = pre_tokenizer_name(path)
    if name is not None and name not in PRE_TOKENIZERS:
        raise SystemExit(f"{path}: pre-tokenizer \"{name}\" is not known here: add it to PRE_TOKENIZERS in {__file__}")
    folder, file = os.path.split(path)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    if name is not None:
        tokenizer.backend_tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]()
    return tokenizer


def convert_model(path):
    """The weights as plain float32 tensors. transformers saves no model that came from a GGUF, so a new one takes them over."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig
    folder, file = os.path.split(path)
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32,
                                                  quantization_config=GgufConfig(dequantize=True))
    model = AutoModelForCausalLM.from_config(loaded.config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    return model


def convert(path, folder):
    """Makes `folder` from the GGUF at `path`, unless it is there already."""
    if os.path.isdir(folder):
        return
    unfinished = folder + ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    convert_tokenizer(path).save_pretrained(unfinished)
    convert_model(path).save_pretrained(unfinished)
    os.rename(unfinished, folder)
