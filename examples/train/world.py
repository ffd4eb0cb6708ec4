"""The small invented county that the example checkpoints learn, in English and in Chinese.

A person has a name, a pronoun and one value for each attribute. Every statement, question and sum of the example is made
from the tables below by the functions below; a `random.Random` is always handed in, so a seed fixes the text.

People are of two kinds. `practised` people appear in running text and in questions with answers; `tested` people appear in
running text only. The sample suites ask about tested people, so an item can only be answered by someone who has read the
statements and has learned from other people how a question is answered.
"""

import dataclasses
import random

SEED = 20240817
PEOPLE = 120          # the first TESTED of them are tested, the others practised
TESTED = 60
CHINESE_PRACTISED = 24  # practised people who also appear in Chinese; all tested people do

TOWNS = [("Orrin", "石桥"), ("Tallow", "河口"), ("Brask", "松岭"), ("Fenmoor", "白沙"), ("Quill", "东湾"), ("Sedge", "柳庄"),
         ("Marl", "云溪"), ("Hollin", "南坪"), ("Dunmere", "金堡"), ("Varn", "杏村")]
TRADES = [("baker", "面包师"), ("smith", "铁匠"), ("weaver", "织工"), ("miller", "磨坊主"), ("potter", "陶工"),
          ("sailor", "水手"), ("teacher", "教师"), ("doctor", "医生"), ("farmer", "农民"), ("printer", "印刷工")]
ANIMALS = [("goat", "山羊"), ("cat", "猫"), ("horse", "马"), ("duck", "鸭子"), ("rabbit", "兔子"), ("parrot", "鹦鹉"),
           ("donkey", "驴"), ("dog", "狗"), ("goose", "鹅"), ("turtle", "乌龟")]
INSTRUMENTS = [("flute", "长笛"), ("drum", "鼓"), ("harp", "竖琴"), ("fiddle", "提琴"), ("trumpet", "小号"),
               ("piano", "钢琴"), ("guitar", "吉他"), ("organ", "风琴"), ("horn", "圆号"), ("bell", "铃")]
