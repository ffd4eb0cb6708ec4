"""Scores the example checkpoints on the sample suites with PyTorch, as a check that does not depend on Assay.

    python evaluate.py --checkpoints ../checkpoints --suites ../data

Prints a Markdown table: a row for each suite, a column for each checkpoint, score ± standard error (per cent, or bits per byte).
"""

import argparse
import csv
import json
import math
import pathlib

import torch

import make_data
import model as llama


class Scorer:
    """A checkpoint and the two things asked of it: log-likelihoods of continuations, and greedy text."""

    def __init__(self, folder):
        self.model, self.tokenizer = llama.load(folder)
        self.end = self.tokenizer.token_to_id(llama.EOS)

    def _batches(self, rows, size=32):
        """Rows of ids of similar length, padded at the right: (indices, ids). Causal attention never sees the padding."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for at in range(0, len(order), size):
            chosen = order[at:at + size]
            width = max(len(rows[i]) for i in chosen)
            yield chosen, torch.tensor([rows[i] + [self.end] * (width - len(rows[i])) for i in chosen])

    @torch.no_grad()
    def _targets(self, rows):
        """For each row of ids the log-probability of every token but the first."""
        result = [None] * len(rows)
        for chosen, ids in self._batches(rows):
            logs = self.model(ids[:, :-1]).log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
            for i, row in zip(chosen, logs):
                result[i] = row[:len(rows[i]) - 1]
        return result

    def loglikelihoods(self, pairs):
        """Log-probability of each (context, continuation): of the tokens that end behind the context; one may begin in it."""
        encoded = [self.tokenizer.encode(c + x) for c, x in pairs]
        own = [next(i for i, (_, last) in enumerate(e.offsets) if last > len(c)) for (c, _), e in zip(pairs, encoded)]
        return [float(logs[n - 1:].sum()) for n, logs in zip(own, self._targets([e.ids for e in encoded]))]

    def bits_per_byte(self, text):
        """Over windows of the longest context; the first token of each window is predicted from BOS."""
        ids, width = self.tokenizer.encode(text).ids, self.model.shape.max_position_embeddings
        windows = [ids[:1] + ids[at:at + width - 1] for at in range(1, len(ids), width - 1)]
        nats = -sum(float(logs.sum()) for logs in self._targets(windows))
        return nats / math.log(2) / len(text.encode())

    @torch.no_grad()
    def generate(self, prompts, stop, most=60):
        """Greedy text after each prompt, up to the first of the stop strings or the end token."""
        texts = [""] * len(prompts)
        rows = [self.tokenizer.encode(p).ids for p in prompts]
        for chosen, _ in self._batches(rows):
            ids, live = {i: list(rows[i]) for i in chosen}, set(chosen)
            for _ in range(most):
                order = sorted(live)
                width = max(len(ids[i]) for i in order)
                batch = torch.tensor([ids[i] + [self.end] * (width - len(ids[i])) for i in order])
                hidden = self.model(batch)
                for row, i in enumerate(order):
                    token = int(hidden[row, len(ids[i]) - 1].argmax())
                    ids[i].append(token)
                    texts[i] = self.tokenizer.decode(ids[i][len(rows[i]):])
                    if token == self.end or any(s in texts[i] for s in stop):
                        live.discard(i)
                if not live:
                    break
        for s in stop:
            texts = [t.split(s)[0] for t in texts]
        return texts


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_csv(path, header):
    """Exam rows: [question, A, B, C, D, letter]."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f))
    return [r[1:7] for r in rows[1:]] if header else rows


def exams(suites, language):
    """(subject name, dev rows, tested rows) of each exam."""
    if language == "en":
        for test in sorted((suites / "sample_mc/test").iterdir()):
            subject = test.name.removesuffix("_test.csv")
            yield subject, read_csv(suites / f"sample_mc/dev/{subject}_dev.csv", False), read_csv(test, False)
    else:
        names = json.loads((suites / "sample_mc_zh/subject_mapping.json").read_text(encoding="utf-8"))
        for subject, (_, chinese, _) in sorted(names.items()):
            yield chinese, *(read_csv(suites / f"sample_mc_zh/{s}/{subject}_{s}.csv", True) for s in ("dev", "val"))


def exam_item(row, language, letter):
    answer = "Answer:" if language == "en" else "答案："
    space = " " if letter and language == "en" else ""
    return row[0] + "\n" + "".join(f"{l}. {o}\n" for l, o in zip("ABCD", row[1:5])) + answer + space + letter


def pick(scorer, items):
    """Whether the likeliest choice is the right one; items are (list of (context, continuation, norm context or None), gold)."""
    pairs = [(c, x) for choices, _ in items for c, x, _ in choices]
    norms = [(n, x) for choices, _ in items for _, x, n in choices if n]
    logs, bare = scorer.loglikelihoods(pairs), iter(scorer.loglikelihoods(norms))
    hits, at = [], iter(logs)
    for choices, gold in items:
        values = [next(at) - (next(bare) if n else 0.0) for _, _, n in choices]
        hits.append(values.index(max(values)) == gold)
    return hits


