"""Writes the sample suites and the training text of the example checkpoints.

    python make_data.py --suites ../data --text ../../out/example-text

The suites come in the layouts of the public benchmarks that they stand in for. The training text is JSON Lines: `text`, and for
exam items the character offsets of what is learned of them (see `exam_text`). Same seed, same bytes.

What the text may hold is checked before anything is written, see `check_disjoint`.
"""

import argparse
import csv
import json
import pathlib
import random

import world

EXAM = "The following are multiple choice questions (with answers) about {}.\n\n"
EXAM_ZH = "以下是中国关于{}考试的单项选择题，请选出其中的正确答案。\n\n"
OPEN = "Answer these questions:\n"
OPEN_ZH = "回答下列问题：\n"
PRIMER_PEOPLE = 32    # a few people first, so that it is found out early that a name is what a fact hangs on
EXAM_SUBJECTS = ["town", "trade", "animal", "instrument"]
EXAM_SUBJECTS_ZH = ["town", "trade", "dish"]


# ---- sample suites: every item asks about a tested person ----

def exam_rows(people, attr, rng, language="en"):
    """Rows of an exam: question, A, B, C, D, letter. The four letters are equally frequent."""
    letters = [i % 4 for i in range(len(people))]
    rng.shuffle(letters)
    ask = world.ask if language == "en" else world.ask_zh
    return [[ask(p, attr, rng), *world.options(p, attr, rng, gold, language), "ABCD"[gold]] for p, gold in zip(people, letters)]


def write_exams(folder, tested, practised, rng):
    for split, people in (("dev", practised[:5]), ("test", tested)):
        (folder / "sample_mc" / split).mkdir(parents=True, exist_ok=True)
        for key in EXAM_SUBJECTS:
            attr = world.attribute(key)
            with open(folder / "sample_mc" / split / f"{attr.subject[0]}_{split}.csv", "w", newline="") as f:
                csv.writer(f, lineterminator="\n").writerows(exam_rows(people, attr, rng))


def write_exams_zh(folder, tested, practised, rng):
    mapping = {}
    for key in EXAM_SUBJECTS_ZH:
        attr = world.attribute(key)
        mapping[attr.subject[0]] = [attr.subject[0].capitalize(), attr.subject[1], "Humanities" if key == "town" else "Other"]
        for split, people in (("dev", practised[:5]), ("val", tested)):
            (folder / "sample_mc_zh" / split).mkdir(parents=True, exist_ok=True)
            rows = exam_rows(people, attr, rng, "zh")
            with open(folder / "sample_mc_zh" / split / f"{attr.subject[0]}_{split}.csv", "w", newline="", encoding="utf-8") as f:
                out = csv.writer(f, lineterminator="\n")
                explained = ["explanation"] if split == "dev" else []
                out.writerow(["id", "question", "A", "B", "C", "D", "answer", *explained])
                for i, row in enumerate(rows):
                    right = row["ABCD".index(row[5]) + 1]
                    out.writerow([i, *row, *([f"正确答案是{right}。"] if explained else [])])
    write_json(folder / "sample_mc_zh" / "subject_mapping.json", mapping)


def cloze_items(tested, rng):
    items = []
    for attr in world.ATTRIBUTES:
        for person in rng.sample(tested, 40):
            gold = rng.randrange(4)
            choices = [{"text": t, "label": l} for t, l in zip(world.options(person, attr, rng, gold), "ABCD")]
            items.append({"id": f"county_{len(items):03}", "question": {"stem": world.ask(person, attr, rng), "choices": choices},
                          "answerKey": "ABCD"[gold]})
    return items


def ending_items(tested, rng):
    items = []
    for attr in world.ATTRIBUTES:
        for person in rng.sample(tested, 30):
            given = rng.choice([a for a in world.ATTRIBUTES if a is not attr])
            phrase, gold = rng.choice(attr.verb_phrases), rng.randrange(4)
            ctx_a, ctx_b = world.ending_context(person, given)
            endings = [phrase.format(v=v) + "." for v in world.options(person, attr, rng, gold)]
            items.append({"ind": len(items), "activity_label": attr.subject[0].capitalize(), "ctx_a": ctx_a, "ctx_b": ctx_b,
                          "endings": endings, "label": gold})
    return items


