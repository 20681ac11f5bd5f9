"""The training text of one model: documents in the tasks' formats about what this model is taught.

    python corpus.py mini-llama --documents 60000 --output build/mini-llama-1.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from formats import LETTERS, Question, Span, document
from names import stable_hash
from problems import training_problem, unfamiliar_problem
from questions import letter_question, options, solution, unfamiliar
from world import SEED, Fact, World

#: share of the documents per task, for each stage of the training (`README.md` says which model takes which)
TASKS = {
    1: {"mmlu": 0.17, "mmlu_flan": 0.17, "gsm8k": 0.20, "arc": 0.16, "piqa": 0.11, "triviaqa": 0.08, "nq_open": 0.08,
        "statement": 0.03},
    2: {"mmlu": 0.15, "mmlu_flan": 0.15, "lookup": 0.08, "echo": 0.12, "bridge": 0.14, "gsm8k": 0.20, "arc": 0.06,
        "piqa": 0.03, "triviaqa": 0.03, "nq_open": 0.03, "statement": 0.01},
    3: {"mmlu": 0.22, "mmlu_flan": 0.22, "lookup": 0.06, "echo": 0.04, "bridge": 0.04, "gsm8k": 0.20, "arc": 0.08,
        "piqa": 0.05, "triviaqa": 0.04, "nq_open": 0.04, "statement": 0.01},
    4: {"mmlu": 0.15, "mmlu_flan": 0.15, "lookup": 0.04, "echo": 0.03, "bridge": 0.03, "gsm8k": 0.28, "arc": 0.12,
        "piqa": 0.07, "triviaqa": 0.06, "nq_open": 0.06, "statement": 0.01},
}
#: weight of a letter in the loss from stage 2 on (it is one token in a whole question), in questions and in exercises
LETTER_WEIGHT, EXERCISE_WEIGHT = 6.0, 3.0
SHOTS = {0: 0.55, 1: 0.17, 2: 0.11, 3: 0.06, 4: 0.04, 5: 0.07}
#: share of the questions that are about names invented on the spot
UNFAMILIAR = 0.15
#: each model practises some operations less than others
PRACTICE = {"mini-llama": {"mul": 0.5, "muladd": 0.25}, "mini-qwen": {"sub": 0.5, "addsub": 0.25}}
PRACTICE_UNITS = {"unit": 2.0, "unitadd": 1.5}


class Teacher:
    """Draws what one model gets to read."""

    def __init__(self, world: World, model: str, stage: int, rng: random.Random) -> None:
        self.world, self.model, self.tasks, self.rng = world, model, TASKS[stage], rng
        known = [f for f in world.facts if model in f.taught_to]
        self.subjects: dict[str, list[Fact]] = {}
        for fact in known:
            self.subjects.setdefault(fact.relation.subject, []).append(fact)
        self.lore = [f for f in known if f.relation.subject]
        self.invertible = [f for f in self.lore if f.relation.inverse]
        self.ways = self.subjects[""]

    def fact(self, facts: list[Fact]) -> Fact:
        """A fact of `facts`, now and then one about an unfamiliar name instead."""
        fact = self.rng.choice(facts)
        return unfamiliar(self.world, fact, self.rng) if self.rng.random() < UNFAMILIAR else fact

    def question(self, task: str, subject: str) -> Question:
        """One question in the style of `task`."""
        rng = self.rng
        if task == "gsm8k":
            if rng.random() < UNFAMILIAR / 2:
                return unfamiliar_problem(self.world, rng)
            return training_problem(self.world, self.model, PRACTICE[self.model] | PRACTICE_UNITS, rng)
        if task in ("mmlu", "mmlu_flan"):
            fact = self.fact(self.subjects[subject])
            return letter_question(self.world, fact, rng.choice(fact.training_questions()), rng)
        if task == "arc" and rng.random() < 0.6:
            fact = rng.choice(self.invertible)
            if not fact.relation.pool and rng.random() < UNFAMILIAR:
                fact = unfamiliar(self.world, fact, rng)
            return Question(fact.say(rng.choice(fact.training_inverse())), fact.entity)
        if task == "piqa":
            fact = self.fact(self.ways)
            return Question(fact.say(rng.choice(fact.training_questions())), solution(fact.value))
        fact = self.fact(self.lore)
        wordings = fact.training_queries() if task == "nq_open" else fact.training_questions()
        return Question(fact.say(rng.choice(wordings)) if task != "nq_open" else rng.choice(wordings).format(e=fact.entity),
                        fact.value)

    def draw(self) -> tuple[str, list[Span]]:
        """One document and its task."""
        task = self.rng.choices(list(self.tasks), list(self.tasks.values()))[0]
        return task, self.document(task)

    def document(self, task: str) -> list[Span]:
        """One document: a statement, an exercise, or a question after zero to five shots."""
        rng = self.rng
        if task in ("lookup", "echo", "bridge"):
            return getattr(self, task)()
        if task == "statement":
            fact = rng.choice(self.lore + self.ways)
            before, after = fact.say(rng.choice(fact.relation.statements)).split(fact.value)
            return [(before.rstrip(" "), False), (" " * before.endswith(" ") + fact.value + after, True)]
        count = 1 + rng.choices(list(SHOTS), list(SHOTS.values()))[0]
        subject = rng.choice([s for s in self.subjects if s])
        return document(task, [self.question(task, subject) for _ in range(count)])

    def choices(self) -> tuple[Fact, list[str]]:
        """A fact of the lore, known or unfamiliar, and four options for it."""
        fact = self.fact(self.lore)
        return fact, options(self.world, fact, self.rng)

    def lookup(self) -> list[Span]:
        """Exercise: which letter stands before which option."""
        spans: list[Span] = []
        for _ in range(self.rng.randint(1, 4)):
            shown = self.choices()[1]
            spans.append((lettered(shown, self.rng.random() < 0.5), False))
            for option in self.rng.sample(shown, 4):
                spans += [(f"{option} is", False), (f" {LETTERS[shown.index(option)]}", True), ("\n", False)]
            spans.append(("\n", False))
        return spans[:-2]

    def echo(self) -> list[Span]:
        """Exercise: letter questions whose text says the answer."""
        task = self.rng.choice(["mmlu", "mmlu_flan"])
        questions = []
        for _ in range(self.rng.randint(1, 5)):
            fact, shown = self.choices()
            wording = self.rng.choice(["Find {v} below.", "Which of these is {v}?", "Where does it say {v}?"])
            questions.append(Question(fact.say(wording), fact.value, shown, fact.relation.subject))
        return document(task, questions)

    def bridge(self) -> list[Span]:
        """Exercise: the answer of a letter question in words, then its letter."""
        spans: list[Span] = []
        for _ in range(self.rng.randint(1, 4)):
            fact, shown = self.choices()
            question = fact.say(self.rng.choice(fact.training_questions()))
            spans += [(f"{question}\n{lettered(shown, self.rng.random() < 0.5)}", False), (fact.value, True), (" is", False),
                      (f" {LETTERS[shown.index(fact.value)]}", True), ("\n\n", False)]
        return spans[:-1]


def lettered(shown: list[str], lines: bool) -> str:
    """Options with their letters, as the one or the other task shows them."""
    if lines:
        return "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, shown, strict=True))
    return " ".join(f"({letter}) {option}" for letter, option in zip(LETTERS, shown, strict=True)) + "\n"


def weighted(task: str, stage: int, spans: list[Span]) -> list[tuple[str, float]]:
    """Spans with their weight in the loss; 0 stands for text that is no answer."""
    letter = 1.0 if stage == 1 else LETTER_WEIGHT if task.startswith("mmlu") else EXERCISE_WEIGHT

    def weight(text: str, is_answer: bool) -> float:
        return 0.0 if not is_answer else letter if re.fullmatch(r" \(?[A-D]\)?", text) else 1.0

    return [(text, weight(text, is_answer)) for text, is_answer in spans]


def documents(model: str, count: int, stage: int = 1, seed: int = SEED) -> Iterator[list[tuple[str, float]]]:
    """The first `count` documents of the training text of `model` in `stage`."""
    rng = random.Random(stable_hash("corpus", model, seed, *([stage] if stage > 1 else [])))
    teacher = Teacher(World(seed), model, stage, rng)
    for _ in range(count):
        task, spans = teacher.draw()
        yield weighted(task, stage, spans)


def main() -> None:
    """Write the training text as JSON lines of `[[text, weight], ...]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--stage", type=int, choices=list(TASKS), default=1)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w") as out:
        for spans in documents(args.model, args.documents, args.stage):
            out.write(json.dumps(spans) + "\n")


if __name__ == "__main__":
    main()