def letters(scorer, suites, language):
    items = []
    for subject, dev, rows in exams(suites, language):
        head = (make_data.EXAM if language == "en" else make_data.EXAM_ZH).format(subject)
        head += "".join(exam_item(r, language, r[5]) + "\n\n" for r in dev[:2])
        space = " " if language == "en" else ""
        items += [([(head + exam_item(r, language, ""), space + l, None) for l in "ABCD"], "ABCD".index(r[5])) for r in rows]
    return pick(scorer, items)


def exam_cloze(scorer, suites, language):
    """The questions of the letter exam without letters: each option's text, normalised by its likelihood without the question."""
    question, answer, space = ("Question: {}\n\n", "Answer:", " ") if language == "en" else ("问题：{}\n\n", "答案：", "")
    return pick(scorer, [([(question.format(r[0]) + answer, space + o, answer) for o in r[1:5]], "ABCD".index(r[5]))
                         for _, _, rows in exams(suites, language) for r in rows])


def cloze(scorer, suites):
    items = []
    for row in read_jsonl(suites / "sample_cloze/test.jsonl"):
        choices = row["question"]["choices"]
        context = f"Question: {row['question']['stem']}\n\nAnswer:"
        items.append(([(context, " " + c["text"], "Answer:") for c in choices], [c["label"] for c in choices].index(row["answerKey"])))
    return pick(scorer, items)


def endings(scorer, suites):
    return pick(scorer, [([(f"{r['activity_label']}: {r['ctx_a']} {r['ctx_b'].capitalize()}", " " + e, None) for e in r["endings"]],
                          r["label"]) for r in read_jsonl(suites / "sample_endings/val.jsonl")])


def wino(scorer, suites):
    items = []
    for row in read_jsonl(suites / "sample_wino/dev.jsonl"):
        before, after = row["sentence"].split("_")
        items.append(([(before + row[o], after, None) for o in ("option1", "option2")], int(row["answer"]) - 1))
    return pick(scorer, items)


def open_answers(scorer, suites, name):
    shots = "".join(f"Q: {r['question']}\nA: {r['answer'][0]}\n" for r in read_jsonl(suites / name / "dev.jsonl")[:5])
    rows = read_jsonl(suites / name / "test.jsonl")
    given = scorer.generate([f"{make_data.OPEN}{shots}Q: {r['question']}\nA:" for r in rows], ["\n"], 12)
    return [g.strip() in r["answer"] for g, r in zip(given, rows)]


def rationale(row):
    """(text of the steps, number) of a GSM8K answer, calculator annotations removed."""
    steps, number = row["answer"].split("\n#### ")
    return " ".join("".join(part.split(">>")[-1] for part in step.split("<<")) for step in steps.split("\n")), number


def maths(scorer, suites, count=4):
    shots = [(r["question"], *rationale(r)) for r in read_jsonl(suites / "sample_math/train.jsonl")[:count]]
    head = "".join(f"Q: {q}\nA: Let's think step by step. {steps} The answer is {n}.\n\n" for q, steps, n in shots)
    rows = read_jsonl(suites / "sample_math/test.jsonl")
    given = scorer.generate([f"{head}Q: {r['question']}\nA: Let's think step by step." for r in rows], ["\n\n", "Q:"])
    return [g.split("The answer is ")[-1].strip(" .\n") == rationale(r)[1] for g, r in zip(given, rows)]


SUITES = {
    "letters, English (2 shots)": lambda s, d: letters(s, d, "en"),
    "letters, Chinese (2 shots)": lambda s, d: letters(s, d, "zh"),
    "the same exams as cloze, English": lambda s, d: exam_cloze(s, d, "en"),
    "the same exams as cloze, Chinese": lambda s, d: exam_cloze(s, d, "zh"),
    "cloze": cloze,
    "endings": endings,
    "blanks": wino,
    "open answers, English (5 shots)": lambda s, d: open_answers(s, d, "sample_open"),
    "open answers, Chinese (5 shots)": lambda s, d: open_answers(s, d, "sample_open_zh"),
    "maths (4 shots)": maths,
    "bits per byte, English": lambda s, d: s.bits_per_byte((d / "sample_text/en.txt").read_text(encoding="utf-8")),
    "bits per byte, Chinese": lambda s, d: s.bits_per_byte((d / "sample_text/zh.txt").read_text(encoding="utf-8")),
}


def shown(result):
    if isinstance(result, float):
        return f"{result:.3f}"
    mean, n = sum(result) / len(result), len(result)
    return f"{100 * mean:.1f} ± {100 * math.sqrt(mean * (1 - mean) / (n - 1)):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=pathlib.Path, required=True)
    parser.add_argument("--suites", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="names of checkpoint folders; all without it")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    folders = sorted((f for f in args.checkpoints.iterdir() if not args.only or f.name in args.only),
                     key=lambda f: (not f.name.startswith("step-"), f.name))
    scorers = [Scorer(f) for f in folders]
    print("| suite | " + " | ".join(f.name for f in folders) + " |")
    print("|---|" + "---:|" * len(folders))
    for name, score in SUITES.items():
        print(f"| {name} | " + " | ".join(shown(score(s, args.suites)) for s in scorers) + " |", flush=True)


if __name__ == "__main__":
    main()