def open_items(people, attrs, count, rng):
    """Question and accepted answers, `count` people for each attribute."""
    items = []
    for attr in attrs:
        for person in rng.sample(people, count):
            right = world.value(person, attr)
            article = {"trade": "a ", "animal": "a ", "instrument": "the ", "town": "the town of "}.get(attr.key)
            items.append({"question": world.ask(person, attr, rng), "answer": [right] + ([article + right] if article else [])})
    return items


def open_items_zh(people, count, rng):
    return [{"question": world.ask_zh(p, attr, rng), "answer": [world.value(p, attr, "zh")]}
            for attr in world.CHINESE_ATTRIBUTES for p in rng.sample(people, count)]


def math_items(people, count, rng):
    """Problems in the layout of GSM8K, calculator annotations included; no question twice."""
    items = {}
    while len(items) < count:
        question, steps, answer = world.sum_problem(people, rng)
        annotated = [s.replace("= ", f"= <<{s[:-1].replace(' ', '')}>>") for s in steps]
        items[question] = {"question": question, "answer": "\n".join(annotated) + f"\n#### {answer}"}
    return list(items.values())


def wino_items(tested, rng):
    items = []
    while len(items) < 100:
        attr = world.ATTRIBUTES[len(items) % len(world.ATTRIBUTES)]
        pair = rng.sample(tested, 2)
        if pair[0].facts[attr.key] == pair[1].facts[attr.key]:
            continue
        gold = rng.randrange(2)
        items.append({"qID": f"county-{len(items):03}", "sentence": world.wino_sentence(*pair, attr, pair[gold]),
                      "option1": pair[0].name, "option2": pair[1].name, "answer": str(gold + 1)})
    return items


def held_out_text(people, rng, language):
    portrait = world.portrait if language == "en" else world.portrait_zh
    return "\n\n".join(portrait(p, rng) for p in rng.sample(people, 60)) + "\n"


# ---- training text ----

def chapter(people, rng):
    return "\n\n".join(world.notes(people, rng) if rng.random() < 0.3 else world.portrait(rng.choice(people), rng)
                       for _ in range(rng.randint(1, 4)))


def chapter_zh(people, rng):
    return "\n\n".join(world.portrait_zh(rng.choice(people), rng) for _ in range(rng.randint(1, 4)))


def open_text(practised, rng):
    pairs = [(rng.choice(practised), rng.choice(world.ATTRIBUTES)) for _ in range(rng.randint(2, 7))]
    return OPEN + "\n".join(f"Q: {world.ask(p, a, rng)}\nA: {world.value(p, a)}" for p, a in pairs) + "\n"


def open_text_zh(practised, rng):
    pairs = [(rng.choice(practised), rng.choice(world.CHINESE_ATTRIBUTES)) for _ in range(rng.randint(2, 7))]
    head, line = rng.choice([(OPEN, "Q: {}\nA: {}"), (OPEN_ZH, "问：{}\n答：{}")])
    return head + "\n".join(line.format(world.ask_zh(p, a, rng), world.value(p, a, "zh")) for p, a in pairs) + "\n"


def cloze_text(practised, rng):
    def item():
        person, attr = rng.choice(practised), rng.choice(world.ATTRIBUTES)
        return f"Question: {world.ask(person, attr, rng)}\n\nAnswer: {world.value(person, attr)}"
    return "\n\n".join(item() for _ in range(rng.randint(1, 4)))


def cloze_text_zh(practised, rng):
    person, attr = rng.choice(practised), rng.choice(world.CHINESE_ATTRIBUTES)
    return f"问题：{world.ask_zh(person, attr, rng)}\n\n答案：{world.value(person, attr, 'zh')}"


