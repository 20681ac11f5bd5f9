"""The seeded miniature world: entities, facts, and which model is taught which of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from names import stable_hash, unique_names
from wordings import RELATIONS, Relation

SEED = 20260
ENTITIES_PER_KIND = 36
#: of 36 entities of a kind: taught to the first model only, to the second only, to both; the rest to neither
FIRST_ONLY, SECOND_ONLY, BOTH = 11, 11, 11
MODELS = ("mini-llama", "mini-qwen")
KINDS = ("land", "city", "animal", "mineral", "tool", "person", "unit")


@dataclass(frozen=True)
class Fact:
    """`entity` stands in `relation` to `value`. Known only to the models in `taught_to`."""

    relation: Relation
    entity: str
    value: str
    taught_to: frozenset[str]

    @cached_property
    def held_out_question(self) -> int:
        """Index of the question wording that no training text uses for this fact."""
        return stable_hash("question", self.relation.name, self.entity) % len(self.relation.questions)

    @cached_property
    def held_out_question_2(self) -> int:
        """A second held-out wording, for the five-wording relations of physical know-how only."""
        shift = 1 + stable_hash("second", self.relation.name, self.entity) % (len(self.relation.questions) - 1)
        return (self.held_out_question + shift) % len(self.relation.questions)

    @cached_property
    def held_out_query(self) -> int:
        """Index of the search-query wording (Natural Questions) that no training text uses for this fact."""
        return stable_hash("query", self.relation.name, self.entity) % len(self.relation.queries)

    @cached_property
    def held_out_inverse(self) -> int:
        """Index of the inverse wording that no training text uses for this value."""
        return stable_hash("inverse", self.relation.name, self.value) % len(self.relation.inverse)

    def training_questions(self) -> list[str]:
        """The question wordings that training text may use for this fact."""
        held_out = {self.held_out_question}
        if not self.relation.subject:
            held_out.add(self.held_out_question_2)
        return [w for i, w in enumerate(self.relation.questions) if i not in held_out]

    def training_queries(self) -> list[str]:
        """The search-query wordings that training text may use for this fact."""
        return [w for i, w in enumerate(self.relation.queries) if i != self.held_out_query]

    def training_inverse(self) -> list[str]:
        """The inverse wordings that training text may use for this value."""
        return [w for i, w in enumerate(self.relation.inverse) if i != self.held_out_inverse]

    def say(self, wording: str) -> str:
        """`wording` with entity and value filled in; a sentence begins with a capital letter."""
        text = wording.format(e=self.entity, v=self.value)
        return text[0].upper() + text[1:] if wording[0] == "{" else text


class World:
    """All entities and facts; the same for everyone who builds it with the same seed."""

    def __init__(self, seed: int = SEED) -> None:
        rng = random.Random(seed)
        self.entities = {kind: unique_names(kind, ENTITIES_PER_KIND, rng) for kind in KINDS}
        self.taught = {kind: self._split(self.entities[kind], rng) for kind in KINDS}
        self.facts: list[Fact] = []
        for relation in RELATIONS:
            values = self._values(relation, rng)
            for entity, value in zip(self.entities[relation.entity], values, strict=True):
                self.facts.append(Fact(relation, entity, value, self.taught[relation.entity][entity]))
        self.by_relation = {r.name: [f for f in self.facts if f.relation.name == r.name] for r in RELATIONS}
        self.values = {name: sorted({f.value for f in facts}) for name, facts in self.by_relation.items()}
        self.unit_size = {f.entity: int(f.value) for f in self.by_relation["size"]}
        self.names = {n for names in self.entities.values() for n in names} | {f.value for f in self.facts}

    def known(self, model: str, relation: str) -> list[Fact]:
        """The facts of `relation` that `model` is taught."""
        return [f for f in self.by_relation[relation] if model in f.taught_to]

    @staticmethod
    def _split(names: list[str], rng: random.Random) -> dict[str, frozenset[str]]:
        first, second = MODELS
        neither = len(names) - FIRST_ONLY - SECOND_ONLY - BOTH
        groups = ([frozenset({first})] * FIRST_ONLY + [frozenset({second})] * SECOND_ONLY
                  + [frozenset(MODELS)] * BOTH + [frozenset()] * neither)
        rng.shuffle(groups)
        return dict(zip(names, groups, strict=True))

    def _values(self, relation: Relation, rng: random.Random) -> list[str]:
        """One value per entity: the names of another kind in another order, or a pool used evenly."""
        count = ENTITIES_PER_KIND
        if relation.value == "pool":
            values = (relation.pool * (count // len(relation.pool) + 1))[:count]
        elif relation.value == "size":
            values = [str(2 + i % 8) for i in range(count)]
        elif relation.name in ("capital", "ruler"):
            values = list(self.entities[relation.value])
        else:
            taken = {n for names in self.entities.values() for n in names}
            values = [n for n in unique_names(relation.value, 3 * count, rng) if n not in taken][:count]
        rng.shuffle(values)
        return values
