"""Whole runs beside lm-evaluation-harness 0.4.13's `hf` model: documents per minute on the same model and prompts.

    pip install lm_eval==0.4.13 torch transformers
    python scripts/bench/smollm_shape.py /tmp/smol
    cargo build --release
    python scripts/bench/whole_run.py /tmp/smol --tokenizer ../shared/tokenizers/mistral-7b-instruct-v0.2 \
        --data-dir ../shared/datasets

One subject of mmlu, 5-shot (log-likelihoods), and the first documents of gsm8k, 5-shot (generation up to `--generated`
tokens; random weights end no text). lm-evaluation-harness computes in bfloat16 with a batch size of 16 (its `auto`
first spends minutes on a CPU with batches of the longest prompt); gac by its defaults, with `--compute bf16`, and where it
generates with `--draft prompt` as well. Loading is left out of both.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.compute
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lm_eval"))

import lm_eval
import local_data
from lm_eval.models.huggingface import HFLM

GAC = Path(__file__).resolve().parents[2] / "target/release/gac"
SUBJECT = "anatomy"
WAYS = ["", "--compute bf16"]
# What repeats itself is read ahead; answers are the same.
DRAFTED = ["--compute bf16 --draft prompt"]


def one_subject(data_dir: Path, folder: Path) -> Path:
    """A data folder with one subject of mmlu, and everything else as it is."""
    folder.mkdir()
    for entry in data_dir.iterdir():
        if entry.name != "cais":
            (folder / entry.name).symlink_to(entry.resolve())
    target = folder / "cais/mmlu/all"
    target.mkdir(parents=True)
    for file in (data_dir / "cais/mmlu/all").glob("*.parquet"):
        table = pyarrow.parquet.read_table(file)
        pyarrow.parquet.write_table(table.filter(pyarrow.compute.equal(table["subject"], SUBJECT)), target / file.name)
    return folder


def theirs(lm: HFLM, task: str, limit: int | None, **settings: object) -> float:
    """Seconds of a run."""
    start = time.perf_counter()
    lm_eval.simple_evaluate(model=lm, tasks=[task], num_fewshot=5, limit=limit, bootstrap_iters=0, **settings)
    return time.perf_counter() - start


def ours(model: Path, task: str, limit: int | None, data_dir: Path, *flags: str) -> tuple[float, int]:
    """Seconds of a run without loading, and its documents."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = [GAC, "eval", "--model", model, "--tasks", task, "--data-dir", data_dir, "--num-fewshot", 5, "--quiet"]
        command += ["--output-path", output, *flags, *(["--limit", limit] if limit else [])]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        (results,) = output.glob("*/*/results.json")
        found = json.loads(results.read_text())
        return found["timing"]["wall_seconds"], found["documents"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer, where the model has none")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["mmlu", "gsm8k"], choices=["mmlu", "gsm8k"])
    parser.add_argument("--limit", type=int, default=16, help="documents of gsm8k")
    parser.add_argument("--generated", type=int, default=64, help="most tokens of an answer to gsm8k; the task says 256")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        shutil.copytree(args.model, model)
        for file in args.tokenizer.glob("tokenizer*") if args.tokenizer else []:
            shutil.copy(file, model)
        data = one_subject(args.data_dir, Path(scratch) / "data")
        local_data.use(data)
        lm = HFLM(pretrained=str(model), dtype="bfloat16", device="cpu", batch_size=16)
        kwargs = f"max_gen_toks={args.generated}"
        tasks = [
            ("mmlu", f"mmlu_{SUBJECT}", None, {}, [], WAYS),
            ("gsm8k", "gsm8k", args.limit, {"gen_kwargs": kwargs}, ["--gen-kwargs", kwargs], WAYS + DRAFTED),
        ]
        for own, other, limit, settings, flags, ways in (task for task in tasks if task[0] in args.tasks):
            runs = {way: ours(model, own, limit, data, *flags, *way.split()) for way in ways}
            peer = theirs(lm, other, limit, **settings)
            for way, (seconds, documents) in runs.items():
                name = f"gac {way}".strip()
                print(f"{own}, 5-shot, {documents} documents: {name} {60 * documents / seconds:.0f} a minute, "
                      f"lm-evaluation-harness {60 * documents / peer:.0f}: {peer / seconds:.1f}x", flush=True)


if __name__ == "__main__":
    main()
