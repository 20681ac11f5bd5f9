"""Rolling log-likelihood of the same model through lm-evaluation-harness 0.4.13's `hf` and through `gac`.

    pip install lm_eval==0.4.13 torch transformers
    cargo build --release
    python scripts/lm_eval/rolling.py

Of each model of models/ a copy with a context so short that texts take several windows, and the model itself. The task is
WikiText on the pages of `made_up.py`. lm-evaluation-harness's figures are recorded for the test
`crates/cli/tests/rolling.rs`; those of `gac` must be equal to 2e-6 of their size (perplexities are
1e8 to 1e9 here, of models of a few million parameters). Exits with 1 when one is not.

`add_bos_token` is off: by default `hf` also scores the begin-of-text that a tokenizer adds, behind another one. What that
comes to is printed.
"""

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
from lm_eval.models.huggingface import HFLM

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "crates/harness/tests/fixtures/lm_eval/data"
RECORDED = ROOT / "crates/cli/tests/fixtures/rolling.json"
MODELS = ["mini-llama", "mini-qwen"]
CONTEXTS = [24, 120, 8192]
PAGES = 6
METRICS = ["word_perplexity", "byte_perplexity", "bits_per_byte"]


def with_context(model, context, folder):
    """A copy of a checkpoint with another context."""
    copy = Path(folder) / f"{model}-{context}"
    shutil.copytree(ROOT / "models" / model, copy)
    path = copy / "config.json"
    config = json.loads(path.read_text()) | {"max_position_embeddings": context}
    path.write_text(json.dumps(config))
    return copy


def theirs(model, **settings):
    lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=1, **settings)
    found = lm_eval.simple_evaluate(model=lm, tasks=["wikitext"], limit=PAGES, bootstrap_iters=0, log_samples=True)
    sums = {str(sample["doc_id"]): float(sample["resps"][0][0]) for sample in found["samples"]["wikitext"]}
    return {metric: found["results"]["wikitext"][f"{metric},none"] for metric in METRICS} | {"sums": sums}


def ours(model, gac, folder):
    output = Path(folder) / f"run-{model.name}"
    command = [gac, "eval", "--model", model, "--tasks", "wikitext", "--data-dir", DATA, "--output-path", output]
    command += ["--limit", str(PAGES), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (results,) = output.glob("*/*/results.json")
    found = {a["key"]["metric"]: a["value"] for a in json.loads(results.read_text())["aggregates"]}
    with next(output.glob("*/*/samples.jsonl")).open() as lines:
        samples = [json.loads(line) for line in lines]
    sums = {str(sample["doc_id"]): sample["response"]["choices"][0]["sum"] for sample in samples}
    return {metric: found[metric] for metric in METRICS} | {"sums": sums}


def distance(own, other):
    """The largest difference, in parts of the value."""
    if isinstance(other, dict):
        assert own.keys() == other.keys()
        return max(distance(own[key], other[key]) for key in other)
    return abs(own - other) / abs(other)


def main():
    logging.disable(logging.WARNING)
    os.environ["HF_HUB_OFFLINE"] = "1"
    local_data.use(DATA)
    recorded, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            for context in CONTEXTS:
                copy = with_context(model, context, folder)
                expected = theirs(copy, add_bos_token=False)
                # The last context takes one window, and little time.
                default = theirs(copy)["word_perplexity"] if context == CONTEXTS[-1] else float("nan")
                apart = distance(ours(copy, sys.argv[1] if len(sys.argv) > 1 else "target/release/gac", folder), expected)
                worst = max(worst, apart)
                recorded.append({"model": model, "context": context} | expected)
                print(f"{model}, context {context}: within {apart:.1e}; word perplexity {expected['word_perplexity']:.4f}, "
                      f"by default {default:.4f}", flush=True)
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    return 1 if worst > 2e-6 else 0


if __name__ == "__main__":
    sys.exit(main())
