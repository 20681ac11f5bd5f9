"""Tokens a second of `gac serve` beside `gac generate`, of the same prompts by the same system, in turns.

    pip install aiohttp numpy
    cargo build --release
    python scripts/serve/throughput.py --model MODEL [--model OTHER] [--stream]

One client per prompt, all at once; `gac generate` reads the same prompts from a file. Both must say the same. What
`gac generate` takes to load is taken off its time: a run of one prompt and one token. Says the ratio by the clock, and by
the processor's time, which other programs on the machine disturb less. Exits with 1 when the server makes less than 0.9 of
its tokens a second.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import numpy as np
from long_prompt import text
from running import serving


def generate(args, system, folder, prompts, tokens):
    """Seconds by the clock and of the processor, and what was said."""
    asked, said = Path(folder) / "asked.jsonl", Path(folder) / "said.jsonl"
    asked.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    said.unlink(missing_ok=True)
    command = [args.gac, "generate", *system, "--prompts", asked, "--output", said, "--max-new-tokens", str(tokens), "--quiet"]
    began, computed = time.monotonic(), os.times()
    subprocess.run(command, check=True)
    seconds, now = time.monotonic() - began, os.times()
    busy = now.children_user + now.children_system - computed.children_user - computed.children_system
    return np.array([seconds, busy]), [json.loads(line) for line in said.read_text().splitlines()]


def busy(pid):
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


async def serve(args, address, pid, prompts):
    timeout = aiohttp.ClientTimeout(total=3600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        began, computed = time.monotonic(), busy(pid)
        said = await asyncio.gather(*(ask(session, address, prompt, args) for prompt in prompts))
        return np.array([time.monotonic() - began, busy(pid) - computed]), said


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
    with tempfile.TemporaryDirectory() as folder, serving(args.gac, *system) as (address, server):
        for number in range(args.rounds):
            # New ones each time: the server keeps prompts.
            prompts = [text(40, 1000 * number + at) for at in range(args.prompts)]
            loading, _ = generate(args, system, folder, prompts[:1], 1)
            alone, expected = generate(args, system, folder, prompts, args.tokens)
            served, said = asyncio.run(serve(args, address, server.pid, prompts))
            assert said == [line["text"] for line in expected], "the server says something else"
            count = sum(line["tokens"] for line in expected)
            ours, theirs = count / served, count / (alone - loading)
            ratios.append(ours / theirs)
            rates = f"gac serve {ours[0]:.0f} tokens a second, gac generate {theirs[0]:.0f}"
            print(f"{rates}: {ratios[-1][0]:.2f}; by the processor's time {ratios[-1][1]:.2f}", flush=True)
    clock, processor = np.median(ratios, axis=0)
    print(f"median ratio {clock:.2f}, by the processor's time {processor:.2f}")
    return 1 if clock < 0.9 else 0


if __name__ == "__main__":
    sys.exit(main())
