#!/usr/bin/env python3
"""Members here and on servers vote together: whether the same text comes out, what was asked, and what it took.

    python scripts/remote/pairings.py --gac target/release/gac --first NAME=MODEL... --second NAME=MODEL... [--prompts 100]

The first model of `--first` and of `--second` are the reference (mostly folders on this machine); every other pairing of
one of `--first` with one of `--second` is held against it, voting at every step and gated by the first. Prints one row a
pairing: tokens that are equal up to each text's first difference and in all, steps that asked for more, requests per token,
time per token and the part of it that no server was waited for, and how many first differences are at steps that the trace
calls close: the second token has at least e^(-1/8) of the first one's probability. Then first differences with both
contenders, those that are not close first.

With `--keep FOLDER` what was generated stays there, and is not generated again: a long comparison may be made in pieces.
`--only NAME+NAME` (several times) leaves out the other pairings, but for the reference.

    python scripts/remote/pairings.py ... --choices 200

also compares the log-likelihoods of that many choices of two-way questions.
"""

import argparse
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

PLACES = ["the harbour", "a small town", "the old library", "the northern coast", "a quiet valley", "the market square",
          "the space station", "a mountain village", "the river delta", "the museum"]
OPENINGS = ["Once upon a time in {place}, there was", "The three most important things about {place} are",
            "Question: How do people travel to {place}?\nAnswer:", "A short letter from {place}:\n\nDear friend,",
            "def visitors_of(place):\n    # counts who came to {place}\n", "In {place}, 12 boats carry 7 people each, so",
            "The history of {place} begins with", "Breaking news from {place}: today", "Recipe of {place}:\n1.",
            "List five animals that live near {place}:\n-"]


def generate(gac, models, gated, prompts, tokens, output):
    """Texts with traces, what the servers' log lines say, and seconds; as they were where they are there already."""
    told = output.with_suffix(".told")
    if told.exists():
        return [json.loads(line) for line in output.read_text().splitlines()], *json.loads(told.read_text())
    output.unlink(missing_ok=True)
    command = [gac, "generate", "--prompts", prompts, "--output", output, "--max-new-tokens", str(tokens), "--trace", "-vv"]
    for model in models:
        command += ["--model", model]
    if gated is not None:
        command += ["--gate", models[0], "--threshold", str(gated)]
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    found = [(int(a), int(b)) for a, b in re.findall(r"requests=(\d+).*?waited_ms=(\d+)", done.stderr)]
    told.write_text(json.dumps([found, seconds]))
    return [json.loads(line) for line in output.read_text().splitlines()], found, seconds