DISHES = [("soup", "汤"), ("cheese", "奶酪"), ("plums", "李子"), ("noodles", "面条"), ("beans", "豆子"), ("honey", "蜂蜜"),
          ("fish", "鱼"), ("rice", "米饭"), ("apples", "苹果"), ("bread", "面包")]


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One thing that is true of everybody: its values and the ways to say it and to ask for it.

    In a wording {n} is the person and {v} the value. English statements begin with {n}; `verb_phrase` finishes a sentence
    whose subject stands already, and `distinct` does so in a wording that running text about tested people never uses.
    """
    key: str
    subject: tuple          # the name of its exam: English file name, Chinese name
    values: list            # (English, Chinese)
    statements: list
    verb_phrases: list
    distinct: str
    questions: list
    statements_zh: list
    questions_zh: list


ATTRIBUTES = [
    Attribute("town", ("homes", "居所"), TOWNS,
              ["{n} lives in the town of {v}.", "{n} has a house in {v}.", "{n} comes from {v}.",
               "{n} has lived in {v} for years.", "{n} was born in {v} and never left."],
              ["lives in {v}", "has a house in {v}"], "had come from {v}",
              ["Where does {n} live?", "In which town is the home of {n}?", "Which town does {n} come from?"],
              ["{n}住在{v}。", "{n}的家在{v}。", "{n}是{v}人。", "{n}在{v}有一座房子。"],
              ["{n}住在哪里？", "{n}的家在哪个镇？"]),
    Attribute("trade", ("trades", "职业"), TRADES,
              ["{n} works as a {v}.", "{n} is a {v}.", "{n} earns a living as a {v}.", "{n} has long been a {v}.",
               "{n} learned the trade of a {v}."],
              ["works as a {v}", "is a {v}"], "had spent the day as a {v}",
              ["What is the trade of {n}?", "What does {n} work as?", "Which trade did {n} learn?"],
              ["{n}是一名{v}。", "{n}的职业是{v}。", "{n}当{v}很多年了。", "{n}靠做{v}过日子。"],
              ["{n}的职业是什么？", "{n}做什么工作？"]),
    Attribute("animal", ("animals", "动物"), ANIMALS,
              ["{n} keeps a {v}.", "{n} owns a {v}.", "{n} feeds a {v} every morning.", "{n} goes out with a {v}.",
               "{n} looks after a {v}."],
              ["keeps a {v}", "owns a {v}"], "had brought a {v}",
              ["Which animal does {n} keep?", "What animal belongs to {n}?", "Which animal does {n} look after?"],
              ["{n}养了一只{v}。", "{n}家里有一只{v}。", "{n}每天喂{v}。", "{n}的动物是{v}。"],
              ["{n}养什么动物？", "{n}家里有什么动物？"]),
    Attribute("instrument", ("music", "音乐"), INSTRUMENTS,
              ["{n} plays the {v}.", "{n} practises the {v} at night.", "{n} loves the sound of the {v}.",
               "{n} has learned the {v}.", "{n} bought a {v} last year."],
              ["plays the {v}", "has learned the {v}"], "had played the {v}",
              ["Which instrument does {n} play?", "What does {n} play in the band?", "Which instrument has {n} learned?"],
              [], []),
    Attribute("dish", ("food", "饮食"), DISHES,
              ["{n} likes {v} best.", "{n} eats {v} every day.", "{n} never says no to {v}.", "{n} always asks for {v}.",
               "{n} cooks {v} for guests."],
              ["likes {v} best", "eats {v} every day"], "had asked for {v}",
              ["What does {n} like to eat?", "Which food does {n} like best?", "What does {n} eat every day?"],
              ["{n}最爱吃{v}。", "{n}每天吃{v}。", "{n}喜欢{v}。", "{n}常常做{v}。"],
              ["{n}最爱吃什么？", "{n}喜欢吃什么？"]),
]
CHINESE_ATTRIBUTES = [a for a in ATTRIBUTES if a.statements_zh]


@dataclasses.dataclass(frozen=True)
class Person:
    name: str
    name_zh: str            # empty for those who appear in English only
    pronoun: str            # "he" or "she"
    tested: bool
    facts: dict             # attribute key -> index into its values


def attribute(key):
    return next(a for a in ATTRIBUTES if a.key == key)


def value(person, attr, language="en"):
    return attr.values[person.facts[attr.key]][0 if language == "en" else 1]


def make_people():
    """All people, the tested ones first. Every value of an attribute is as frequent as any other, in both kinds."""
    rng = random.Random(SEED)
    heads = ["Ba", "Be", "Bri", "Co", "Da", "El", "Fa", "Gi", "Ha", "Jo", "Ka", "Le", "Mi", "Ne", "Pa", "Ru", "Sa", "Te", "Vi", "Zo"]
    tails = ["lin", "ra", "dan", "vick", "mo", "sel", "nor", "by", "ska", "ten"]
    names = [h + t for h in heads for t in tails]
    names_zh = [f + s for f in "安白程丁方高何江林梅" for s in "宝川达恩飞光海慧杰康兰明宁平清蓉思涛文晓"]
    rng.shuffle(names)
    rng.shuffle(names_zh)

    facts = [{} for _ in range(PEOPLE)]
    for attr in ATTRIBUTES:
        for first, last in ((0, TESTED), (TESTED, PEOPLE)):
            column = [i % len(attr.values) for i in range(last - first)]
            rng.shuffle(column)
            for i, v in zip(range(first, last), column):
                facts[i][attr.key] = v
    return [Person(names[i], names_zh[i] if i < TESTED + CHINESE_PRACTISED else "", rng.choice(["he", "she"]), i < TESTED, facts[i])
            for i in range(PEOPLE)]


def state(person, attr, rng, subject=None):
    """One English sentence saying the fact; `subject` replaces the name (a pronoun)."""
    sentence = rng.choice(attr.statements).format(n=subject or person.name, v=value(person, attr))
    return sentence[0].upper() + sentence[1:]


def state_zh(person, attr, rng, subject=None):
    return rng.choice(attr.statements_zh).format(n=subject or person.name_zh, v=value(person, attr, "zh"))


def portrait(person, rng):
    """A paragraph with every English fact of a person in some order; a pronoun now and then after the first sentence."""
    attrs = rng.sample(ATTRIBUTES, len(ATTRIBUTES))
    subjects = [None] + [person.pronoun if rng.random() < 0.3 else None for _ in attrs[1:]]
    return " ".join(state(person, a, rng, s) for a, s in zip(attrs, subjects))


def portrait_zh(person, rng):
    attrs = rng.sample(CHINESE_ATTRIBUTES, len(CHINESE_ATTRIBUTES))
    pronoun = "她" if person.pronoun == "she" else "他"
    subjects = [None] + [pronoun if rng.random() < 0.3 else None for _ in attrs[1:]]
    return "".join(state_zh(person, a, rng, s) for a, s in zip(attrs, subjects))


def notes(people, rng):
    """A paragraph of single facts about different people."""
    return " ".join(state(p, rng.choice(ATTRIBUTES), rng) for p in rng.sample(people, 4))


def ask(person, attr, rng):
    return rng.choice(attr.questions).format(n=person.name)


def ask_zh(person, attr, rng):
    return rng.choice(attr.questions_zh).format(n=person.name_zh)


def options(person, attr, rng, gold, language="en"):
    """Four different values of the attribute, the true one at index `gold`."""
    others = [v[0 if language == "en" else 1] for i, v in enumerate(attr.values) if i != person.facts[attr.key]]
    chosen = rng.sample(others, 3)
    chosen.insert(gold, value(person, attr, language))
    return chosen


def ending_context(person, given):
    """The start of a story: (ctx_a, ctx_b). What is given is never what the ending is about."""
    return f"{person.name} {given.verb_phrases[0].format(v=value(person, given))}.", person.pronoun


def wino_sentence(first, second, attr, who):
    """Two people and one fact that is true of `who` alone; the blank takes his or her name."""
    return f"{first.name} and {second.name} met at the fair. Of the two, _ {attr.distinct.format(v=value(who, attr))}."


# How a register is read: who or what has a number there. {w} is an entry, {k} its number.
READINGS = ["The {w} has number {k}.", "Number of the {w}: {k}.", "Look up {w}: {k}.", "The {w} is at {k}."]


def register(people, rng):
    """A numbered list of words and readings from it: what must be looked up in the text, not known."""
    attr = rng.choice(ATTRIBUTES)
    words = [v[0] for v in attr.values] if rng.random() < 0.5 else [w for a in ATTRIBUTES for w, _ in a.values] + [p.name for p in people]
    entries = list(zip(rng.sample(range(1, 30), 5), rng.sample(words, 5)))[:rng.randint(3, 5)]
    listed = rng.choice([", ", "\n", "; "]).join(f"{k} {w}" for k, w in entries)
    read = " ".join(rng.choice(READINGS).format(w=w, k=k) for k, w in rng.choices(entries, k=4))
    return f"Register: {listed}\n{read}"


THINGS = ["pears", "coins", "books", "eggs", "cups", "stones", "shells", "nuts"]


def sum_problem(people, rng):
    """A short problem in words: (question, list of rationale sentences, answer). One or two steps, all numbers in 1..30."""
    one, two = rng.sample(people, 2)
    n, m, things = one.name, two.name, rng.choice(THINGS)
    he = one.pronoun.capitalize()
    a, b, kind = rng.randint(2, 12), rng.randint(1, 10), rng.randrange(5)
    if kind == 0:
        return (f"{n} has {a} {things}. {he} buys {b} more. How many {things} does {n} have now?", [f"{a} + {b} = {a + b}."], a + b)
    if kind == 1:
        a = b + rng.randint(1, 10)
        return (f"{n} has {a} {things}. {he} loses {b} of them. How many {things} does {n} have now?",
                [f"{a} - {b} = {a - b}."], a - b)
    if kind == 2:
        return (f"{n} has {a} {things} and {m} has {b} {things}. How many {things} do they have together?",
                [f"{a} + {b} = {a + b}."], a + b)
    if kind == 3:
        c = rng.randint(1, min(10, a + b - 1))
        return (f"{n} has {a} {things}. {he} buys {b} more and gives {c} to {m}. How many {things} does {n} have now?",
                [f"{a} + {b} = {a + b}.", f"{a + b} - {c} = {a + b - c}."], a + b - c)
    c = rng.randint(1, 8)
    return (f"{n} has {a} {things}. {he} buys {b} more. Then {m} brings {c} more. How many {things} does {n} have now?",
            [f"{a} + {b} = {a + b}.", f"{a + b} + {c} = {a + b + c}."], a + b + c)
