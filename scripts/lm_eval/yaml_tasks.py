#!/usr/bin/env python3
"""Prompts of every YAML task that lm-evaluation-harness ships and that needs no Python, on documents made up for them.

    python scripts/lm_eval/yaml_tasks.py FOLDER [--only PATTERN]
    GAC_YAML_TASKS=FOLDER cargo test --release --workspace --test yaml_tasks -- --nocapture

Which columns a task's templates name, and what they must hold, is read off the templates' syntax trees; rows are made up so.
lm_eval then builds its requests, with the task's own number of shots and with 2. FOLDER gets data sets in the hub's layout,
in rounds (tasks may share a data set and want other columns of it), and what lm_eval asks in `expected.jsonl`, with the task's
folder in its first line. Needs lm_eval 0.4.13 with its data sets' library, and pyarrow.
"""

import argparse
import fnmatch
import json
import logging
import random
from pathlib import Path

import datasets
import lm_eval
import pyarrow
import pyarrow.parquet
from jinja2 import nodes
from lm_eval.api import task as lm_task
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import env

ROWS = {"evaluated": 5, "pool": 9}
NASTY = ["It's 5 o'clock\n", ' spaced "quotes" ', "naïve café № 7", "a {b} [c]\\d", "二 三", "x", "line\n\nbreak", "100 %"]
PLAIN = ["apple", "boat", "cedar", "dune", "ember", "fjord", "grain", "harbour"]
TEXT_METHODS = {"strip", "lstrip", "rstrip", "split", "replace", "lower", "upper", "capitalize", "title", "startswith", "endswith"}


class Shape:
    """What is known of a value: its parts by key, its item, the constants it is held against."""

    def __init__(self):
        self.keys, self.item, self.among, self.kind = {}, None, [], None

    def key(self, name):
        return self.keys.setdefault(name, Shape())

    def items(self):
        self.item = self.item or Shape()
        return self.item


class Reader:
    """Goes through a template's tree and writes down what its names must be."""

    def __init__(self, root):
        self.scopes = [root.keys]
        self.root = root

    def shape(self, node):
        """The shape that a node stands for; none for what is no part of the document."""
        match node:
            case nodes.Name(name=name):
                for scope in reversed(self.scopes):
                    if name in scope:
                        return scope[name]
                return self.root.key(name)
            case nodes.Getattr(node=inner, attr=attr):
                found = self.shape(inner)
                return found.key(attr) if found is not None else None
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str(name))):
                found = self.shape(inner)
                return found.key(name) if found is not None else None
            case nodes.Getitem(node=inner):
                found = self.shape(inner)
                return found.items() if found is not None else None
            case nodes.Filter(node=inner, name="list" | "trim" | "string"):
                return self.shape(inner) if inner is not None else None
        return None

    def visit(self, node):
        match node:
            case nodes.Assign(target=nodes.Name(name=name), node=value):
                self.visit(value)
                found = self.shape(value) if isinstance(value, (nodes.Name, nodes.Getattr, nodes.Getitem)) else None
                self.scopes[-1] = {**self.scopes[-1]} if len(self.scopes) > 1 else self.scopes[-1]
                self.scopes.append({name: found or Shape()})
                return
            case nodes.For(target=target, iter=over, body=body):
                self.visit(over)
                found = self.shape(over)
                item = found.items() if found is not None else Shape()
                if isinstance(target, nodes.Name):
                    self.scopes.append({target.name: item, "loop": Shape()})
                else:
                    self.scopes.append({**{name.name: Shape() for name in target.items}, "loop": Shape()})
                for child in body + node.else_:
                    self.visit(child)
                self.scopes.pop()
                return
            case nodes.Call(node=nodes.Getattr(node=inner, attr=attr), args=args):
                found = self.shape(inner)
                if attr == "index" and args:
                    wanted = self.shape(args[0])
                    if isinstance(inner, nodes.List) and wanted is not None:
                        wanted.among += [item.value for item in inner.items if isinstance(item, nodes.Const)]
                    elif found is not None and wanted is not None:
                        found.items()
                        wanted.kind = ("item of", found)
                    for arg in args:
                        self.visit(arg)
                    return
                if attr in TEXT_METHODS and found is not None:
                    found.kind = found.kind or "text"
                elif attr == "items" and found is not None:
                    found.kind = "mapping"
                self.visit(inner)
                for arg in args:
                    self.visit(arg)
                return
            case nodes.Getitem(node=inner, arg=arg) if not isinstance(arg, (nodes.Const, nodes.Slice)):
                place = self.shape(arg)
                if place is not None:
                    if isinstance(inner, nodes.Dict):
                        place.among += [pair.key.value for pair in inner.items if isinstance(pair.key, nodes.Const)]
                    elif isinstance(inner, nodes.List):
                        place.among += list(range(len(inner.items)))
                    else:
                        place.kind = place.kind or "number"
            case nodes.Getitem():
                self.shape(node)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op="eq" | "ne", expr=nodes.Const(value=value))]):
                found = self.shape(left)
                if found is not None:
                    found.among.append(value)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op="in", expr=nodes.List(items=items))]):
                found = self.shape(left)
                if found is not None:
                    found.among += [item.value for item in items if isinstance(item, nodes.Const)]
            case nodes.Filter(node=inner, name="int" | "float" | "round"):
                found = self.shape(inner)
                if found is not None:
                    found.kind = "number"
            case nodes.Filter(node=inner, name="join" | "length" | "first" | "last"):
                found = self.shape(inner)
                if found is not None:
                    found.items()
            case nodes.Sub(left=left, right=nodes.Const(value=int())):
                found = self.shape(left)
                if found is not None:
                    found.kind = "number from 1"
            case nodes.Add(left=left, right=nodes.Const(value=int())):
                found = self.shape(left)
                if found is not None:
                    found.kind = "number"
            case nodes.Name() | nodes.Getattr():
                self.shape(node)
        for child in node.iter_child_nodes():
            self.visit(child)


