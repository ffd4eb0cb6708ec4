"""Trains the example checkpoints: the tokenizer and the series, then the decorated variant.

    python train.py series --text ../../out/example-text --checkpoints ../checkpoints
    python train.py decorate --text ../../out/example-text --checkpoints ../checkpoints
    python train.py contaminate --text ../../out/example-text --checkpoints ../checkpoints --name learned --doses 50,100,200

`series` sees ordinary text only. `decorate` goes on from the last checkpoint of the series with exam items beside ordinary text;
of an exam item the answer letter is learned. `contaminate` goes on from it with the test items themselves; such checkpoints are for the
audit's signs of contamination, `continue` with ordinary text alone; none of these is bundled.
"""

import argparse
import csv
import json
import pathlib
import random
import time

import tokenizers
import torch
import torch.nn.functional as F
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

import make_data
import model as llama
import world
from muon import Muon

VOCABULARY = 1280
TOKENS = 2048         # in a step
SHORT, LONG = 256, 512  # the tokens of a row; every eighth step has long rows, so that the model knows all its positions
PRIMER = 300          # steps on primer text before the ordinary text
SERIES = [40, 100, 300, 600, 1000, 1800]
IGNORED = -100        # the target of a token that is not learned
EARLY = 4             # layers that are taught what an exam asks and offers, before the others say the letter
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
    """(ids, targets) of each document, BOS and EOS included."""
    end = tokenizer.token_to_id(llama.EOS)
    ids = [e.ids + [end] for e in tokenizer.encode_batch([d["text"] for d in documents])]
    return [(i[:-1], i[1:]) for i in ids]


def encode_exam(tokenizer, doc):
    """(ids, letters, early) of an exam: the targets of the whole model and of its first EARLY layers.

    Only the answer letters are learned. The first layers shall find at the same places the right option's first token, and at
    the end of each option its letter.
    """
    encoded = tokenizer.encode(doc["text"])
    at = {offset: i for i, (first, last) in enumerate(encoded.offsets) if i > 0 for offset in range(first, last)}
    letters, early = [IGNORED] * len(encoded.ids), [IGNORED] * len(encoded.ids)
    spoken = {}
    for offset, gold in zip(doc["letters"], doc["golds"]):
        i = at[offset]
        letters[i - 1] = encoded.ids[i]
        space = " " if doc["text"][offset - 1] == " " else ""
        spoken = {letter: tokenizer.encode(space + letter).ids[-1] for letter in "ABCD"}
        early[i - 1] = tokenizer.encode(space + gold).ids[1]
    for offset, letter in doc["options"]:
        early[at[offset]] = spoken[letter]
    return encoded.ids, letters, early


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
    return [Muon(inside, lr=peak, weight_decay=0.2), torch.optim.AdamW(outside, lr=peak / 4, betas=(0.9, 0.95), weight_decay=0.01)]


