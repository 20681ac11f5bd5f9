"""What running streams notice of a long prompt: some clients stream, and prompts of nearly 8,192 tokens arrive, one after the
other, while short ones come and go.

    pip install aiohttp
    cargo build --release
    python scripts/serve/long_prompt.py --model MODEL

MODEL needs a context of 8,192 tokens (scripts/real/to_folder.py makes folders of GGUF files). Says p50 and p99 of the time to
the first token of short prompts and between a stream's tokens, before a long prompt and while it is read, the longest
pause of each stream in its own steps (its median pause before the long prompt came), and how many pauses were longer than
three of them: on a machine that does other things there are some without long prompts, too. Exits with 1 when more than
one in a hundred was. Memory grows until the cache is full, which keeps prompts.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time

import aiohttp
from many_clients import resident
from running import serving

WORDS = "the river runs past seven old mills and a red barn before it turns east toward the quiet harbour".split()
STREAM, SHORT = 6000, 8


def text(length, seed):
    """Words in an order of their own, so that no two prompts begin alike."""
    return " ".join(WORDS[(seed * 7 + at * (1 + seed % 5) + at // 11) % len(WORDS)] for at in range(length))


class Clients:
    def __init__(self, session, address):
        self.session, self.address, self.seeds = session, address, itertools.count()

    async def stream(self, words, tokens, times, **more):
        """Notes when the request went out and when each piece came."""
        body = {"prompt": text(words, next(self.seeds)), "max_tokens": tokens, "temperature": 1.0, "seed": 1, "stream": True}
        times.append(time.monotonic())
        async with self.session.post(f"{self.address}/v1/completions", json=body | more) as reply:
            assert reply.status == 200, await reply.text()
            async for line in reply.content:
                # Every token is a piece: with log-probabilities, those without text too.
                if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["logprobs"]:
                    times.append(time.monotonic())

    async def one_after_the_other(self, first_tokens):
        """Short prompts for as long as nobody cancels it: when each was asked, and how long its first token took."""
        while True:
            times = []
            await self.stream(12, SHORT, times, logprobs=0)
            first_tokens.append((times[0], times[1] - times[0]))
            await asyncio.sleep(0.2)

    async def long_prompt(self, tokens):
        """Reads a prompt of about so many tokens; from when to when."""
        times = []
        words = text(tokens, next(self.seeds)).split()
        async with self.session.post(f"{self.address}/tokenize", json={"prompt": " ".join(words)}) as reply:
            each = (await reply.json())["count"] / len(words)
        await self.stream(int(tokens / each), 2, times, logprobs=0)
        return times[0], times[1]


def quantiles(values):
    ordered = sorted(values)
    at = lambda q: 1000 * ordered[round(q * (len(ordered) - 1))] if ordered else float("nan")
    return f"p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms ({len(ordered)})"


def pauses(times, since, until):
    """The pauses of a stream that lay in a span, or reached into it."""
    return [b - a for a, b in zip(times[1:], times[2:]) if b > since and a < until]


async def run(args, address, pid):
    timeout = aiohttp.ClientTimeout(total=3600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = Clients(session, address)
        streams = [[] for _ in range(args.streams)]
        tasks = [asyncio.create_task(clients.stream(20, STREAM, times, logprobs=0)) for times in streams]
        first = []
        tasks.append(asyncio.create_task(clients.one_after_the_other(first)))
        spans, before = [], None
        for _ in range(args.prompts):
            await asyncio.sleep(args.rest)
            spans.append(await clients.long_prompt(args.tokens))
            before = before or resident(pid)
        after = resident(pid)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    began = min(times[0] for times in streams)
    worst = 0.0
    for number, (since, until) in enumerate(spans):
        quiet = (spans[number - 1][1] + 0.5 if number else began + 1, since)
        usual = [sorted(found)[len(found) // 2] for found in (pauses(times, *quiet) for times in streams)]
        # Until the token after the prompt is read: the last part of it is read in a step as well.
        found = [pauses(times, since, until + 0.05) for times in streams]
        found = [pause / step for stream, step in zip(found, usual, strict=True) for pause in stream]
        beyond = sum(steps > 3 for steps in found)
        worst = max(worst, beyond / len(found))
        middle = sorted(found)[len(found) // 2]
        print(f"prompt {number}: read in {until - since:.1f} s; pauses in a stream's own steps: median {middle:.2f},", end=" ")
        print(f"longest {max(found):.2f}, {beyond} of {len(found)} beyond three")
    inside = lambda moment: any(since <= moment <= until for since, until in spans)
    everything = [(a, b - a) for times in streams for a, b in zip(times[1:], times[2:])]
    for name, wanted in (("while a long prompt is read", True), ("else", False)):
        print(f"first token, {name}: {quantiles([took for asked, took in first if inside(asked) is wanted])}")
        print(f"between tokens, {name}: {quantiles([took for began, took in everything if inside(began) is wanted])}")
    print(f"memory: {before:.0f} MiB after the first long prompt, {after:.0f} MiB after the last")
    return 1 if worst > 0.01 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rest", type=float, default=4, help="seconds before each long prompt")
    args = parser.parse_args()
    with serving(args.gac, "--model", args.model) as (address, server):
        return asyncio.run(run(args, address, server.pid))


if __name__ == "__main__":
    sys.exit(main())