def made(shape, texts, draw, number):
    """A value of a shape."""
    if shape.among:
        return draw.choice(shape.among)
    if shape.keys and not shape.item:
        parts = {name: made(part, texts, draw, number) for name, part in shape.keys.items() if not isinstance(part.kind, tuple)}
        for name, part in shape.keys.items():
            if isinstance(part.kind, tuple):
                parts[name] = draw.choice(texts)
        return parts
    if shape.item:
        return [made(shape.item, texts[at:] + texts[:at], draw, number) for at in range(5)]
    if shape.kind in ("number", "number from 1"):
        return draw.randrange(number) + (shape.kind == "number from 1")
    return draw.choice(texts)


def row_of(root, texts, draw, number):
    row = {name: made(part, texts, draw, number) for name, part in root.keys.items() if not isinstance(part.kind, tuple)}
    def value_of(wanted, shape=root, value=row):
        for name, part in shape.keys.items():
            if isinstance(value, dict) and name in value:
                if part is wanted:
                    return value[name]
                found = value_of(wanted, part, value[name])
                if found is not None:
                    return found
        return None

    for name, part in root.keys.items():
        if isinstance(part.kind, tuple):
            items = value_of(part.kind[1])
            row[name] = draw.choice(items) if items else draw.choice(texts)
    return row


def columns(config, target_is_number):
    root = Shape()
    for setting in ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix"):
        source = config.get(setting)
        if not isinstance(source, str):
            continue
        reader = Reader(root)
        if source.isidentifier() and setting not in ("description", "gen_prefix"):
            shape = root.key(source)
            if setting == "doc_to_choice":
                shape.items()
            elif setting == "doc_to_target" and target_is_number:
                shape.kind = "number"
            continue
        tree = env.parse(source)
        match tree.body:
            case [nodes.Output(nodes=[nodes.Name() | nodes.Getattr() | nodes.Getitem() as whole])] if setting == "doc_to_choice":
                reader.shape(whole).items()
        reader.visit(tree)
    for steps in config.get("filter_list") or []:
        if any(step.get("function") == "multi_choice_regex" for step in steps.get("filter") or []):
            root.key("choices").items()
    return root


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
    config = json.loads(json.dumps(config))
    if shots is not None:
        config["num_fewshot"] = shots
    return lm_task.ConfigurableTask(config=config)


def requests_of(config, rows, shots):
    task = task_of(config, rows, shots)
    check_answers(config, task)
    task.set_fewshot_seed(1234)
    task.build_all_requests()
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
    return [documents[at] for at in sorted(documents)]


def configs(root):
    """All tasks without Python by name, the first file of a name."""
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
    parser.add_argument("--only", default="*")
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
        for name, (_, config) in sorted(found.items()):
            if is_python(config, root) or not fnmatch.fnmatch(name, args.only):
                continue
            config = {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}
            error = None
            for texts, target_is_number in [(NASTY, True), (PLAIN, True), (NASTY, False), (PLAIN, False), (["3", "1", "2", "0"], False)]:
                choices = config.get("doc_to_choice")
                number = len(choices) if isinstance(choices, (list, dict)) else 2
                try:
                    shapes = columns(config, target_is_number and choices is not None)
                    draw = random.Random(name)
                    part = lambda count: [row_of(shapes, texts, draw, number) for _ in range(count)]  # noqa: E731
                    rows = {split: part(ROWS["pool"] if at else ROWS["evaluated"] + 2) for at, split in enumerate(splits_of(config))}
                    rows = with_right_answers(config, rows, draw)
                    asked = {"own": requests_of(config, rows, None)}
                    if not config.get("num_fewshot"):
                        try:
                            asked["2"] = requests_of(config, rows, 2)
                        except Exception:  # noqa: BLE001: some take no shots
                            pass
                    break
                except Exception as failure:  # noqa: BLE001: another kind of rows may do
                    error = f"{type(failure).__name__}: {failure}"
            else:
                failed[name] = error
                continue
            place = (config["dataset_path"], config.get("dataset_name") or "default")
            number = rounds.setdefault(place, 0)
            rounds[place] += 1
            folder = args.folder / f"round-{number}" / place[0] / place[1]
            folder.mkdir(parents=True, exist_ok=True)
            for split, part in rows.items():
                pyarrow.parquet.write_table(pyarrow.Table.from_pylist(part), folder / f"{split}-00000-of-00001.parquet")
            for shots, documents in asked.items():
                line = {"task": name, "round": number, "shots": None if shots == "own" else int(shots), "documents": documents}
                out.write(json.dumps(line) + "\n")
            written += 1
    (args.folder / "not_made_up.json").write_text(json.dumps(failed, indent=1))
    print(f"{written} tasks; for {len(failed)} no rows could be made up that lm_eval takes ({args.folder / 'not_made_up.json'})")


if __name__ == "__main__":
    main()
