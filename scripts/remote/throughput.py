#!/usr/bin/env python3
"""Tokens a second of a server with many texts in flight: by a plain client, and by `gac generate`, for the same prompts.

    /tmp/vllm/serve MODEL 8101 &
    python scripts/remote/throughput.py --gac target/release/gac --server http://127.0.0.1:8101 [--texts 64] [--tokens 64]

The plain client asks for every text in one request, once without log-probabilities and once with lists of twenty, which is
what gac asks for. A last line says how many requests gac made.
"""

import argparse
import concurrent.futures
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from pairings import OPENINGS, PLACES


def ask(server: str, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def plainly(server: str, model: str, texts: list[str], tokens: int, **more) -> tuple[int, float]:
    """Tokens and seconds of a client that asks for every text at once."""

    def one(text: str) -> int:
        body = {"model": model, "prompt": text, "max_tokens": tokens, "temperature": 0, **more}
        return ask(server, "/v1/completions", body)["usage"]["completion_tokens"]

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(texts)) as pool:
        told = sum(pool.map(one, texts))
    return told, time.monotonic() - began


def by_gac(gac: str, server: str, texts: list[str], tokens: int) -> tuple[int, float, str]:
    """Tokens and seconds of `gac generate`, its start and its questions to the server included, and its requests."""
    with tempfile.TemporaryDirectory() as folder:
        prompts, output = Path(folder, "prompts.jsonl"), Path(folder, "output.jsonl")
        prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        command = [gac, "generate", "--model", server, "--prompts", prompts, "--output", output, "--trace", "-vv"]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--max-new-tokens", str(tokens), "--batch-size", str(len(texts))], capture_output=True, text=True
        )
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(done.stderr)
        told = sum(len(json.loads(line)["steps"]) for line in output.read_text().splitlines())
        waited = re.findall(r"requests=(\d+).*?waited_ms=(\d+)", done.stderr)
        return told, seconds, ", ".join(f"{requests} requests, {ms} ms waited for them" for requests, ms in waited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--server", required=True)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    places = [(at % len(OPENINGS), at // len(OPENINGS) % len(PLACES)) for at in range(args.texts)]
    texts = [OPENINGS[opening].format(place=PLACES[place]) for opening, place in places]
    model = ask(args.server, "/v1/models")["data"][0]["id"]
    plainly(args.server, model, texts[:1], args.tokens)
    for label, more in (("plain client", {}), ("plain client, lists of 20", {"logprobs": 20})):
        told, seconds = plainly(args.server, model, texts, args.tokens, **more)
        print(f"{label}: {told} tokens in {seconds:.1f} s, {told / seconds:.0f} tokens/s", flush=True)
    told, seconds, requests = by_gac(args.gac, args.server, texts, args.tokens)
    print(f"gac: {told} tokens in {seconds:.1f} s, {told / seconds:.0f} tokens/s; {requests}")


if __name__ == "__main__":
    main()
