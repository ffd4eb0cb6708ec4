"""Writes answers.json: verdicts of other programs on answers of our own making, for tests/tasks/scoring/answers_test.cc.

    pip install lm_eval
    python3 make_answer_goldens.py [--out answers.json]

MATH's equality and AGIEval's reading of answers as lm-evaluation-harness carries them in its task agieval (in its task
hendrycks_math a text that is no fraction but has one slash falls back to plain equality), boxes from hendrycks_math, DROP from drop.
"""

import argparse
import importlib.util
import json
import os
import random

import lm_eval


def functions_of(task):
    path = os.path.join(os.path.dirname(lm_eval.__file__), "tasks", task, "utils.py")
    spec = importlib.util.spec_from_file_location(task, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def or_none(function, *arguments):
    try:
        return function(*arguments)
    except Exception:
        return None


SPELLINGS = r"""
5|x=5|xy=5|xyz=5|x=y=5| 5 |5\%|\$5|5\text{ cm}|5\text{cm}|5 \text{ cm} \text{ high}|30^\circ|30^{\circ}|.5|0.5|0.50|-.5|{.5}|( .5, 1)
1/2|3/4|-3/4|3/-4|03/4|3/4/5|x/2|+1/2|-0/1|\frac12|\frac1{72}|\frac{72}1|\frac{1}{2}|\dfrac{1}{2}|\tfrac 1 2|\frac1|\frac|1\frac|\frac12\frac34
\sqrt3|\sqrt{3}|2\sqrt 3|\sqrt|\sqrt\frac12|\left(1,2\right)|\left[0,\infty\right)|\begin{pmatrix} 1 \\ 2 \end{pmatrix}|10,\!000|\frac é2|\sqrt½
y = 2x + 1|f(x)=3|\text{ yes}||\text{East}|1\!2|a \leftarrow b
""".strip().replace("\n", "|").split("|")

BOXES = [r"so \boxed{5}.", r"\boxed{\frac{1}{2}} and \boxed{x^{2}}", r"\boxed{a{b}c", r"\boxed 7$ done", r"none", r"\boxed{}", r"} \boxed{1}", r"{\boxed{2}}",
         r"\boxed{\text{A \boxed{b}}}"]

CLOZE = [" 5", "$5$ or $6$", "$x = 5$.", "x = 5.", "\\boxed{y=3}", "about 3.5 apples", "3.5cm and 4 m", "no answer", "$$", "$ $ 7", "cost $12", "\\boxed{", "a=b=c..",
         "$\\frac{1}{2}$", "12a", "$1$\n$2$", "it is -5"]

SPANS = ["the cat", "Cat", "a", "", "  ", "1,000", "1000", "1000.0", "$5.5", "5.5", ".5", "5.", "1e3", "1_000", "nan", "Infinity", "49ers", "35-yard", "35 yards", "St. Louis",
         "The-Cat", "July 5, 1990", "5 July", "7%", "U.S.", "Émile Zola", "2011–12", "an apple a day", "x—the—y", "12345678901234567890", "0.1", "-0", "00012", "--"]


def drop_cases():
    draw = random.Random(1)
    cases = [(["Spain", "Italy"], ["Italy", "the Spain"]), (["Spain Italy"], ["Spain", "Italy"]), (["5 yards"], ["6 yards"]), (["five yards"], ["5 yards"]),
             (["the"], ["a"]), ([""], ["5"]), (["a b", "a c", "b"], ["a", "b c"]), (["x"] * 4, ["x"]), (["x"], ["x", "x"])]
    while len(cases) < 150:
        cases.append(tuple([" ".join(draw.choices(SPANS, k=draw.randint(1, 2))) for _ in range(draw.randint(1, 5))] for _ in range(2)))
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "answers.json"))
    arguments = parser.parse_args()
    agieval, math, drop = functions_of("agieval"), functions_of("hendrycks_math"), functions_of("drop")
    golden = {
        "spelling": [[text, or_none(agieval._strip_string, text)] for text in SPELLINGS],
        "boxed": [[text, or_none(lambda: math.remove_boxed(math.last_boxed_only_string(text)))] for text in BOXES],
        "cloze": [[text, agieval.parse_math_answer(text)] for text in CLOZE],
        "drop_spelling": [[text, drop._normalize(text)] for text in SPANS],
        "drop": [[said, meant, *map(float, drop.get_metrics(said, meant))] for said, meant in drop_cases()],
    }
    with open(arguments.out, "w", encoding="utf-8") as file:
        rows = (f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in part) + "\n]" for name, part in golden.items())
        file.write("{" + ",\n".join(rows) + "}\n")


main()