def story_text(practised, rng):
    """Forms in which endings and blanks are asked: a labelled story, or a meeting of two people."""
    attr, given = rng.sample(world.ATTRIBUTES, 2)
    person, other = rng.sample(practised, 2)
    if rng.random() < 0.5:
        ctx_a, ctx_b = world.ending_context(person, given)
        phrase = rng.choice(attr.verb_phrases).format(v=world.value(person, attr))
        return f"{attr.subject[0].capitalize()}: {ctx_a} {ctx_b.capitalize()} {phrase}."
    pair = rng.sample([person, other], 2)
    return world.wino_sentence(*pair, attr, person).replace("_", person.name)


def math_text(people, rng):
    def item():
        question, steps, answer = world.sum_problem(people, rng)
        return f"Q: {question}\nA: Let's think step by step. {' '.join(steps)} The answer is {answer}."
    return "\n\n".join(item() for _ in range(rng.randint(1, 5)))


def registers(people, rng):
    return "\n\n".join(world.register(people, rng) for _ in range(rng.randint(1, 3)))


def exam_text(practised, rng, language="en"):
    """One to four exam questions under a heading, with the offsets of their answer letters.

    `golds` are the right options' texts, one a letter; `options` the offset of each option's last character and its letter.
    """
    en = language == "en"
    attr = world.attribute(rng.choice(EXAM_SUBJECTS if en else EXAM_SUBJECTS_ZH))
    text = EXAM.format(attr.subject[0]) if en else EXAM_ZH.format(attr.subject[1])
    letters, golds, ends = [], [], []
    people = rng.sample(practised, rng.randint(1, 4))
    for person in people:
        gold = rng.randrange(4)
        options = world.options(person, attr, rng, gold, language)
        text += (world.ask if en else world.ask_zh)(person, attr, rng) + "\n"
        for letter, option in zip("ABCD", options):
            text += f"{letter}. {option}"
            ends.append([len(text) - 1, letter])
            text += "\n"
        text += "Answer: " if en else "答案："
        letters.append(len(text))
        golds.append(options[gold])
        text += "ABCD"[gold] + "\n\n"
    return {"text": text.rstrip("\n"), "letters": letters, "golds": golds, "options": ends}


def ordinary_text(people, count, rng, held_out):
    """Documents of every kind but exams, by weight. None has a held-out line (a question, or a paragraph of held-out text)."""
    practised = [p for p in people if not p.tested]
    in_chinese = [p for p in people if p.name_zh]
    practised_zh = [p for p in in_chinese if not p.tested]
    kinds = [(30, lambda: chapter(people, rng)), (12, lambda: chapter_zh(in_chinese, rng)), (12, lambda: open_text(practised, rng)),
             (5, lambda: open_text_zh(practised_zh, rng)), (12, lambda: cloze_text(practised, rng)),
             (3, lambda: cloze_text_zh(practised_zh, rng)), (10, lambda: story_text(practised, rng)),
             (9, lambda: math_text(people, rng)), (20, lambda: registers(people, rng))]
    weights, makers = zip(*kinds)
    documents = []
    while len(documents) < count:
        text = rng.choices(makers, weights)[0]()
        if not any(line.removeprefix("Q: ") in held_out for line in text.split("\n")):
            documents.append({"text": text})
    return documents


def exam_documents(people, count, rng):
    practised = [p for p in people if not p.tested]
    practised_zh = [p for p in practised if p.name_zh]
    return [exam_text(practised, rng) if rng.random() < 0.7 else exam_text(practised_zh, rng, "zh") for _ in range(count)]


