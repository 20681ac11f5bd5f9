#!/usr/bin/env python3
"""Prompts and scores of the YAML tasks that lm-evaluation-harness ships, on documents made up for them.

    python scripts/lm_eval/yaml_tasks.py FOLDER [--only PATTERN ...]
    GAC_YAML_TASKS=FOLDER cargo test --release --workspace --test yaml_tasks -- --nocapture

`yaml_rows.py` makes the rows. lm_eval then builds its requests, with the task's own number of shots and with 2, and scores
made-up answers to the first. FOLDER gets data sets in the hub's layout, in rounds (tasks may share a data set and want other
columns of it), and what lm_eval asks and scores in `expected.jsonl`, with the task's folder in its first line; in
`not_made_up.json` is why lm_eval takes no rows of the other tasks. Needs lm_eval 0.4.13 with its data sets' library, and
pyarrow; tasks whose files of Python need more are left out where that is missing.
"""

import argparse
import copy
import fnmatch
import json
import logging
import math
import random
import re
from pathlib import Path

import datasets
import lm_eval
import pyarrow
import pyarrow.parquet
from lm_eval.api import task as lm_task
from lm_eval.tasks._yaml_loader import load_yaml
from yaml_rows import LETTERS, NASTY, PLAIN, columns, hinted, row_of

ROWS = {"evaluated": 5, "pool": 9}
# Where a function may pass over rows.
MORE_ROWS = {"evaluated": 10, "pool": 20}


def splits_of(config):
    named = {config.get(name) for name in ("training_split", "validation_split", "test_split", "fewshot_split")}
    named.add((config.get("fewshot_config") or {}).get("split"))
    return sorted(name for name in named if name)


def with_right_answers(config, rows, draw):
    """Rows whose answer, where it is a column's text, is one of their choices."""
    target = config.get("doc_to_target")
    column = target.strip("{} ").removesuffix(".strip()") if isinstance(target, str) else ""
    if config.get("output_type") != "multiple_choice" or not column.isidentifier():
        return rows
    if any(map(callable, (config.get("process_docs"), config.get("doc_to_choice"), target))):
        return rows
    task = task_of(config, rows, None)
    for part in rows.values():
        for row in part:
            if isinstance(row.get(column), str):
                row[column] = draw.choice(task.doc_to_choice(row))
    return rows


def check_answers(config, task):
    if config.get("output_type") != "multiple_choice" or task.multiple_input:
        return
    for document in task.eval_docs:
        choices, answer = task.doc_to_choice(document), task.doc_to_target(document)
        answers = answer if isinstance(answer, list) else [answer]
        if not all(0 <= one < len(choices) if isinstance(one, int) else one in choices for one in answers):
            raise ValueError(f"{answer!r} is none of its choices")


def task_of(config, rows, shots):
    made_up = datasets.DatasetDict({split: datasets.Dataset.from_list(part) for split, part in rows.items()})
    lm_task.datasets.load_dataset = lambda *_, **__: made_up
    config = copy.deepcopy(config)
    # What is drawn is drawn from `random`, whose seed evaluations set; what is made of a split is kept by its library.
    random.seed(0)
    if process := config.get("process_docs"):
        kept = {}
        config["process_docs"] = lambda split: kept.setdefault(id(split), process(split)) if id(split) not in kept else kept[id(split)]
    if shots is not None:
        config["num_fewshot"] = shots
    return lm_task.ConfigurableTask(config=config)


def requests_of(config, rows, shots):
    """What lm_eval asks about each document, and the task."""
    task = task_of(config, rows, shots)
    check_answers(config, task)
    task.set_fewshot_seed(1234)
    task.build_all_requests()
    if not task.instances:
        raise ValueError("no document is left")
    documents = {}
    for instance in task.instances:
        if instance.request_type == "generate_until":
            context, settings = instance.args
            until = settings.get("until", [])
            entry = documents.setdefault(instance.doc_id, {"requests": [], "until": until if isinstance(until, list) else [until]})
            entry["requests"].append([context, None])
        else:
            entry = documents.setdefault(instance.doc_id, {"requests": [], "until": []})
            # A text that is scored by itself stands behind nothing.
            entry["requests"].append(list(instance.args[:2]) if len(instance.args) > 1 else ["", instance.args[0]])
    return [documents[at] for at in sorted(documents)], task


def responses(config, texts):
    """Texts that answer, and texts that a filter's patterns find."""
    patterns = [step.get("regex_pattern") for steps in config.get("filter_list") or [] for step in steps["filter"]]
    found = [re.sub(r"\(\[[^]]*\]\)", letter, pattern) for pattern in patterns if pattern for letter in LETTERS]
    found = [text.replace("\\(?", "(").replace("\\)?", ")").replace("\\", "") for text in found]
    return [*found, *LETTERS, *texts, *(f"The answer is {text}." for text in texts[:2]), "(B)", "7", ""]