def compare(reference, lines):
    """Tokens equal in place, all of the reference, texts equal, and where each other text first differs."""
    equal = total = texts = 0
    differences = []
    for before, after in zip(reference, lines, strict=True):
        a = [step.get("hex", step["text"]) for step in before["steps"]]
        b = [step.get("hex", step["text"]) for step in after["steps"]]
        same = next((at for at, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        equal, total, texts = equal + same, total + len(a), texts + (a == b)
        if a != b and same < min(len(a), len(b)):
            differences.append((before["steps"][same], after["steps"][same]))
    return equal, total, texts, differences


def say(step):
    tops = "; ".join(
        " ".join(f"{text!r} {p:.4f}" for text, p in view["top"][:2]) if view else "-" for view in step["members"])
    return f"{step['text']!r} with {step['probability']:.4f}{' (close)' if step.get('close') else ''} [{tops}]"


def choices(gac, model, count, folder):
    lines = [{"context": OPENINGS[at % len(OPENINGS)].format(place=PLACES[at // 2 % len(PLACES)]),
              "continuation": [" a good answer", " nothing at all"][at % 2]} for at in range(count)]
    (folder / "choices.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    output = folder / "scores.jsonl"
    output.unlink(missing_ok=True)
    command = [gac, "score", "--model", model, "--input", folder / "choices.jsonl", "--output", output, "-vv"]
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    requests = sum(int(n) for n in re.findall(r"requests=(\d+)", done.stderr))
    return [json.loads(line) for line in output.read_text().splitlines()], requests, time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--first", nargs="+", required=True, metavar="NAME=MODEL")
    parser.add_argument("--second", nargs="+", default=[], metavar="NAME=MODEL")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--votes", choices=["every-step", "gated", "both"], default="both")
    parser.add_argument("--choices", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--only", action="append", default=[], metavar="NAME+NAME")
    parser.add_argument("--differences", type=int, default=5, help="most first differences to print of a pairing")
    args = parser.parse_args()
    first = [pair.split("=", 1) for pair in args.first]
    second = [pair.split("=", 1) for pair in args.second]
    with tempfile.TemporaryDirectory() as folder:
        folder = args.keep or Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        prompts = folder / "prompts.jsonl"
        texts = [OPENINGS[at % 10].format(place=PLACES[at // 10 % 10]) for at in range(args.prompts)]
        prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        pairs = [[a, b] for a in first for b in second] or [[a] for a in first]
        names = ["+".join(name for name, _ in pair) for pair in pairs]
        if unknown := set(args.only) - set(names):
            parser.error(f"--only {', '.join(sorted(unknown))}: there are {', '.join(names)}")
        pairs = [pair for at, pair in enumerate(pairs) if at == 0 or not args.only or names[at] in args.only]
        print(f"{args.prompts} prompts, {args.tokens} tokens each")
        print("| members | vote | tokens as here | texts as here | steps that asked | requests/token | ms/token | outside servers | first differences that are close |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        told = []
        votes = {"every-step": [None], "gated": [args.threshold], "both": [None, args.threshold]}[args.votes]
        for gated in votes if second else [None]:
            reference = None
            for pair in pairs:
                models = [model for _, model in pair]
                name = " + ".join(name for name, _ in pair)
                vote = "every step" if gated is None else f"gated {gated}"
                output = folder / f"{name}, {vote}, {args.prompts} of {args.tokens}.jsonl"
                lines, found, seconds = generate(args.gac, models, gated, prompts, args.tokens, output)
                reference = reference or lines
                equal, total, same, differences = compare(reference, lines)
                steps = [step for line in lines for step in line["steps"]]
                asked = sum(1 for step in steps if step.get("asks"))
                requests = sum(requests for requests, _ in found)
                # Members are waited for at the same time, and the slower one counts; but for a gate, behind which the other
                # is often waited for by itself.
                waited = max((waited for _, waited in found), default=0)
                local = not all(model.startswith("http") for model in models)
                most = "" if gated is None else "at most "
                outside = "-" if not found or local else f"{most}{(seconds * 1e3 - waited) / len(steps):.2f} ms"
                close = [before.get("close") or after.get("close") for before, after in differences]
                print(f"| {name} | {vote} | {100 * equal / total:.1f} % | {same} of {len(lines)} "
                      f"| {100 * asked / len(steps):.1f} % | {requests / len(steps):.2f} | {seconds * 1e3 / len(steps):.1f} "
                      f"| {outside} | {sum(map(bool, close))} of {len(close)} |", flush=True)
                in_order = [pair for _, pair in sorted(zip(close, differences), key=lambda pair: bool(pair[0]))]
                told += [(name, vote, a, b) for a, b in in_order[:args.differences]]
        if told:
            print("\nFirst differences (each member's first two tokens in brackets):")
        for name, vote, a, b in told:
            print(f"- {name}, {vote}: here {say(a)}; there {say(b)}")
        for models in (first, second) if args.choices else ():
            reference = None
            for name, model in models:
                scores, requests, seconds = choices(args.gac, model, args.choices, folder)
                reference = reference or scores
                worst = max(abs(a["sum"] - b["sum"]) for a, b in zip(reference, scores, strict=True))
                pairs = list(zip(reference, scores, strict=True))
                picks = sum((a["sum"] > b["sum"]) == (c["sum"] > d["sum"])
                            for (a, c), (b, d) in zip(pairs[::2], pairs[1::2]))
                print(f"{name}: {len(scores)} log-likelihoods, {worst:.4f} nats off at most, {picks} of {len(scores) // 2} "
                      f"choices as here, {requests / len(scores):.2f} requests each, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