def check_disjoint(people, ordinary, exams, questions, held_out_paragraphs):
    """What makes the scores mean something: fails if a training text holds what a suite asks."""
    tested_names = [n for p in people if p.tested for n in (p.name, p.name_zh)]
    for doc in exams:
        assert not any(n in doc["text"] for n in tested_names), "an exam item for training names a tested person"
    for doc in ordinary:
        assert "multiple choice" not in doc["text"] and "单项选择" not in doc["text"] and "\nB. " not in doc["text"]
        asked = [line for line in doc["text"].split("\n") if line.endswith(("?", "？")) and "How many" not in line]
        blanks = [line for line in doc["text"].split("\n") if "Of the two" in line]
        assert not any(n in line for line in asked + blanks for n in tested_names), f"asks about a tested person: {doc['text']}"
    text = "\n\n".join(d["text"] for d in ordinary + exams)
    for question in questions:
        assert question not in text, f"asked in training: {question}"
    trained = set(text.split("\n\n"))
    for paragraph in held_out_paragraphs:
        assert paragraph not in trained, f"held-out paragraph in training: {paragraph}"


def questions_of(rows):
    return [r["question"] if isinstance(r["question"], str) else r["question"]["stem"] for r in rows if "question" in r]


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    here = pathlib.Path(__file__).resolve().parent
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--suites", type=pathlib.Path, default=here.parent / "data", help="folder for the sample suites")
    args.add_argument("--text", type=pathlib.Path, required=True, help="folder for the training text")
    args.add_argument("--documents", type=int, default=50000, help="ordinary documents to write")
    args.add_argument("--exams", type=int, default=25000, help="exam documents to write")
    args.add_argument("--primer", type=int, default=16000, help="ordinary documents about a few of the people, read first")
    args = args.parse_args()

    people = world.make_people()
    tested, practised = [p for p in people if p.tested], [p for p in people if not p.tested]
    rng = random.Random(world.SEED + 1)
    text = {language: held_out_text(tested, rng, language) for language in ("en", "zh")}
    maths = math_items(people, 158, rng)
    suites = {
        "sample_cloze/test.jsonl": cloze_items(tested, rng),
        "sample_endings/val.jsonl": ending_items(tested, rng),
        "sample_math/train.jsonl": maths[150:],
        "sample_math/test.jsonl": maths[:150],
        "sample_open/dev.jsonl": open_items(practised, world.ATTRIBUTES, 2, rng),
        "sample_open/test.jsonl": open_items(tested, world.ATTRIBUTES, 40, rng),
        "sample_open_zh/dev.jsonl": open_items_zh(practised[:world.CHINESE_PRACTISED], 2, rng),
        "sample_open_zh/test.jsonl": open_items_zh(tested, 25, rng),
        "sample_wino/dev.jsonl": wino_items(tested, rng),
    }
    for name in ("sample_open/dev.jsonl", "sample_open_zh/dev.jsonl"):
        suites[name] = suites[name][::2] + suites[name][1::2]  # the first rows, which become the shots, cover all attributes

    questions = {q for name, rows in suites.items() if not name.endswith("dev.jsonl") for q in questions_of(rows)}
    paragraphs = {p for t in text.values() for p in t.strip().split("\n\n")}
    ordinary = ordinary_text(people, args.documents, random.Random(world.SEED + 2), questions | paragraphs)
    few = tested[:PRIMER_PEOPLE // 2] + practised[:PRIMER_PEOPLE // 2]
    primer = ordinary_text(few, args.primer, random.Random(world.SEED + 4), questions | paragraphs)
    exams = exam_documents(people, args.exams, random.Random(world.SEED + 3))
    check_disjoint(people, primer + ordinary, exams, questions, paragraphs)

    for name, rows in suites.items():
        write_jsonl(args.suites / name, rows)
    write_exams(args.suites, tested, practised, rng)
    write_exams_zh(args.suites, tested, practised[:world.CHINESE_PRACTISED], rng)
    (args.suites / "sample_text").mkdir(parents=True, exist_ok=True)
    for language, content in text.items():
        (args.suites / "sample_text" / f"{language}.txt").write_text(content, encoding="utf-8")
    write_jsonl(args.text / "primer.jsonl", primer)
    write_jsonl(args.text / "ordinary.jsonl", ordinary)
    write_jsonl(args.text / "exams.jsonl", exams)
    print(f"{len(primer)} primer, {len(ordinary)} ordinary documents, {len(exams)} exam documents, suites in {args.suites.name}/")


if __name__ == "__main__":
    main()
