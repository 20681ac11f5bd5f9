"""The metric `squad_v2` without the hub: lm-evaluation-harness asks the library `evaluate` for it, which downloads it.

The same evaluation is in transformers 4 (5 dropped it); the environment variable SQUAD_METRICS says where its file is:

    pip download --no-deps transformers==4.57.6 && unzip transformers-4.57.6-*.whl transformers/data/metrics/squad_metrics.py
"""

import logging
import os
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
