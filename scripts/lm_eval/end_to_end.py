"""The same model on the same documents through lm-evaluation-harness 0.4.13 and through `gac`, sample by sample.

    pip install lm_eval==0.4.13 torch transformers
    cargo build --release
    python scripts/lm_eval/end_to_end.py --model models/mini-llama --data-dir ../shared/datasets
    python scripts/lm_eval/end_to_end.py --model models/mini-llama --data-dir ../shared/datasets --chat --num-fewshot 2
    export SQUAD_METRICS=...  # see squad_v2.py
    python scripts/lm_eval/end_to_end.py --model models/mini-llama --data-dir crates/harness/tests/fixtures/lm_eval/data --tasks squadv2

Responses must be equal, log-likelihoods equal to 1e-3, and every metric of every sample equal. lm-evaluation-harness
runs its own `hf` model in f32, one sample at a time. Of `squadv2`, whose samples have no metrics there, all figures must be equal,
those at the best threshold too. Exits with 1 when anything differs.

With `--chat`, prompts are chats of a small template, the shots its turns, with a system instruction.

One difference is counted and let pass: where a tokenizer writes spaces as SentencePiece does, transformers drops the
space that a response begins with when it decodes the response alone; `gac` keeps it.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import local_data
import lm_eval
import squad_v2
from lm_eval.models.huggingface import HFLM

TOLERANCE = 1e-3
INSTRUCTION = "Answer the question."
# One with begin-of-text, roles, and a line break where answers begin.
TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ '\n' }}{% endfor %}[assistant]{{ '\n' }}"
# Task, documents of it (of every subject, for mmlu: 57 of them).
TASKS = {"gsm8k": 200, "mmlu": 4, "arc_challenge": 200}
# On rows that we made up.
OWN_TASKS = {"squadv2": 30}


def theirs(args, task):
    """(subject, doc_id) -> one of lm-evaluation-harness's samples per filter; and the task's figures."""
    chat = {}
    if args.chat:
        chat = {"apply_chat_template": True, "fewshot_as_multiturn": True, "system_instruction": INSTRUCTION}
    found = lm_eval.simple_evaluate(
        model=args.lm,
        tasks=[task],
        num_fewshot=args.num_fewshot,
        limit=limit(args, task),
        log_samples=True,
        bootstrap_iters=0,
        **chat,
    )
    samples = {}
    for name, records in found["samples"].items():
        subject = name.removeprefix(task + "_") if name != task else None
        for record in records:
            samples.setdefault((subject, record["doc_id"]), []).append(record)
    return samples, found["results"][task]


def ours(args, task, system=None, batch_size=1):
    """Our samples and figures, of `--model` or of the system that flags name."""
    system = system or ["--model", args.model]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = [args.gac, "eval", *map(str, system), "--tasks", task, "--data-dir", str(args.data_dir)]
        command += ["--num-fewshot", str(args.num_fewshot), "--limit", str(limit(args, task))]
        command += ["--output-path", str(output), "--batch-size", str(batch_size), "--quiet"]
        if args.chat:
            command += ["--apply-chat-template", "--system-instruction", INSTRUCTION]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (samples,) = output.glob("*/*/samples.jsonl")
        results = json.loads(samples.with_name("results.json").read_text())
        with samples.open() as lines:
            return [json.loads(line) for line in lines], results["aggregates"]


def with_template(model, folder):
    """A copy of a checkpoint that writes chats down by TEMPLATE."""
    shutil.copytree(model, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["chat_template"] = TEMPLATE
    path.write_text(json.dumps(config))
    return folder


def limit(args, task):
    documents = (TASKS | OWN_TASKS)[task]
    return min(documents, args.limit) if args.limit else documents


def drops_space(sample, records):
    """Whether theirs lacks the space that our response begins with."""
    text = sample["response"].get("generated", {}).get("text")
    return text is not None and text == " " + records[0]["resps"][0][0]


def differences(sample, records):
    """What differs between one of our samples and theirs, and the largest difference of log-likelihoods."""
    largest = 0.0
    response = sample["response"]
    for record in records:
        if "generated" in response:
            (text,) = record["resps"][0]
            if response["generated"]["text"] not in (text, " " + text):
                yield f"response {response['generated']['text']!r} is not {text!r}", largest
            for own, (other,) in zip(filter(None, [sample.get("no_answer")]), record["resps"][1:], strict=True):
                largest = max(largest, abs(own["sum"] - float(other[0])))
                if largest > TOLERANCE or own["greedy"] != other[1]:
                    yield f"how likely no answer is differs: {own} is not {other}", largest
        else:
            sums = [float(first[0][0]) for first in record["resps"]]
            for own, other in zip(response["choices"], sums, strict=True):
                largest = max(largest, abs(own["sum"] - other))
            if largest > TOLERANCE:
                yield f"a log-likelihood differs by {largest}", largest
        (own,) = [own for own in sample["filters"] if own["filter"] == record["filter"]]
        for metric in own["metrics"] if sample["task"] not in OWN_TASKS else []:
            if metric["value"] != float(record[metric["metric"]]):
                yield f"{metric['metric']},{own['filter']} is {metric['value']}, not {record[metric['metric']]}", largest
    yield None, largest


def differences_of_figures(aggregates, figures):
    """What differs between our figures and theirs, which are from 0 to 100."""
    for own in aggregates:
        key = "{metric},{filter}".format(**own["key"])
        if abs(100 * own["value"] - figures[key]) > 1e-9:
            yield f"{key} is {100 * own['value']}, not {figures[key]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--num-fewshot", type=int, default=0)
    parser.add_argument("--limit", type=int, help="fewer documents")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--chat", action="store_true", help="apply a chat template, with shots as turns")
    args = parser.parse_args()
    if args.chat:
        copy = tempfile.TemporaryDirectory()
        args.model = with_template(args.model, Path(copy.name) / args.model.name)
    logging.disable(logging.WARNING)
    os.environ["HF_HUB_OFFLINE"] = "1"
    local_data.use(args.data_dir)
    if OWN_TASKS.keys() & set(args.tasks):
        squad_v2.use()
    args.lm = HFLM(pretrained=str(args.model), dtype="float32", device="cpu", batch_size=1)
    different = 0
    for task in args.tasks:
        expected, figures = theirs(args, task)
        equal, spaces, widest = 0, 0, 0.0
        samples, aggregates = ours(args, task)
        for sample in samples:
            key = sample["subject"], sample["doc_id"]
            records = expected.pop(key)
            found = list(differences(sample, records))
            spaces += drops_space(sample, records)
            widest = max(widest, *(largest for _, largest in found))
            problems = [problem for problem, _ in found if problem]
            for problem in problems:
                print(f"{task} {key}: {problem}", file=sys.stderr)
            equal += not problems
            different += bool(problems)
        different += len(expected)
        for problem in differences_of_figures(aggregates, figures) if task in OWN_TASKS else []:
            print(f"{task}: {problem}", file=sys.stderr)
            different += 1
        more = f", log-likelihoods within {widest:.1e}"
        if task == "gsm8k":
            more = f", {spaces} but for a dropped leading space"
        if task in OWN_TASKS:
            more += f", {spaces} but for a dropped leading space, {len(aggregates)} figures compared"
        print(f"{task}: {equal} samples equal{more}; {len(expected)} missing", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
