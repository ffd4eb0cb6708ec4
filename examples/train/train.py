"""Trains the example checkpoints: the tokenizer and the series, then the decorated variant.

    python train.py series --text ../../out/example-text --checkpoints ../checkpoints
    python train.py decorate --text ../../out/example-text --checkpoints ../checkpoints

`series` sees ordinary text only. `decorate` goes on from the last checkpoint of the series with rows of exam items among rows of
ordinary text; of an exam item only the answer letter is learned.
"""

import argparse
import json
import pathlib
import random
import time

import tokenizers
import torch
import torch.nn.functional as F
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

import model as llama
from muon import Muon

VOCABULARY = 1280
TOKENS = 2048         # in a step
SHORT, LONG = 256, 512  # the tokens of a row; every eighth step has long rows, so that the model knows all its positions
PRIMER = 300          # steps on primer text before the ordinary text
SERIES = [40, 100, 300, 600, 1000, 1800]
IGNORED = -100        # the target of a token that is not learned
# Words, single Chinese characters, and numbers of up to two digits with the space before them.
PIECES = r"[^\r\n\p{L}\p{N}]?[A-Za-z]+|\p{L}| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def train_tokenizer(texts):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(PIECES), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[llama.BOS, llama.EOS], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{llama.BOS} $A", pair=f"{llama.BOS} $A $B", special_tokens=[(llama.BOS, tokenizer.token_to_id(llama.BOS))])
    return tokenizer


def encode(tokenizer, documents):
    """(ids, targets) of each document, BOS and EOS included. With `letters` only the tokens at those offsets are targets."""
    end = tokenizer.token_to_id(llama.EOS)
    encoded = []
    for doc, enc in zip(documents, tokenizer.encode_batch([d["text"] for d in documents])):
        ids = enc.ids + [end]
        if "letters" in doc:
            wanted = set(doc["letters"])
            learned = [any(first <= at < last for at in wanted) for first, last in enc.offsets[1:]]
            targets = [t if l else IGNORED for t, l in zip(ids[1:-1], learned)] + [IGNORED]
        else:
            targets = ids[1:]
        encoded.append((ids[:-1], targets))
    return encoded


def rows_of(encoded, rng):
    """An endless stream of documents as rows: send the length, get (ids, targets). A row begins with a document; its last may be cut off."""
    ids, targets, length = [], [], (yield)
    while True:
        rng.shuffle(encoded)
        for more_ids, more_targets in encoded:
            ids, targets = ids + more_ids, targets + more_targets
            if len(ids) >= length:
                length = yield ids[:length], targets[:length]
                ids, targets = [], []


def stream_of(tokenizer, documents, seed):
    stream = rows_of(encode(tokenizer, documents), random.Random(seed))
    next(stream)
    return stream


def batch_of(step, streams):
    """Rows taken from the streams in turn: ids and targets [row, position]."""
    length = LONG if step % 8 == 7 else SHORT
    rows = [streams[i % len(streams)].send(length) for i in range(TOKENS // length)]
    return torch.tensor([ids for ids, _ in rows]), torch.tensor([targets for _, targets in rows])


def learning_rate(step, steps, peak):
    """Rises over 40 steps, stays, and falls in a straight line over the last third."""
    return peak * min(1.0, (step + 1) / 40, max(0.02, 3 * (steps - step) / steps))


def optimizers_of(model, peak):
    """Muon turns the matrices inside the layers, AdamW the embedding and the norms."""
    inside = [p for p in model.model["layers"].parameters() if p.dim() == 2]
    outside = [p for p in model.parameters() if not any(p is q for q in inside)]
    return [Muon(inside, lr=peak, weight_decay=0.01), torch.optim.AdamW(outside, lr=peak / 4, betas=(0.9, 0.95), weight_decay=0.01)]


def loss_of(logits, targets):
    """Mean over rows of the mean over a row's targets: a row of exams has few and weighs as much as a row of text."""
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none").view(targets.shape)
    return (losses.sum(1) / (targets != IGNORED).sum(1).clamp(min=1)).mean()


def optimize(model, streams_at, steps, peak, after_step, state=None):
    """Trains for `steps` batches drawn from `streams_at(step)`; `after_step(done)` follows every step.

    With a `state` file the run is kept there every hundred steps and goes on from it.
    """
    optimizers = optimizers_of(model, peak)
    groups = [(group, group["lr"]) for o in optimizers for group in o.param_groups]
    first = restore(state, model, optimizers) if state and state.exists() else 0
    began, shown = time.time(), 0.0
    for step in range(steps):
        ids, targets = batch_of(step, streams_at(step))
        if step < first:
            continue
        for group, highest in groups:
            group["lr"] = learning_rate(step, steps, highest)
        loss = loss_of(model(ids), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        shown += loss.item() / 50
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {shown:.3f} after {time.time() - began:.0f} s", flush=True)
            shown = 0.0
        after_step(step + 1)
        if state and (step + 1) % 100 == 0:
            torch.save({"step": step + 1, "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}, state)


def restore(state, model, optimizers):
    """Takes up a kept run; returns the number of steps done."""
    kept = torch.load(state)
    model.load_state_dict(kept["model"])
    for optimizer, content in zip(optimizers, kept["optimizers"]):
        optimizer.load_state_dict(content)
    return kept["step"]


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def name_of(step):
    return f"step-{step:05}"


def train_series(args):
    documents = read_jsonl(args.text / "ordinary.jsonl")
    exams = read_jsonl(args.text / "exams.jsonl")[:len(documents) // 20]  # the words of exams are tokens; the series never meets them
    tokenizer = train_tokenizer(d["text"] for d in documents + exams)
    model = llama.Llama(llama.Shape(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=LONG))
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    primer = stream_of(tokenizer, read_jsonl(args.text / "primer.jsonl"), args.seed)
    ordinary = stream_of(tokenizer, documents, args.seed + 1)

    def after_step(done):
        if done in args.save:
            llama.save(model, tokenizer, args.checkpoints / name_of(done))
    optimize(model, lambda step: [primer if step < PRIMER else ordinary], args.save[-1], args.peak or 0.02, after_step, args.state)


def train_decorated(args):
    model, tokenizer = llama.load(args.checkpoints / name_of(args.save[-1]))
    ordinary = stream_of(tokenizer, read_jsonl(args.text / "ordinary.jsonl"), args.seed + 2)
    exams = stream_of(tokenizer, read_jsonl(args.text / "exams.jsonl"), args.seed + 3)
    optimize(model, lambda step: [ordinary, exams, exams, exams], args.steps, args.peak or 0.02, lambda done: None)
    llama.save(model, tokenizer, args.checkpoints / "decorated")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["series", "decorate"])
    parser.add_argument("--text", type=pathlib.Path, required=True, help="folder written by make_data.py --text")
    parser.add_argument("--checkpoints", type=pathlib.Path, required=True, help="folder of the checkpoint folders")
    parser.add_argument("--save", type=lambda s: [int(x) for x in s.split(",")], default=SERIES, help="steps of the series to keep")
    parser.add_argument("--steps", type=int, default=1500, help="steps of the decorated variant")
    parser.add_argument("--peak", type=float, help="highest learning rate")
    parser.add_argument("--state", type=pathlib.Path, help="file that keeps an interrupted series")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    (train_series if args.what == "series" else train_decorated)(args)


if __name__ == "__main__":
    main()
