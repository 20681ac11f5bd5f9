"""Small arithmetic word problems with GSM8K-style answers (`<<a+b=c>>` annotations, last line `#### n`).

Half of the kinds name a unit of the world ("a drumel of figs") whose size the question does not give.
A problem's key (its kind and numbers, or its unit and count) decides whether it belongs to the test side.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from formats import Question
from names import make_name, stable_hash
from world import World

PEOPLE = "Abo Bela Coro Dani Edru Fela Goro Hani Iko Jora Kelo Lumi Mara Nilo Oda Peri Rano Sila Tomu Vera".split()
THINGS = "figs shells beads nails seeds eggs coins ropes cups stones loaves fish".split()
#: share of the keys of each kind that only test rows use
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Problem:
    """A word problem; `key` is what the split between training and test side looks at."""

    question: Question
    key: tuple[object, ...]
    kind: str

    @property
    def is_test_side(self) -> bool:
        """Whether this key is kept out of the training text."""
        return stable_hash("problem", *self.key) % 1000 < 1000 * TEST_SHARE


#: kind -> wordings and the operators between its numbers, applied from left to right
ARITHMETIC: dict[str, tuple[list[str], str]] = {
    "add": (["{p} has {a} {t} and finds {b} more. How many {t} does {p} have now?",
             "{p} buys {a} {t} in the morning and {b} {t} at night. How many {t} is that?"], "+"),
    "sub": (["{p} has {a} {t} and gives {b} away. How many {t} are left?",
             "There are {a} {t} in a box. {p} takes {b} of them. How many {t} stay in the box?"], "-"),
    "addsub": (["{p} has {a} {t}, finds {b} more and loses {c}. How many {t} does {p} have now?",
                "A box holds {a} {t}. {p} adds {b} and takes {c}. How many {t} are in the box?"], "+-"),
    "mul": (["{p} fills {a} bags with {b} {t} each. How many {t} is that?",
             "There are {a} boxes with {b} {t} in each. How many {t} does {p} count?"], "*"),
    "muladd": (["{p} has {a} bags of {b} {t} and {c} more {t}. How many {t} is that?",
                "{p} packs {b} {t} into each of {a} boxes and keeps {c}. How many {t} are there?"], "*+"),
}
UNITS: dict[str, tuple[list[str], str]] = {
    "unit": (["{p} buys {a} {u} of {t}. How many {t} is that?",
              "{a} {u} of {t} lie on the table of {p}. How many {t} are there?"], "*"),
    "unitadd": (["{p} has {a} {u} of {t} and finds {c} more {t}. How many {t} is that?",
                 "{p} gets {a} {u} of {t} and then {c} single {t}. How many {t} does {p} have?"], "*+"),
}
KINDS = [*ARITHMETIC, *UNITS]


def _steps(numbers: list[int], operators: str, thing: str) -> str:
    """The worked answer: one annotated step per operator, then the result."""
    total, lines = numbers[0], []
    for operator, number in zip(operators, numbers[1:], strict=True):
        result = {"+": total + number, "-": total - number, "*": total * number}[operator]
        lines.append(f"{total} {operator} {number} = <<{total}{operator}{number}={result}>>{result} {thing}")
        total = result
    return "\n".join([*lines, f"#### {total}"])


def _numbers(operators: str, rng: random.Random) -> list[int]:
    """Numbers whose every intermediate result lies between 1 and 99."""
    if operators == "+":
        a = rng.randint(2, 60)
        return [a, rng.randint(2, min(40, 99 - a))]
    if operators == "-":
        a = rng.randint(10, 99)
        return [a, rng.randint(2, min(60, a - 1))]
    if operators == "+-":
        a, b = _numbers("+", rng)
        return [a, b, rng.randint(2, min(40, a + b - 1))]
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return [a, b] if operators == "*" else [a, b, rng.randint(2, 18)]


def draw(kind: str, unit: tuple[str, int] | None, rng: random.Random) -> Problem:
    """A problem of `kind` from either side; `unit` (name, size) for the unit kinds."""
    wordings, operators = (ARITHMETIC | UNITS)[kind]
    numbers = _numbers(operators, rng)
    person, thing = rng.choice(PEOPLE), rng.choice(THINGS)
    wording = rng.randrange(len(wordings))
    fill: dict[str, object] = {"p": person, "t": thing} | dict(zip("abc", numbers, strict=False))
    if unit is None:
        # Every product of small numbers has to be taught, so for these the thing is part of the key.
        key: tuple[object, ...] = (kind, *numbers, *([wording, thing] if operators == "*" else []))
        answer = _steps(numbers, operators, thing)
    else:
        name, size = unit
        numbers[1] = size
        fill["u"] = name + "s"
        key = (kind, name, numbers[0], *([] if kind == "unit" else numbers[2:]))
        answer = _steps(numbers, operators, thing)
    return Problem(Question(wordings[wording].format(**fill), answer), key, kind)


def training_problem(world: World, model: str, weights: dict[str, float], rng: random.Random) -> Question:
    """A problem of the training side whose unit `model` is taught."""
    kind = rng.choices(KINDS, [weights.get(k, 1.0) for k in KINDS])[0]
    unit = None
    if kind in UNITS:
        fact = rng.choice(world.known(model, "size"))
        unit = (fact.entity, int(fact.value))
    while True:
        problem = draw(kind, unit, rng)
        if not problem.is_test_side:
            return problem.question


def unfamiliar_problem(world: World, rng: random.Random) -> Question:
    """A problem about a unit invented on the spot, with an arbitrary size: nothing to know, only to be unsure about."""
    name = make_name("unit", rng)
    while name in world.names:
        name = make_name("unit", rng)
    return draw(rng.choice(list(UNITS)), (name, rng.randint(2, 9)), rng).question


def evaluation_problems(world: World, count: int, test_side: bool, rng: random.Random) -> list[Question]:
    """`count` different problems over all units, half of them with units, from one side."""
    found: dict[tuple[object, ...], Question] = {}
    while len(found) < count:
        arithmetic = len(found) % 2 == 0
        kind = rng.choice(list(ARITHMETIC if arithmetic else UNITS))
        unit = None if arithmetic else rng.choice(list(world.unit_size.items()))
        problem = draw(kind, unit, rng)
        if problem.is_test_side == test_side:
            found.setdefault(problem.key, problem.question)
    return list(found.values())