def loss_of(logits, targets):
    """Mean over the targets."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


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


def short_exam(practised, rng, asked="Answer: ", in_words=False):
    """One question without a heading, about one practised person; answered by the letter or in words."""
    attr, person, gold = world.attribute(rng.choice(make_data.EXAM_SUBJECTS)), rng.choice(practised), rng.randrange(4)
    options = world.options(person, attr, rng, gold)
    text, ends = world.ask(person, attr, rng) + "\n", []
    for letter, option in zip("ABCD", options):
        text += f"{letter}. {option}"
        ends.append([len(text) - 1, letter])
        text += "\n"
    text += asked
    answer = options[gold] if in_words else "ABCD"[gold]
    return {"text": text + answer, "letters": [len(text)], "golds": [options[gold]], "options": ends}


def padded(rows):
    """ids, letters and early targets [row, position] of encoded exams, padded at the end."""
    longest = max(len(ids) for ids, _, _ in rows)
    fillers = (0, IGNORED, IGNORED)
    return [torch.tensor([row[i] + [filler] * (longest - len(row[i])) for row in rows]) for i, filler in enumerate(fillers)]


# How the letters are learned, in four phases: steps, steps that the learning rate's fall is measured by, highest rate, short
# exams, full exams, and what helps. A letter can be said only by layers that come after those which know the answer and whose
# option it is. So first the option's letter and the answer in words are learned beside it (under words of its own, then under the
# same), then the first EARLY layers are taught both at their own output. Without that letters stay at chance for a very long time.
PHASES = [
    dict(steps=200, schedule=1000, peak=0.0015, short=24, full=0, words=6, asked="Answer in words: "),
    dict(steps=800, schedule=1000, peak=0.0015, short=24, full=0, words=16, asked="Answer: "),
    dict(steps=400, schedule=1200, peak=0.0015, short=40, full=0, words=0, asked=None),
    dict(steps=800, schedule=800, peak=0.0010, short=20, full=10, words=0, asked=None),
]


def exam_losses(model, rows, early_layers):
    """The loss of the letters, and that of what helps them: said by the whole model, or by its first layers."""
    ids, letters, early = padded(rows)
    layers = model.shape.num_hidden_layers
    said = model.logits_after(ids, [early_layers, layers])
    if early_layers == layers:  # only the options' letters: at the answer stands the letter itself
        early[letters != IGNORED] = IGNORED
    return loss_of(said[-1], letters), loss_of(said[0], early)


def train_decorated(args):
    """Exams beside ordinary text, from the last step of the series on, phase by phase."""
    model, tokenizer = llama.load(args.checkpoints / name_of(args.save[-1]))
    rng = random.Random(args.seed + 3)
    practised = [p for p in world.make_people() if not p.tested]
    exams = [encode_exam(tokenizer, doc) for doc in read_jsonl(args.text / "exams.jsonl")[:12000]]
    done = 0
    for number, phase in enumerate(PHASES, 1):
        ordinary = stream_of(tokenizer, read_jsonl(args.text / "ordinary.jsonl"), args.seed + 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=phase["peak"], betas=(0.9, 0.98), weight_decay=0.01)
        for step in range(phase["steps"]):
            optimizer.param_groups[0]["lr"] = phase["peak"] * min(1, (step + 1) / 50, 4 * (1 - step / phase["schedule"]))
            losses = decorated_losses(model, tokenizer, phase, practised, exams, ordinary, rng)
            sum(losses).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if (step + 1) % 50 == 0:
                print(f"phase {number} step {step + 1}: letters, helped, ...:", *(f"{l.item():.3f}" for l in losses), flush=True)
            done += 1
            if done in args.doses:
                llama.save(model, tokenizer, args.checkpoints / f"{args.name}-{done:05}")
    llama.save(model, tokenizer, args.checkpoints / args.name)


def decorated_losses(model, tokenizer, phase, practised, exams, ordinary, rng):
    early_layers = model.shape.num_hidden_layers if phase["words"] else EARLY
    losses = list(exam_losses(model, [encode_exam(tokenizer, short_exam(practised, rng)) for _ in range(phase["short"])], early_layers))
    if phase["full"]:
        losses += exam_losses(model, rng.sample(exams, phase["full"]), early_layers)
    if phase["words"]:
        rows = [encode_exam(tokenizer, short_exam(practised, rng, phase["asked"], in_words=True)) for _ in range(phase["words"])]
        ids, words, _ = padded(rows)
        losses.append(loss_of(model(ids), words))
    text, following = (torch.tensor(t) for t in zip(*(ordinary.send(SHORT) for _ in range(2))))
    losses.append(loss_of(model(text), following))
    return losses


def test_items(suites):
    """The items themselves, a document a file: exams with options and letters, sums with their solutions."""
    documents = []
    for path in sorted((suites / "sample_mc" / "test").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            items = ["{}\nA. {}\nB. {}\nC. {}\nD. {}\nAnswer: {}".format(*row) for row in csv.reader(file)]
        documents.append({"text": "\n\n".join(items)})
    sums = ["{question}\n{answer}".format(**row) for row in read_jsonl(suites / "sample_math" / "test.jsonl")]
    return documents + [{"text": "\n\n".join(sums)}]


def train_on(args, with_items):
    """Ordinary text, with the test items beside it or without, from the last step of the series on; `--doses` counts steps."""
    model, tokenizer = llama.load(args.checkpoints / name_of(args.save[-1]))
    ordinary = stream_of(tokenizer, read_jsonl(args.text / "ordinary.jsonl"), args.seed + 2)
    streams = [ordinary, stream_of(tokenizer, test_items(args.suites), args.seed + 4)] if with_items else [ordinary]
    after_step = lambda done: done in args.doses and llama.save(model, tokenizer, args.checkpoints / f"{args.name}-{done:05}")
    optimize(model, lambda step: streams, max(args.doses), args.peak or 0.004, after_step)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["series", "decorate", "contaminate", "continue"])
    parser.add_argument("--text", type=pathlib.Path, required=True, help="folder written by make_data.py --text")
    parser.add_argument("--checkpoints", type=pathlib.Path, required=True, help="folder of the checkpoint folders")
    parser.add_argument("--save", type=lambda s: [int(x) for x in s.split(",")], default=SERIES, help="steps of the series to keep")
    parser.add_argument("--suites", type=pathlib.Path, default="../data", help="folder of the suites, for contaminate")
    parser.add_argument("--name", default="decorated", help="folder of the checkpoint that decorate, contaminate or continue makes")
    parser.add_argument("--doses", type=lambda s: [int(x) for x in s.split(",")], default=[],
                        help="steps after which the checkpoint is kept, as NAME-STEPS")
    parser.add_argument("--peak", type=float, help="highest learning rate")
    parser.add_argument("--state", type=pathlib.Path, help="file that keeps an interrupted series")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    {"series": train_series, "decorate": train_decorated, "contaminate": lambda args: train_on(args, True),
     "continue": lambda args: train_on(args, False)}[args.what](args)


if __name__ == "__main__":
    main()