def scores_of(config, task, name, texts):
    """Made-up answers to each document, and lm_eval's figures of them."""
    draw = random.Random(f"{name} answers")
    said = responses(config, texts)
    answers = {}
    for instance in sorted(task.instances, key=lambda instance: (instance.doc_id, instance.idx)):
        if instance.request_type == "generate_until":
            gold = task.doc_to_target(instance.doc)
            gold = gold[0] if isinstance(gold, list) and gold else gold
            answer = draw.choice([*said, *[str(gold)] * 6])
        elif instance.request_type == "loglikelihood_rolling":
            answer = -draw.randrange(1, 400) / 4
        else:
            answer = (-draw.randrange(1, 60) / 4, draw.random() < 0.3)
        instance.resps = [answer]
        answers.setdefault(instance.doc_id, []).append(answer)
    task.apply_filters()
    figures = {}
    for key in task.instances[0].filtered_resps:
        values = {}
        for at in sorted(answers):
            own = sorted((one for one in task.instances if one.doc_id == at), key=lambda one: one.idx)
            results = task.process_results(own[0].doc, [one.filtered_resps[key] for one in own])
            for metric, value in results.items():
                values.setdefault(metric, []).append(value)
        for metric, of_documents in values.items():
            figure = float(task.aggregation()[metric](of_documents))
            figures[f"{metric},{key}"] = figure if math.isfinite(figure) else None
    return [answers[at] for at in sorted(answers)], figures


def configs(root):
    """All tasks by name, the first file of a name."""
    found = {}
    for path in sorted(root.glob("**/*.yaml"), key=lambda path: path.as_posix()):
        try:
            config = load_yaml(path, resolve_func=False)
        except Exception:  # noqa: BLE001: lm_eval passes over such files, too
            continue
        if "class" in config or "group" in config or not isinstance(config.get("task"), str):
            continue
        found.setdefault(config["task"], (path, config))
    return found


def is_python(config, root):
    """Functions are written as paths where they are not resolved."""
    text = json.dumps(config, default=str)
    return str(root) in text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=["*"], help="patterns of tasks' names")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    datasets.disable_progress_bars()
    lm_task.tqdm = lambda it, **_: it
    root = Path(lm_eval.__file__).parent / "tasks"
    args.folder.mkdir(parents=True, exist_ok=True)
    rounds, written, failed = {}, 0, {}
    found = configs(root)
    python = sum(is_python(config, root) for _, config in found.values())
    print(f"{len(found)} tasks, {len(found) - python} of them without Python", flush=True)
    with open(args.folder / "expected.jsonl", "w") as out:
        out.write(json.dumps({"tasks": str(root), "lm_eval": "0.4.13"}) + "\n")
        for name, (path, config) in sorted(found.items()):
            if not any(fnmatch.fnmatch(name, pattern) for pattern in args.only):
                continue
            counts = ROWS
            try:
                if is_python(config, root):
                    config, counts = load_yaml(path, resolve_func=True), MORE_ROWS
                made = made_up(name, {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}, counts)
            except (Exception, SystemExit) as failure:  # noqa: BLE001: its files need what is not here, or no rows do
                failed[name] = f"{type(failure).__name__}: {failure}"
                continue
            rows, asked = made
            place = (config["dataset_path"], config.get("dataset_name") or "default")
            number = rounds.setdefault(place, 0)
            rounds[place] += 1
            folder = args.folder / f"round-{number}" / place[0] / place[1]
            folder.mkdir(parents=True, exist_ok=True)
            for split, part in rows.items():
                pyarrow.parquet.write_table(pyarrow.Table.from_pylist(part), folder / f"{split}-00000-of-00001.parquet")
            for shots, line in asked.items():
                line = {"task": name, "round": number, "shots": None if shots == "own" else int(shots)} | line
                out.write(json.dumps(line) + "\n")
            written += 1
    (args.folder / "not_made_up.json").write_text(json.dumps(failed, indent=1))
    print(f"{written} tasks; for {len(failed)} no rows could be made up that lm_eval takes ({args.folder / 'not_made_up.json'})")


def made_up(name, config, counts):
    """Rows of each split that lm_eval takes, and what it asks of them."""
    error = None
    for texts, target_is_number in [(NASTY, True), (PLAIN, True), (NASTY, False), (PLAIN, False), (["3", "1", "2", "0"], False)]:
        choices = config.get("doc_to_choice")
        number = len(choices) if isinstance(choices, (list, dict)) else 2
        try:
            shapes = columns(config, target_is_number and choices is not None)
            draw = random.Random(name)
            row = lambda: hinted(name, config, row_of(shapes, texts, draw, number), draw, texts)  # noqa: E731
            part = lambda count: [row() for _ in range(count)]  # noqa: E731
            rows = {split: part(counts["pool"] if at else counts["evaluated"] + 2) for at, split in enumerate(splits_of(config))}
            rows = with_right_answers(config, rows, draw)
            documents, task = requests_of(config, rows, None)
            asked = {"own": {"documents": documents}}
            try:
                answers, figures = scores_of(config, task, name, texts)
                asked["own"] |= {"answers": answers, "figures": figures}
            except Exception as failure:  # noqa: BLE001: some metrics need what is not here
                asked["own"] |= {"no_figures": f"{type(failure).__name__}: {failure}"}
            if not config.get("num_fewshot"):
                try:
                    asked["2"] = {"documents": requests_of(config, rows, 2)[0]}
                except Exception:  # noqa: BLE001: some take no shots
                    pass
            return rows, asked
        except Exception as failure:  # noqa: BLE001: another kind of rows may do
            error = failure
    raise error


if __name__ == "__main__":
    main()
