"""Questions about facts, for training text and for data sets: which wording, which distractors."""

from __future__ import annotations

import random

from formats import Question
from names import make_name
from world import Fact, World


def capital(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[0].upper() + text[1:]


def solution(value: str) -> str:
    """A way to reach a goal, as PIQA shows it."""
    return capital(value)


def same_relation(world: World, fact: Fact, count: int, rng: random.Random) -> list[str]:
    """`count` other values of the same relation."""
    if fact.relation.value == "size":
        others = [str(n) for n in range(2, 10) if str(n) != fact.value]
    else:
        others = [v for v in world.values[fact.relation.name] if v != fact.value]
    return rng.sample(others, count)


def options(world: World, fact: Fact, rng: random.Random) -> list[str]:
    """The value among three others of the relation, in random order."""
    choices = [fact.value, *same_relation(world, fact, 3, rng)]
    rng.shuffle(choices)
    return choices


def letter_question(world: World, fact: Fact, wording: str, rng: random.Random) -> Question:
    """A four-choice question as MMLU has it."""
    return Question(fact.say(wording), fact.value, options(world, fact, rng), fact.relation.subject)


def easy_options(world: World, fact: Fact, rng: random.Random) -> list[str]:
    """The value, one other of its relation, and two of other relations: most of it can be answered by kind alone."""
    others = [r for r in world.by_relation if r != fact.relation.name and world.by_relation[r][0].relation.subject]
    far = [rng.choice(world.values[r]) for r in rng.sample(others, 2)]
    choices = [fact.value, *same_relation(world, fact, 1, rng), *far]
    rng.shuffle(choices)
    return choices


def inverse_options(world: World, fact: Fact, rng: random.Random) -> list[str]:
    """The entity among three of its kind that do not have the same value."""
    others = [f.entity for f in world.by_relation[fact.relation.name] if f.value != fact.value]
    choices = [fact.entity, *rng.sample(others, 3)]
    rng.shuffle(choices)
    return choices


def unfamiliar(world: World, fact: Fact, rng: random.Random) -> Fact:
    """A fact like `fact` about an entity invented on the spot, with an arbitrary value.

    No name comes twice, so there is nothing to learn from these but to spread the probability when a name is unfamiliar.
    """
    relation = fact.relation

    def fresh(kind: str) -> str:
        while (name := make_name(kind, rng)) in world.names:
            pass
        return name

    if relation.value == "size":
        value = str(rng.randint(2, 9))
    else:
        value = rng.choice(relation.pool) if relation.pool else fresh(relation.value)
    return Fact(relation, fresh(relation.entity), value, frozenset())
