"""Compares every prompt of every document with lm-evaluation-harness 0.4.13's, byte for byte.

    pip install lm_eval==0.4.13
    cargo build --release
    python scripts/lm_eval/prompts.py --data-dir ../shared/datasets

Each task is built by lm-evaluation-harness itself (rank 0 of 1, its default seeds) from the same parquet files that
`gac tasks render` reads. Exits with 1 when anything differs. The rows that `made_up.py` made up for tasks whose data are
elsewhere are in crates/harness/tests/fixtures/lm_eval/data; TruthfulQA's two need lm-evaluation-harness's own file beside them.
"""

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import local_data
from lm_eval.tasks import TaskManager

# Task, shots asked for; None leaves the task's own number.
TASKS = [
    ("arc_easy", 0),
    ("arc_challenge", 0),
    ("arc_challenge", 25),
    ("piqa", 0),
    ("piqa", 5),
    ("gsm8k", 5),
    ("gsm8k_cot", None),
    ("triviaqa", 5),
    ("nq_open", 5),
    ("bbh_cot_fewshot", None),
    ("mmlu", 5),
    ("mmlu_flan_n_shot_generative", 5),
    ("openbookqa", 2),
    ("boolq", 3),
    ("hellaswag", 3),
    ("winogrande", 4),
    ("truthfulqa_mc1", 0),
    ("truthfulqa_mc2", 0),
    ("gpqa_diamond_zeroshot", 0),
    ("gpqa_diamond_cot_zeroshot", 0),
    ("lambada_openai", 0),
    ("mmlu_pro", 5),
    ("hendrycks_math500", 0),
    ("aime24", 0),
    ("aime25", 0),
]
SEED = 1234


def subtasks(loaded):
    """The tasks in what a task manager gives: nested groups, or one task."""
    if isinstance(loaded, dict):
        for value in loaded.values():
            yield from subtasks(value)
    else:
        yield loaded


def theirs(task, shots):
    """(subject, doc_id) -> requests, for one of lm-evaluation-harness's tasks."""
    if shots is not None:
        task.set_config(key="num_fewshot", value=shots)
    elif task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=SEED)
    task.build_all_requests(rank=0, world_size=1)
    requests = {}
    for instance in task.instances:
        context, second = instance.args[:2]
        if isinstance(second, dict):
            asked = {"context": context, "continuation": None, "until": second["until"]}
        else:
            asked = {"context": context, "continuation": second, "until": []}
        requests.setdefault(instance.doc_id, []).append(asked)
    return requests


def ours(gac, name, shots, data):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "prompts.jsonl"
        command = [gac, "tasks", "render", name, "--data-dir", str(data), "--output", str(output)]
        if shots is not None:
            command += ["--num-fewshot", str(shots)]
        subprocess.run(command, check=True)
        with output.open() as lines:
            for line in map(json.loads, lines):
                asked = [{**request, "until": line["until"]} for request in line["requests"]]
                yield line["subject"], line["doc_id"], asked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--tasks", nargs="*", help="only these")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    local_data.use(args.data_dir)
    manager = TaskManager()
    different = 0
    for name, shots in TASKS:
        if args.tasks and name not in args.tasks:
            continue
        # As `simple_evaluate` does: GPQA's choices are drawn when the task is loaded.
        random.seed(0)
        loaded = manager.load([name])
        expected = {}
        for task in subtasks(loaded.get("tasks", loaded)):
            subject = task.config.task.removeprefix(name + "_") if task.config.task != name else None
            if subject and name == "mmlu_pro":
                subject = subject.replace("_", " ")
            for doc_id, requests in theirs(task, shots).items():
                expected[subject, doc_id] = requests
        documents = requests = 0
        for subject, doc_id, asked in ours(args.gac, name, shots, args.data_dir):
            if expected.pop((subject, doc_id), None) == asked:
                documents += 1
                requests += len(asked)
            else:
                different += 1
                print(f"{name}: document {subject or ''} {doc_id} differs", file=sys.stderr)
        different += len(expected)
        shown = "" if shots is None else f", {shots} shots"
        print(f"{name}{shown}: {documents} documents, {requests} requests equal, {len(expected)} missing", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
