"""lm-evaluation-harness's own task files over local data: the harness keeps its prompts and its scoring, only the rows come
from a folder laid out like Assay's data folder, rewritten to the fields that its data sets have on the data hub.
"""

import csv
import dataclasses
import json
import os
from typing import Callable

import yaml


@dataclasses.dataclass
class PeerTask:
    """One task under both names, the harness's task file, and the rows of each split it reads."""
    assay: str
    peer: str
    template: str
    rows: Callable[[], dict]


@dataclasses.dataclass
class Suite:
    name: str
    shots: int
    generates: bool
    tasks: list


def csv_rows(path, names=None):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file, fieldnames=names))


def jsonl_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def subjects_in(folder, suffix, wanted):
    """Names of the files <subject><suffix>, only the wanted ones if any are named."""
    found = sorted(name[:-len(suffix)] for name in os.listdir(folder) if name.endswith(suffix))
    chosen = [name for name in found if not wanted or name in wanted]
    if not chosen:
        raise SystemExit(f"{folder}: none of the subjects {' '.join(wanted)}")
    return chosen


def mmlu(data, wanted):
    names = ["question", "A", "B", "C", "D", "answer"]

    def rows(subject, split):
        for row in csv_rows(os.path.join(data, "mmlu", split, f"{subject}_{split}.csv"), names):
            yield {"question": row["question"], "subject": subject, "choices": [row[letter] for letter in "ABCD"],
                   "answer": "ABCD".index(row["answer"])}

    return [PeerTask(f"mmlu_{subject}@lm-eval", f"mmlu_{subject}", f"mmlu/default/mmlu_{subject}.yaml",
                     lambda subject=subject: {split: rows(subject, split) for split in ("dev", "test")})
            for subject in subjects_in(os.path.join(data, "mmlu", "test"), "_test.csv", wanted)]


def ceval(data, wanted):
    fields = ("question", "A", "B", "C", "D", "answer")

    def rows(subject, split):
        for row in csv_rows(os.path.join(data, "ceval", split, f"{subject}_{split}.csv")):
            yield {field: row[field] for field in fields}

    return [PeerTask(f"ceval_{subject}@lm-eval", f"ceval-valid_{subject}", f"ceval/ceval-valid_{subject}.yaml",
                     lambda subject=subject: {split: rows(subject, split) for split in ("dev", "val")})
            for subject in subjects_in(os.path.join(data, "ceval", "val"), "_val.csv", wanted)]


def arc(data, folder):
    def rows(split):
        for row in jsonl_rows(os.path.join(data, "arc", folder, f"{folder}-{split}.jsonl")):
            choices = row["question"]["choices"]
            yield {"id": row["id"], "question": row["question"]["stem"], "answerKey": row["answerKey"],
                   "choices": {key: [choice[key] for choice in choices] for key in ("text", "label")}}

    name = folder.lower().replace("-", "_")
    return [PeerTask(f"{name}@lm-eval", name, f"arc/{name}.yaml",
                     lambda: {"train": rows("Train"), "validation": rows("Dev"), "test": rows("Test")})]


def hellaswag_text_rows(path):
    """Six lines an item: `activity label: context`, number of the right ending, four endings. The context is one piece, so it
    is the first half and the second is empty: the harness then builds the same text that the line holds."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().rstrip("\n").split("\n")
    for start in range(0, len(lines), 6):
        label, context = lines[start].split(": ", 1)
        yield {"activity_label": label, "ctx_a": context, "ctx_b": "", "endings": lines[start + 2:start + 6],
               "label": lines[start + 1]}


def hellaswag(data):
    original = os.path.join(data, "hellaswag", "hellaswag_val.jsonl")
    text = os.path.join(data, "hellaswag", "hellaswag_val_full.txt")

    def rows():
        validation = jsonl_rows(original) if os.path.exists(original) else list(hellaswag_text_rows(text))
        return {"train": validation[:1], "validation": validation}  # the task names a train split; no shots are drawn

    return [PeerTask("hellaswag@lm-eval", "hellaswag", "hellaswag/hellaswag.yaml", rows)]


def gsm8k(data):
    return [PeerTask("gsm8k@lm-eval", "gsm8k", "gsm8k/gsm8k.yaml",
                     lambda: {split: jsonl_rows(os.path.join(data, "gsm8k", f"{split}.jsonl"))
                              for split in ("train", "test")})]


SUITES = {
    "arc_easy": lambda data, subjects: Suite("arc_easy", 0, False, arc(data, "ARC-Easy")),
    "arc_challenge": lambda data, subjects: Suite("arc_challenge", 0, False, arc(data, "ARC-Challenge")),
    "hellaswag": lambda data, subjects: Suite("hellaswag", 0, False, hellaswag(data)),
    "mmlu": lambda data, subjects: Suite("mmlu", 5, False, mmlu(data, subjects)),
    "ceval": lambda data, subjects: Suite("ceval", 5, False, ceval(data, subjects)),
    "gsm8k": lambda data, subjects: Suite("gsm8k", 5, True, gsm8k(data)),
}


def write_task(task, templates, folder):
    """The data of one task as JSON lines, and a task file that includes the harness's own and names them."""
    files = {}
    for split, rows in task.rows().items():
        files[split] = os.path.join(folder, f"{task.peer}-{split}.jsonl")
        with open(files[split], "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    config = {"include": os.path.join(templates, task.template), "task": task.peer, "dataset_path": "json",
              "dataset_name": None, "dataset_kwargs": {"data_files": files}}
    with open(os.path.join(folder, f"{task.peer}.yaml"), "w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, allow_unicode=True)
