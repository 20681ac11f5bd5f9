#!/usr/bin/env python3
"""Sets gac's log-probabilities of real GGUF files beside transformers' on their dequantised f32 weights.

    pip install torch transformers pyarrow
    python scripts/real/fetch.py FOLDER && python scripts/real/to_folder.py FOLDER
    cargo build --release
    python scripts/real/log_probs.py FOLDER [--texts FILE ...] [--limit 20]
    python scripts/real/log_probs.py FOLDER --record

Texts are the paragraphs of text files and the strings of parquet files, at most `--limit` of each file, spread over it.
Ids go to both directly, so that no tokenizer matters. It prints the largest difference of each text and file, and fails
where one is above 1e-3. `--record` writes what transformers says of made-up ids for the tests.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "crates/inference/tests/real_log_probs.json"
MOST = 1e-3
CONTEXT = 512


def texts(path: Path, limit: int) -> list[str]:
    """What there is to read in a file, spread over it."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        def strings(value) -> list[str]:
            if isinstance(value, str):
                return [value]
            if isinstance(value, dict):
                value = list(value.values())
            return [text for part in value for text in strings(part)] if isinstance(value, list) else []

        rows = pyarrow.parquet.read_table(path).to_pylist()
        found = ["\n".join(strings(row)) for row in rows]
    else:
        found = path.read_text().split("\n\n")
    found = [text for text in found if text.strip()]
    return found[:: max(1, len(found) // limit)][:limit]


@torch.no_grad()
def by_transformers(folder: Path, sequences: list[list[int]]) -> list[list[float]]:
    """Log-probability of each token but the first, in f32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    out = []
    for ids in sequences:
        logits = model(torch.tensor([ids])).logits[0, :-1]
        # The softmax in f64: what is compared are the logits.
        out.append(logits.double().log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist())
    return out


def by_gac(file: Path, sequences: list[list[int]]) -> list[list[float]]:
    """The same from the GGUF file."""
    with tempfile.TemporaryDirectory() as folder:
        given, scored = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        given.write_text("".join(json.dumps({"tokens": ids}) + "\n" for ids in sequences))
        command = [ROOT / "target/release/gac", "score", "--quiet", "--model", file, "--input", given, "--output", scored]
        subprocess.run([str(word) for word in command], check=True)
        return [json.loads(line)["logprobs"] for line in scored.read_text().splitlines()]


def made_up(vocabulary: int) -> list[list[int]]:
    """Ids for the tests: from all of a vocabulary, of lengths around the sizes that kernels have."""
    return [[(at * at * 7919 + at * 104_729 + length) % vocabulary for at in range(length)] for length in (2, 9, 33, 70)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, nargs="*", default=[ROOT / "README.md"], metavar="FILE")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    recorded, worst = {}, 0.0
    for file in sorted(args.folder.glob("*.gguf")):
        folder = args.folder / f"{file.stem}-f32"
        if args.record:
            sequences = made_up(json.loads((folder / "config.json").read_text())["vocab_size"])
            recorded[file.name] = [
                {"tokens": ids, "logprobs": [round(value, 6) for value in logprobs]}
                for ids, logprobs in zip(sequences, by_transformers(folder, sequences), strict=True)
            ]
            continue
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for path in args.texts:
            # The beginning of a text and, of a long one, no more than fits.
            sequences = [tokenizer.encode(text)[:CONTEXT] for text in texts(path, args.limit)]
            sequences = [ids for ids in sequences if len(ids) > 1]
            pairs = zip(by_transformers(folder, sequences), by_gac(file, sequences), strict=True)
            largest = [max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) for ours, theirs in pairs]
            tokens = sum(len(ids) - 1 for ids in sequences)
            print(f"{file.name}  {path.name}: {len(sequences)} texts, {tokens} tokens, at most {max(largest):.2e}", flush=True)
            worst = max([worst, *largest])
    if args.record:
        RECORDED.write_text(json.dumps(recorded) + "\n")
        return
    print(f"largest difference: {worst:.2e} (may be {MOST:.0e})")
    sys.exit(worst > MOST)


if __name__ == "__main__":
    main()
