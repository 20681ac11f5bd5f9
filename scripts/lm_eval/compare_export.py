"""The files that lm-evaluation-harness 0.4.13 writes and those of `gac export --format lm-eval`, key by key.

    pip install lm_eval==0.4.13 torch transformers
    cargo build --release
    python scripts/lm_eval/compare_export.py --model models/mini-qwen --data-dir ../shared/datasets

Both evaluate the same model on the same documents. (models/mini-llama writes spaces as SentencePiece does: transformers
drops the one that a response begins with, and `gac` keeps it.) Every key of theirs has to be in ours, in results and in samples,
with a value of the same kind, and these values have to be equal: scores, standard errors and counts of tasks, subtasks
and groups; documents, prompts, arguments, targets, responses, metrics and all hashes of every sample. What is not equal
for a reason is listed in KNOWN. Exits with 1 when anything else differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from end_to_end import INSTRUCTION, with_template

TOLERANCE = 1e-3
# Keys of results_*.json that differ for a reason.
KNOWN = {
    "config": "another program: its model, arguments, seeds of Python and NumPy that draw nothing here",
    "git_hash": "another repository's state",
    "date": "another time",
    "pretty_env_info": "no PyTorch",
    "transformers_version": "no transformers",
    "model_source": "gac",
    "model_name": "the system's name",
    "model_name_sanitized": "the system's name",
    "total_evaluation_time_seconds": "another time",
    "configs": "texts of our own templates; their decontamination queries are unused",
}
# Keys of a task's configuration that only theirs has: a query that nothing asks for, a split that nothing reads.
UNUSED = {"doc_to_decontamination_query", "validation_split"}

LM_EVAL = """
import sys; sys.path.insert(0, {scripts!r})
import local_data; from pathlib import Path
local_data.use(Path({data!r}))
from lm_eval.__main__ import cli_evaluate
cli_evaluate()
"""


def run_theirs(args, folder):
    program = LM_EVAL.format(scripts=str(Path(__file__).parent), data=str(args.data_dir))
    command = [sys.executable, "-c", program, "run", "--model", "hf", "--device", "cpu", "--batch_size", "1"]
    command += ["--model_args", f"pretrained={args.model},dtype=float32", "--tasks", args.tasks, "--log_samples"]
    command += ["--limit", str(args.limit), "--num_fewshot", str(args.num_fewshot), "--output_path", str(folder)]
    if args.chat:
        command += ["--apply_chat_template", "--system_instruction", INSTRUCTION]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_ours(args, folder):
    run = folder.parent / "run"
    command = [args.gac, "eval", "--model", str(args.model), "--tasks", args.tasks, "--data-dir", str(args.data_dir)]
    command += ["--limit", str(args.limit), "--num-fewshot", str(args.num_fewshot), "--output-path", str(run)]
    if args.chat:
        command += ["--apply-chat-template", "--system-instruction", INSTRUCTION]
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([args.gac, "export", "--format", "lm-eval", str(run), "-o", str(folder)], check=True)


def read(folder):
    """results_*.json, and the lines of samples_*.jsonl by task."""
    (results,) = folder.glob("*/results_*.json")
    samples = {}
    for path in folder.glob("*/samples_*.jsonl"):
        # samples_<task>_<time>.jsonl
        samples[path.name.removeprefix("samples_").rsplit("_", 1)[0]] = [
            json.loads(line) for line in path.read_text().splitlines()
        ]
    return json.loads(results.read_text()), samples


def kind(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def equal(theirs, ours):
    """Whether two values are the same, numbers (also as text) within TOLERANCE."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(key in ours and equal(theirs[key], ours[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(theirs) == len(ours) and all(map(equal, theirs, ours))
    if isinstance(theirs, (int, float)) and isinstance(ours, (int, float)):
        return abs(theirs - ours) <= TOLERANCE * max(1, abs(theirs))
    try:
        return abs(float(theirs) - float(ours)) <= TOLERANCE * max(1, abs(float(theirs)))
    except (TypeError, ValueError):
        return theirs == ours


def compare(path, theirs, ours):
    """What is missing, of another kind or different."""
    if kind(theirs) != kind(ours) and theirs is not None and ours is not None:
        yield f"{path}: {kind(ours)}, theirs is {kind(theirs)}"
    elif isinstance(theirs, dict) and isinstance(ours, dict):
        for key, value in theirs.items():
            if key not in ours:
                yield f"{path}/{key}: missing"
            else:
                yield from compare(f"{path}/{key}", value, ours[key])
    elif not equal(theirs, ours):
        yield f"{path}: {json.dumps(ours)[:120]}, theirs is {json.dumps(theirs)[:120]}"


def compare_results(theirs, ours):
    for key, value in theirs.items():
        if key not in ours:
            yield f"{key}: missing"
        elif key not in KNOWN:
            yield from compare(key, value, ours[key])
        elif key == "configs":
            for task, config in value.items():
                missing = config.keys() - ours[key].get(task, {}).keys() - UNUSED
                yield from (f"configs/{task}/{name}: missing" for name in sorted(missing))
        elif key == "config":
            yield from (f"config/{name}: missing" for name in value.keys() - ours[key].keys())
        elif kind(value) != kind(ours[key]):
            yield f"{key}: {kind(ours[key])}, theirs is {kind(value)}"
    yield from (f"{key}: not among theirs" for key in ours.keys() - theirs.keys())


def compare_samples(theirs, ours):
    for task, lines in theirs.items():
        # Ours has lines of a filter of its own, too.
        own = [line for line in ours.get(task, []) if line["filter"] in {line["filter"] for line in lines}]
        if len(own) != len(lines):
            yield f"{task}: {len(own)} lines, theirs are {len(lines)}"
            continue
        for index, (line, of_ours) in enumerate(zip(lines, own, strict=True)):
            yield from compare(f"{task}:{index}", line, of_ours)
            yield from (f"{task}:{index}/{key}: not among theirs" for key in of_ours.keys() - line.keys())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--tasks", default="gsm8k,piqa,arc_easy,triviaqa,nq_open,mmlu_stem,mmlu_flan_n_shot_generative_other")
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--num-fewshot", type=int, default=1)
    parser.add_argument("--chat", action="store_true", help="apply a chat template, with a system instruction")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.chat:
            args.model = with_template(args.model, Path(folder) / args.model.name)
        theirs, ours = Path(folder) / "theirs", Path(folder) / "ours"
        run_theirs(args, theirs)
        run_ours(args, ours)
        (their_results, their_samples), (our_results, our_samples) = read(theirs), read(ours)
    found = list(compare_results(their_results, our_results)) + list(compare_samples(their_samples, our_samples))
    for difference in found:
        print(difference)
    lines = sum(map(len, their_samples.values()))
    print(f"{len(their_results)} keys of results, {lines} lines of samples of {len(their_samples)} tasks: {len(found)} differences")
    for key, reason in KNOWN.items():
        print(f"  {key} is not compared by value: {reason}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
