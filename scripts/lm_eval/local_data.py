"""Lets lm-evaluation-harness 0.4.13 read its tasks' data from a folder laid out as the hub is.

Every task of ours names the data set by its own id; some of lm-evaluation-harness's tasks name copies of it. The rows
are the same, in the same order.
"""

import functools
import tempfile
from pathlib import Path

import datasets
import pyarrow.parquet
from lm_eval.api.task import ConfigurableTask

COPIES = {
    "gsm8k": "openai/gsm8k",
    "nq_open": "google-research-datasets/nq_open",
    "baber/piqa": "ybisk/piqa",
    "piqa": "ybisk/piqa",
    "SaylorTwift/bbh": "lukaemon/bbh",
    "hails/mmlu_no_train": "cais/mmlu",
    "lighteval/squad_v2": "rajpurkar/squad_v2",
}
CONFIGS = {
    "ybisk/piqa": "plain_text",
    "google-research-datasets/nq_open": "nq_open",
    "Rowan/hellaswag": "data",
    "TIGER-Lab/MMLU-Pro": "data",
    "Maxwell-Jia/AIME_2024": "default",
    "math-ai/aime25": "default",
    "google/IFEval": "default",
    "rajpurkar/squad_v2": "squad_v2",
}
# As on the hub, what `process_docs` makes of a file is made once: GPQA's choices are drawn there.
CACHE = tempfile.TemporaryDirectory()
SPLITS = ("train", "validation", "test", "dev")


def use(folder: Path) -> None:
    """From now on, tasks load their rows from `folder`."""

    def download(task, *_args, **_kwargs):
        task.dataset = load(folder, task.DATASET_PATH, task.DATASET_NAME)

    ConfigurableTask.download = download


@functools.cache
def read(file: Path) -> list[dict]:
    """A file's rows; a task with many subjects asks for the same file many times."""
    return pyarrow.parquet.read_table(file).to_pylist()


def load(folder: Path, path: str, name: str | None) -> datasets.DatasetDict:
    path = COPIES.get(path, path)
    subject = name if path == "cais/mmlu" else None
    config = "all" if subject else CONFIGS.get(path, name)
    splits = {}
    for split in SPLITS:
        root = folder / path / config
        files = sorted(root.glob(f"{split}-*.parquet")) or sorted((root / split).glob("*.parquet"))
        if not files:
            continue
        if subject:
            rows = [row for file in files for row in read(file) if row["subject"] == subject]
            splits[split] = datasets.Dataset.from_list(rows)
        else:
            splits[split] = datasets.Dataset.from_parquet([str(file) for file in files], cache_dir=CACHE.name)
    if not splits:
        raise FileNotFoundError(f"no split of {path} ({config}) under {folder}")
    return datasets.DatasetDict(splits)
