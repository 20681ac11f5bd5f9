"""Tokens a second of `gac serve` beside `gac generate`, of the same prompts by the same system, in turns.

    pip install aiohttp
    cargo build --release
    python scripts/serve/throughput.py --model MODEL [--model OTHER] [--stream]

One client per prompt, all at once; `gac generate` reads the same prompts from a file. Both must say the same. What
`gac generate` takes to load is taken off its time: a run of one prompt and one token. Exits with 1 when the server makes
less than 0.9 of its tokens a second.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from long_prompt import text
from running import serving


def generate(args, system, folder, prompts, tokens):
    """Seconds, and what was said."""
    asked, said = Path(folder) / "asked.jsonl", Path(folder) / "said.jsonl"
    asked.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    said.unlink(missing_ok=True)
    command = [args.gac, "generate", *system, "--prompts", asked, "--output", said, "--max-new-tokens", str(tokens), "--quiet"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    seconds = time.monotonic() - began
    return seconds, [json.loads(line) for line in said.read_text().splitlines()]


async def ask(session, address, prompt, args):
    body = {"prompt": prompt, "max_tokens": args.tokens, "temperature": 0, "stream": args.stream}
    async with session.post(f"{address}/v1/completions", json=body) as reply:
        assert reply.status == 200, await reply.text()
        if not args.stream:
            return (await reply.json())["choices"][0]["text"]
        said = ""
        async for line in reply.content:
            if line.startswith(b"data: {"):
                said += json.loads(line[6:])["choices"][0]["text"]
        return said


async def serve(args, address, prompts):
    timeout = aiohttp.ClientTimeout(total=3600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.monotonic()
        said = await asyncio.gather(*(ask(session, address, prompt, args) for prompt in prompts))
        return time.monotonic() - began, said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream", action="store_true")
    args = parser.parse_args()
    system = [part for model in args.model for part in ("--model", model)]
    ratios = []
    with tempfile.TemporaryDirectory() as folder, serving(args.gac, *system) as (address, _):
        for number in range(args.rounds):
            # New ones each time: the server keeps prompts.
            prompts = [text(40, 1000 * number + at) for at in range(args.prompts)]
            loading, _ = generate(args, system, folder, prompts[:1], 1)
            alone, expected = generate(args, system, folder, prompts, args.tokens)
            served, said = asyncio.run(serve(args, address, prompts))
            assert said == [line["text"] for line in expected], "the server says something else"
            count = sum(line["tokens"] for line in expected)
            ours, theirs = count / served, count / (alone - loading)
            ratios.append(ours / theirs)
            print(f"gac serve {ours:.0f} tokens a second, gac generate {theirs:.0f}: {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")
    return 1 if statistics.median(ratios) < 0.9 else 0


if __name__ == "__main__":
    sys.exit(main())
