"""The metric `squad_v2` without the hub: lm-evaluation-harness asks the library `evaluate` for it, which downloads it.

The same evaluation is in transformers 4 (5 dropped it); the environment variable SQUAD_METRICS says where its file is:

    pip download --no-deps transformers==4.57.6 && unzip transformers-4.57.6-*.whl transformers/data/metrics/squad_metrics.py

As a program it records what lm-evaluation-harness's task `squadv2` makes of made-up runs: best figures over thresholds, where
probabilities tie, all questions have an answer, or none has.

    pip install lm_eval==0.4.13
    export SQUAD_METRICS=...
    python scripts/lm_eval/squad_v2.py
"""

import json
import logging
import os
import random
import re
from pathlib import Path
from types import SimpleNamespace


class Metric:
    def __init__(self):
        source = Path(os.environ["SQUAD_METRICS"]).read_text()
        # What it takes from its package is for other parts of it.
        source = re.sub(r"^from \.\.\..*$", "", source, flags=re.MULTILINE).replace("logging.get_logger", "logging.getLogger")
        self.of = {"logging": logging, "__name__": "squad_metrics"}
        exec(compile(source, os.environ["SQUAD_METRICS"], "exec"), self.of)

    def compute(self, predictions, references):
        """As `evaluate` puts the parts together, with its threshold of 1."""
        examples = [
            SimpleNamespace(qas_id=r["id"], answers=[{"text": text} for text in r["answers"]["text"]]) for r in references
        ]
        said = {p["id"]: p["prediction_text"] for p in predictions}
        unlikely = {p["id"]: p["no_answer_probability"] for p in predictions}
        has = {example.qas_id: bool(example.answers) for example in examples}
        raw = self.of["get_raw_scores"](examples, said)
        exact, f1 = (self.of["apply_no_ans_threshold"](scores, unlikely, has, 1.0) for scores in raw)
        found = dict(self.of["make_eval_dict"](exact, f1))
        for prefix, wanted in (("HasAns", True), ("NoAns", False)):
            if ids := [identity for identity, answered in has.items() if answered == wanted]:
                part = self.of["make_eval_dict"](exact, f1, qid_list=ids)
                self.of["merge_eval"](found, part, prefix)
        self.of["find_all_best_thresh"](found, said, *raw, unlikely, has)
        return found


def use():
    """From now on, `evaluate` loads it from here."""
    import evaluate

    metric = Metric()
    evaluate.load = lambda name: metric if name == "squad_v2" else None


RUNS = Path(__file__).resolve().parents[2] / "crates/harness/tests/fixtures/squad_v2.jsonl"
TEXTS = ["a red lamp", "The lamp!", "lamp", "two old boats", "boats", " boats of Ann", "unanswerable", "the", "", " "]
ANSWERS = [["a lamp"], ["the red lamp", "lamp"], ["old boats"], ["boats", "two boats of Ann"], ["the"]]
# How likely `unanswerable` is: drawn, one of a few, the same everywhere, so unlikely that all are the same zero.
LIKELY = {
    "drawn": lambda draw: -12 * draw.random(),
    "few": lambda draw: draw.choice([-0.25, -1.5, -4.0]),
    "same": lambda draw: -2.0,
    "zero": lambda draw: -800.0 - 100 * draw.random(),
}
# The share of questions that have an answer.
ANSWERED = {"all": 1.0, "most": 0.7, "few": 0.3, "none": 0.0}


def made_up_runs():
    for likely, log_likelihood in LIKELY.items():
        for answered, share in ANSWERED.items():
            for count in (1, 2, 5, 12, 40):
                draw = random.Random(f"{likely} {answered} {count}")
                rows = [
                    {
                        "response": draw.choice(TEXTS),
                        "answers": draw.choice(ANSWERS) if draw.random() < share else [],
                        "no_answer": log_likelihood(draw),
                    }
                    for _ in range(count)
                ]
                yield {"likely": likely, "answered": answered, "rows": rows}


def main():
    use()
    from lm_eval.tasks.squadv2.task import SQuAD2

    # What it downloads is not asked for.
    task = SQuAD2.__new__(SQuAD2)
    lines = []
    for run in made_up_runs():
        found = []
        for number, row in enumerate(run["rows"]):
            doc = {"id": str(number), "answers": {"text": row["answers"]}}
            found.append(task.process_results(doc, [row["response"], (row["no_answer"], False)]))
        figures = {name: of([one[name] for one in found]) / 100 for name, of in task.aggregation().items() if name.startswith("best_")}
        lines.append(run | figures)
    RUNS.write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{len(lines)} runs, {sum(len(line['rows']) for line in lines)} answers")


if __name__ == "__main__":
    main()
