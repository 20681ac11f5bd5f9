"""Proves that no test row occurs in the training texts: searches every test question in them.

    python leak.py --build build --data ../../datasets/mini

A question is searched on its own, whatever its distractors and whatever the task: wherever a line of any document begins with
it, with or without `Q: ` or `Question: ` before it (every format puts its questions there). Ends with status 1 where one
is found.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

TEST = {
    "cais/mmlu/all/test-00000-of-00001.parquet": "question",
    "openai/gsm8k/main/test-00000-of-00001.parquet": "question",
    "allenai/ai2_arc/ARC-Easy/test-00000-of-00001.parquet": "question",
    "allenai/ai2_arc/ARC-Challenge/test-00000-of-00001.parquet": "question",
    "ybisk/piqa/plain_text/validation/0000.parquet": "goal",
    "mandarjoshi/trivia_qa/rc.nocontext/validation-00000-of-00001.parquet": "question",
    "google-research-datasets/nq_open/nq_open/validation-00000-of-00001.parquet": "question",
}


def main() -> None:
    """Count the test questions that a training text contains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--data", type=Path, default=Path("../../datasets/mini"))
    args = parser.parse_args()
    texts = {}
    for corpus in sorted(args.build.glob("*.jsonl")):
        with corpus.open() as lines:
            text = "\n".join("".join(text for text, _ in json.loads(line)) for line in lines)
            texts[corpus.stem] = "\n" + text.replace("\nQuestion: ", "\n").replace("\nQ: ", "\n")
    if not texts:
        sys.exit(f"no training text (*.jsonl) in {args.build}")
    leaked = 0
    for file, column in TEST.items():
        questions = set(pq.read_table(args.data / file, columns=[column])[column].to_pylist())
        found = {name: [q for q in questions if "\n" + q in text] for name, text in texts.items()}
        leaked += sum(map(len, found.values()))
        print(f"{file}: {len(questions)} different questions;",
              ", ".join(f"{len(hits)} in the text of {name}" for name, hits in found.items()))
        for hits in found.values():
            for hit in hits[:3]:
                print("   found:", hit)
    sys.exit(1 if leaked else 0)


if __name__ == "__main__":
    main()
