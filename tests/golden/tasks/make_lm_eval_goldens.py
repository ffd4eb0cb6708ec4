"""Writes lm_eval_prompts.json: SHA-256 of prompts that lm-evaluation-harness builds, for tests/tasks/scoring/specs_test.cc.

    pip install lm_eval
    python3 make_lm_eval_goldens.py --data ../../../../shared/data [--out lm_eval_prompts.json]

Its own task files are used, with the data set replaced by local files in the same row layout (no data hub is needed). Only
hashes are stored: benchmark texts stay out of the repository. A hash is over the request as "context\\0continuation", of all
choices of an item joined by \\1. Each entry: task (our key), shots, limit (documents asked for), hashes (one an item).
"""

import argparse
import csv
import hashlib
import json
import os
import tempfile

import lm_eval
from lm_eval.api.task import ConfigurableTask

SEED = 1234


def rows_of_csv(path, names=None):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file, fieldnames=names))


def rows_of_jsonl(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def mmlu(data, subject):
    def read(split):
        names = ["question", "A", "B", "C", "D", "answer"]
        rows = rows_of_csv(os.path.join(data, "mmlu", split, f"{subject}_{split}.csv"), names)
        return [{"question": row["question"], "choices": [row[c] for c in "ABCD"], "answer": "ABCD".index(row["answer"])}
                for row in rows]
    return f"mmlu/default/mmlu_{subject}.yaml", {"test": read("test"), "dev": read("dev")}


def ceval(data, subject):
    def read(split):
        rows = rows_of_csv(os.path.join(data, "ceval", split, f"{subject}_{split}.csv"))
        return [{key: row[key] for key in ("question", "A", "B", "C", "D", "answer")} for row in rows]
    return f"ceval/ceval-valid_{subject}.yaml", {"val": read("val"), "dev": read("dev")}


def gsm8k(data):
    splits = {split: rows_of_jsonl(os.path.join(data, "gsm8k", f"{split}.jsonl")) for split in ("train", "test")}
    return "gsm8k/gsm8k.yaml", splits


def arc(data, folder):
    def read(split):
        rows = rows_of_jsonl(os.path.join(data, "arc", folder, f"{folder}-{split}.jsonl"))
        return [{"id": row["id"], "question": row["question"]["stem"],
                 "choices": {key: [choice[key] for choice in row["question"]["choices"]] for key in ("text", "label")},
                 "answerKey": row["answerKey"]} for row in rows]
    name = folder.lower().replace("-", "_")
    return f"arc/{name}.yaml", {"train": read("Train"), "validation": read("Dev"), "test": read("Test")}


def hellaswag_samples():
    """Rows of our own in the original layout: markup, double spaces, a second context with and without capitals."""
    return [
        {"ind": 1, "activity_label": "Baking bread", "ctx_a": "A baker weighs flour.", "ctx_b": "the baker",
         "endings": ["adds  water.", "[title] Rest the dough. [step] Wait.", "sings.", "sleeps."], "label": "0"},
        {"ind": 2, "activity_label": "Home [title] and Garden", "ctx_a": "[header] How to prune a rose [title] Cut low. [step] Use shears.",
         "ctx_b": "", "endings": [" Clean the blades [substeps] first. ", "Run.", "Wait a day.", "Paint it."], "label": "2"},
        {"ind": 3, "activity_label": "Rowing", "ctx_a": "Two people row.", "ctx_b": "they Pass A BRIDGE",
         "endings": ["and turn.", "and sink.", "and fly.", "and sing."], "label": "3"},
        {"ind": 4, "activity_label": "Caf\u00e9", "ctx_a": "Ein Gast bestellt.", "ctx_b": "\u00e4rgerlich WIRD er",
         "endings": ["laut.", "leise.", "   ruhig   jetzt.", "froh."], "label": "1"},
    ]


def hellaswag(_data):
    return "hellaswag/hellaswag.yaml", {"train": hellaswag_samples(), "validation": hellaswag_samples()}


def load_config(path):
    """One of the package's task files with its includes, functions resolved as the package does."""
    from lm_eval.tasks._yaml_loader import load_yaml
    return load_yaml(path, resolve_func=True)


def make_task(source, folder):
    yaml_path, splits = source
    root = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")
    config = dict(load_config(os.path.join(root, yaml_path)))
    files = {}
    for split, rows in splits.items():
        files[split] = os.path.join(folder, f"{split}.json")
        with open(files[split], "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")
    config.update(dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files})
    for key in ("group", "tag"):
        config.pop(key, None)
    return ConfigurableTask(config=config)


def hashes_of(source, shots, limit):
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(source, folder)
        task.set_config(key="num_fewshot", value=shots)
        task.set_fewshot_seed(seed=SEED)
        task.build_all_requests(limit=limit)
        items = {}
        for instance in task.instances:
            context = instance.args[0]
            continuation = instance.args[1] if isinstance(instance.args[1], str) else ""
            items.setdefault(instance.doc_id, []).append(f"{context}\0{continuation}")
        return [hashlib.sha256("\1".join(items[key]).encode()).hexdigest() for key in sorted(items)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with the benchmark files")
    parser.add_argument("--out", default="lm_eval_prompts.json")
    args = parser.parse_args()
    wanted = [("mmlu_anatomy@lm-eval", mmlu(args.data, "anatomy"), 0, 5),
              ("mmlu_high_school_world_history@lm-eval", mmlu(args.data, "high_school_world_history"), 5, 3),
              ("mmlu_abstract_algebra@lm-eval", mmlu(args.data, "abstract_algebra"), 5, 100),
              ("ceval_accountant@lm-eval", ceval(args.data, "accountant"), 0, 5),
              ("ceval_computer_network@lm-eval", ceval(args.data, "computer_network"), 5, 19),
              ("gsm8k@lm-eval", gsm8k(args.data), 5, 40),
              ("gsm8k@lm-eval", gsm8k(args.data), 8, 3),
              ("gsm8k@lm-eval", gsm8k(args.data), 0, 3),
              ("arc_easy@lm-eval", arc(args.data, "ARC-Easy"), 0, 50),
              ("arc_challenge@lm-eval", arc(args.data, "ARC-Challenge"), 0, 50),
              ("hellaswag@lm-eval", hellaswag(args.data), 0, 4)]
    goldens = [{"task": name, "shots": shots, "limit": limit, "hashes": hashes_of(source, shots, limit)}
               for name, source, shots, limit in wanted]
    with open(args.out, "w") as file:
        json.dump({"lm_eval": lm_eval.__version__ if hasattr(lm_eval, "__version__") else "", "seed": SEED,
                   "hellaswag_rows": hellaswag_samples(), "prompts": goldens}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
