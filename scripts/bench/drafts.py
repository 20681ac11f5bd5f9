#!/usr/bin/env python3
"""What drafts by the cheaper member gain: one sample at a time, with drafts and without, in turn.

    cargo build --release
    python scripts/bench/drafts.py /tmp/pair --tokenizers ../shared/tokenizers
    python scripts/bench/drafts.py --cheap MODEL --other MODEL [--prompts FILE.jsonl]

The first takes the random pair of `gac_pair.py` (135M and 0.5B); its members agree on nothing, so weights say how often the
cheap one's guesses come true. The second takes any two models and prompts ({"prompt": ...} a line; nine of
`scripts/remote/pairings.py` unless given; the first warms up). Prints milliseconds per
token without drafts and with each number of tokens, how many guesses came true, tokens per reading, and whether the texts are
equal (they have to be).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

GAC = Path(__file__).resolve().parents[2] / "target/release/gac"


def generate(models, prompts, tokens, *flags):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.jsonl"
        command = [GAC, "generate", "--prompts", prompts, "--output", output, "--batch-size", 1, "--quiet"]
        command += ["--max-new-tokens", tokens, *(word for model in models for word in ("--model", model)), *flags]
        subprocess.run([str(word) for word in command], check=True)
        return [json.loads(line) for line in output.read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tokenizers", type=Path)
    parser.add_argument("--cheap")
    parser.add_argument("--other")
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--weights", nargs="*", default=None, help="of the cheap member, 0 to 1")
    parser.add_argument("--lengths", nargs="*", default=["auto", "2", "4"])
    args = parser.parse_args()
    if args.cheap:
        models, prompts, weights = [args.cheap, args.other], args.prompts, args.weights or ["0.5"]
        if prompts is None:
            sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "remote"))
            from pairings import OPENINGS, PLACES

            prompts = Path(tempfile.mkdtemp()) / "prompts.jsonl"
            texts = [opening.format(place=PLACES[0]) for opening in OPENINGS[:9]]
            prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    else:
        from gac_pair import PROMPT, make

        paths = make(args.folder, args.tokenizers)
        models, weights = [paths["135M"], paths["0.5B"]], args.weights or ["0.5", "0.7", "0.9", "1"]
        prompts = args.folder / "prompts.jsonl"
        # The first warms up.
        prompts.write_text("".join(json.dumps({"prompt": PROMPT + " " * at}) + "\n" for at in range(4)))
    print("| weight of the cheap one | draft | ms/token | gain | came true | tokens a reading | texts |")
    print("|---|---|---|---|---|---|---|")
    for weight in weights:
        share = ["--weights", f"{weight},{1 - float(weight)}"]
        flags = {"none": [], **{length: ["--draft", models[0], "--draft-tokens", length] for length in args.lengths}}
        best, texts, counts = {}, {}, {}
        for _ in range(args.turns):
            for name, draft in flags.items():
                samples = generate(models, prompts, args.tokens, *share, *draft)[1:]
                seconds, tokens = sum(one["seconds"] for one in samples), sum(one["tokens"] for one in samples)
                best[name] = min(best.get(name, seconds / tokens), seconds / tokens)
                texts[name] = [one["text"] for one in samples]
                drafts = [one["drafts"] for one in samples if one.get("drafts")]
                counts[name] = [sum(one[key] for one in drafts) for key in ("drafted", "accepted", "verifications")] + [tokens]
        for name in flags:
            drafted, accepted, readings, tokens = counts[name]
            true = f"{accepted / drafted:.2f}" if drafted else "-"
            a_reading = f"{tokens / readings:.2f}" if readings else "-"
            print(f"| {weight} | {name} | {1000 * best[name]:.1f} | {best['none'] / best[name]:.2f} | {true} | {a_reading} | "
                  f"{'equal' if texts[name] == texts['none'] else 'NOT EQUAL'} |", flush=True)


if __name__ == "__main__":
    main()
