"""Writes the miniature data sets as parquet files, in the layout and with the columns of the hub's originals.

    python build_datasets.py --output ../../datasets/mini

Test rows (validation rows of PIQA, TriviaQA and Natural Questions, which have no public test labels) use the wordings and
numbers that no training text uses. Rows for shots use the others, and in each data set they are about other facts.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from formats import LETTERS
from names import stable_hash
from problems import evaluation_problems
from questions import easy_options, inverse_options, letter_question, same_relation, solution
from world import SEED, Fact, World

Row = dict[str, Any]
TEST_ROWS = 300
STRINGS = pa.list_(pa.string())
SCHEMAS = {
    "mmlu": pa.schema({"question": pa.string(), "subject": pa.string(), "choices": STRINGS, "answer": pa.int64()}),
    "gsm8k": pa.schema({"question": pa.string(), "answer": pa.string()}),
    "arc": pa.schema({"id": pa.string(), "question": pa.string(),
                      "choices": pa.struct({"text": STRINGS, "label": STRINGS}), "answerKey": pa.string()}),
    "piqa": pa.schema({"goal": pa.string(), "sol1": pa.string(), "sol2": pa.string(), "label": pa.int64()}),
    "nq_open": pa.schema({"question": pa.string(), "answer": STRINGS}),
    "trivia_qa": pa.schema({
        "question": pa.string(), "question_id": pa.string(), "question_source": pa.string(),
        "entity_pages": pa.struct({k: STRINGS for k in ("doc_source", "filename", "title", "wiki_context")}),
        "search_results": pa.struct({"description": STRINGS, "filename": STRINGS, "rank": pa.list_(pa.int32()),
                                     "title": STRINGS, "url": STRINGS, "search_context": STRINGS}),
        "answer": pa.struct({"aliases": STRINGS, "normalized_aliases": STRINGS, "matched_wiki_entity_name": pa.string(),
                             "normalized_matched_wiki_entity_name": pa.string(), "normalized_value": pa.string(),
                             "type": pa.string(), "value": pa.string()})}),
}
NUMERALS = dict(zip("23456789", "two three four five six seven eight nine".split(), strict=True))


def aliases(fact: Fact) -> list[str]:
    """The value and other ways to write it."""
    value, kind = fact.value, fact.relation.value
    if kind == "person":
        return [value, value.split()[1]]
    if kind == "river":
        return [value, f"River {value}", f"the {value}"]
    if kind == "size":
        return [value, NUMERALS[value], f"{value} pieces"]
    if fact.relation.name == "instrument":
        return [value, f"the {value}"]
    return [value]


def arc_row(question: str, choices: list[str], answer: str, name: str) -> Row:
    """A row as AI2 ARC has it."""
    return {"id": name, "question": question, "choices": {"text": choices, "label": list(LETTERS)},
            "answerKey": LETTERS[choices.index(answer)]}


class Builder:
    """Makes the rows of every data set from one world."""

    def __init__(self, seed: int = SEED) -> None:
        self.world, self.seed = World(seed), seed

    def rng(self, name: str) -> random.Random:
        """A generator of its own for each data set, so that changing one leaves the others alone."""
        return random.Random(stable_hash("dataset", name, self.seed))

    def split(self, facts: list[Fact], test: int, rng: random.Random) -> tuple[list[Fact], list[Fact]]:
        """`facts` in random order as `test` facts for the test side and the rest for shots."""
        shuffled = rng.sample(facts, len(facts))
        return shuffled[:test], shuffled[test:]

    def lore(self) -> list[Fact]:
        """Every fact that is not physical know-how."""
        return [f for f in self.world.facts if f.relation.subject]

    def mmlu(self) -> dict[str, list[Row]]:
        """Four-choice questions by subject."""
        rng, splits = self.rng("mmlu"), {"dev": [], "validation": [], "test": []}
        subjects = sorted({f.relation.subject for f in self.lore()})
        for subject in subjects:
            facts = [f for f in self.lore() if f.relation.subject == subject]
            tested, others = self.split(facts, TEST_ROWS // len(subjects), rng)
            for split, chosen in (("test", tested), ("dev", others[:5]), ("validation", others[5:13])):
                for fact in chosen:
                    held_out = fact.relation.questions[fact.held_out_question]
                    wording = held_out if split == "test" else rng.choice(fact.training_questions())
                    q = letter_question(self.world, fact, wording, rng)
                    splits[split].append({"question": q.text, "subject": subject, "choices": q.options,
                                          "answer": q.options.index(q.answer)})
        return splits

    def gsm8k(self) -> dict[str, list[Row]]:
        """Word problems with worked answers."""
        rng = self.rng("gsm8k")
        return {split: [{"question": q.text, "answer": q.answer} for q in
                        evaluation_problems(self.world, count, split == "test", rng)]
                for split, count in (("train", 200), ("test", TEST_ROWS))}

    def arc(self, challenge: bool) -> dict[str, list[Row]]:
        """Easy: forward questions, two distractors of another kind. Challenge: inverse questions, all of one kind."""
        name = "challenge" if challenge else "easy"
        rng = self.rng(f"arc-{name}")
        facts = [f for f in self.lore() if f.relation.inverse or not challenge]
        tested, others = self.split(facts, TEST_ROWS, rng)
        splits: dict[str, list[Row]] = {}
        for split, chosen in (("train", others[40:]), ("validation", others[:40]), ("test", tested)):
            rows = []
            for i, fact in enumerate(chosen):
                relation = fact.relation
                if challenge:
                    held_out, free = relation.inverse[fact.held_out_inverse], fact.training_inverse()
                    choices, answer = inverse_options(self.world, fact, rng), fact.entity
                else:
                    held_out, free = relation.questions[fact.held_out_question], fact.training_questions()
                    choices, answer = easy_options(self.world, fact, rng), fact.value
                question = fact.say(held_out if split == "test" else rng.choice(free))
                rows.append(arc_row(question, choices, answer, f"mini-{name}-{split}-{i:03}"))
            splits[split] = rows
        return splits

    def piqa(self) -> dict[str, list[Row]]:
        """Goals with two ways to reach them; three rows per tested fact, in two held-out wordings."""
        rng = self.rng("piqa")
        tested, others = self.split([f for f in self.world.facts if not f.relation.subject], TEST_ROWS // 3, rng)
        splits: dict[str, list[Row]] = {"train": [], "validation": []}
        for split, chosen in (("train", others), ("validation", tested)):
            for fact in chosen:
                first = fact.relation.questions[fact.held_out_question]
                second = fact.relation.questions[fact.held_out_question_2]
                wordings = [first, first, second] if split == "validation" else fact.training_questions()
                for wording, wrong in zip(wordings, same_relation(self.world, fact, 3, rng), strict=True):
                    label = rng.randrange(2)
                    pair = [solution(fact.value), solution(wrong)][::-1 if label else 1]
                    splits[split].append({"goal": fact.say(wording), "sol1": pair[0], "sol2": pair[1], "label": label})
        return splits

    def trivia_qa(self) -> dict[str, list[Row]]:
        """Open questions with aliases; the columns for evidence are empty, as in `rc.nocontext`."""
        rng = self.rng("trivia_qa")
        tested, others = self.split(self.lore(), TEST_ROWS, rng)
        empty = {column: {f.name: [] for f in SCHEMAS["trivia_qa"].field(column).type}
                 for column in ("entity_pages", "search_results")}
        splits: dict[str, list[Row]] = {}
        for split, chosen in (("train", others), ("validation", tested)):
            rows = []
            for i, fact in enumerate(chosen):
                held_out = fact.relation.questions[fact.held_out_question]
                wording = held_out if split == "validation" else rng.choice(fact.training_questions())
                names = aliases(fact)
                answer = {"aliases": names, "normalized_aliases": [n.lower() for n in names],
                          "matched_wiki_entity_name": "", "normalized_matched_wiki_entity_name": "",
                          "normalized_value": fact.value.lower(), "type": "", "value": fact.value}
                rows.append({"question": fact.say(wording), "question_id": f"mini-{split}-{i:03}",
                             "question_source": "", **empty, "answer": answer})
            splits[split] = rows
        return splits

    def nq_open(self) -> dict[str, list[Row]]:
        """Search queries with all accepted answers."""
        rng = self.rng("nq_open")
        tested, others = self.split(self.lore(), TEST_ROWS, rng)
        splits: dict[str, list[Row]] = {}
        for split, chosen in (("train", others), ("validation", tested)):
            splits[split] = [{
                "question": (f.relation.queries[f.held_out_query] if split == "validation"
                             else rng.choice(f.training_queries())).format(e=f.entity),
                "answer": aliases(f)} for f in chosen]
        return splits


def main() -> None:
    """Write every split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("../../datasets/mini"))
    args = parser.parse_args()
    build = Builder()
    jobs = [("cais/mmlu/all", "mmlu", build.mmlu()), ("openai/gsm8k/main", "gsm8k", build.gsm8k()),
            ("allenai/ai2_arc/ARC-Easy", "arc", build.arc(challenge=False)),
            ("allenai/ai2_arc/ARC-Challenge", "arc", build.arc(challenge=True)),
            ("ybisk/piqa/plain_text", "piqa", build.piqa()),
            ("mandarjoshi/trivia_qa/rc.nocontext", "trivia_qa", build.trivia_qa()),
            ("google-research-datasets/nq_open/nq_open", "nq_open", build.nq_open())]
    for folder, schema, splits in jobs:
        for split, rows in splits.items():
            file = f"{split}/0000.parquet" if schema == "piqa" else f"{split}-00000-of-00001.parquet"
            path = args.output / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[schema]), path, compression="snappy")
            print(f"{len(rows):4} {path.relative_to(args.output)}")


if __name__ == "__main__":
    main()
