#!/usr/bin/env python3
"""What lists of twenty tokens are worth beside lists of whole vocabularies, which a server tells token by token.

    gac serve --model MODEL --port 8121 --max-logprobs -1 &
    python scripts/remote/lists.py --gac target/release/gac --server http://127.0.0.1:8121 [--beside MODEL] [--lists 20 1000 49152]

The same documents of `datasets/mini` are answered with each length of lists, by the server's model and, where `--beside`
names one, by an ensemble of both. Prints a row a length: tokens a second, the server's and the start included, and answers
that are the first row's. Exits with 1 when any is not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(args, length, folder):
    """Seconds and the samples of a run with lists of that length."""
    beside = {"here": {"path": str(Path(args.beside).resolve())}} if args.beside else {}
    models = {"there": {"url": args.server, "logprobs": length}, **beside}
    lines = [f'tasks = ["{args.task}"]', f"limit = {args.limit}", f'data-dir = "{args.data_dir}"', "log-samples = true", "[models]"]
    for name, fields in models.items():
        lines.append(f"{name} = {{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items()) + " }")
    lines += ["[[systems]]", 'name = "system"', f"members = {json.dumps(list(models))}"]
    recipe, output = Path(folder, f"{length}.toml"), Path(folder, str(length))
    recipe.write_text("\n".join(lines) + "\n")
    began = time.monotonic()
    done = subprocess.run([args.gac, "run", recipe, "--output-path", output, "--quiet"], capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    samples = [json.loads(line) for file in sorted(output.rglob("samples*.jsonl")) for line in file.read_text().splitlines()]
    return seconds, samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--server", required=True)
    parser.add_argument("--beside", metavar="MODEL")
    parser.add_argument("--lists", type=int, nargs="+", default=[20, 1000])
    parser.add_argument("--task", default="triviaqa")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--data-dir", default=str(Path("datasets/mini").resolve()))
    args = parser.parse_args()
    expected, differ = None, 0
    with tempfile.TemporaryDirectory() as folder:
        for length in args.lists:
            seconds, samples = run(args, length, folder)
            answers = [sample["response"] for sample in samples]
            expected = expected or answers
            equal = sum(a == b for a, b in zip(expected, answers, strict=True))
            differ += len(answers) - equal
            tokens = sum(sample["tokens"] for sample in samples)
            print(f"lists of {length}: {tokens} tokens in {seconds:.1f} s, {tokens / seconds:.1f} a second; "
                  f"{equal} of {len(answers)} answers as the first", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
