"""SHA-256 of MT-Bench's judge prompts as Python's str.format fills them, for every question, turn and kind.

    python make_goldens.py DATA_FOLDER > mt_bench_prompts.json

DATA_FOLDER is the folder that `assay fetch mt_bench` fills. The prompts themselves are the benchmark's and are not kept
here. Answers are "<id>a<turn>" (pairs: "<id>b<turn>" too).
"""
import hashlib
import json
import sys


def lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]


def main(folder):
    prompts = {p["name"]: p for p in lines(folder + "/mt_bench/judge_prompts.jsonl")}
    references = {r["question_id"]: r["choices"][0]["turns"]
                  for r in lines(folder + "/mt_bench/reference_answer/gpt-4.jsonl")}
    rows = {}
    for question in lines(folder + "/mt_bench/question.jsonl"):
        number, turns = question["question_id"], question["turns"]
        with_reference = number in references
        for turn in (1, 2):
            fields = {"question": turns[0]}
            for i in range(turn):
                fields[f"question_{i + 1}"] = turns[i]
                fields[f"answer_{i + 1}"] = fields[f"answer_a_{i + 1}"] = f"{number}a{i + 1}"
                fields[f"answer_b_{i + 1}"] = f"{number}b{i + 1}"
                if with_reference:
                    fields[f"ref_answer_{i + 1}"] = references[number][i]
            fields["answer"] = fields["answer_a"] = f"{number}a1"
            fields["answer_b"] = f"{number}b1"
            for kind, version in (("single", "-v1"), ("pair", "-v2")):
                name = kind + ("-math-v1" if with_reference else version) + ("-multi-turn" if turn == 2 else "")
                prompt = prompts[name]
                text = prompt["system_prompt"] + "\x00" + prompt["prompt_template"].format(**fields)
                rows[f"{number}/{turn}/{kind}"] = [name, hashlib.sha256(text.encode()).hexdigest()]
    json.dump(rows, sys.stdout, indent=0)
    print()


main(sys.argv[1])
