"""What running streams notice of a long prompt: some clients stream, and prompts of nearly 8,192 tokens arrive, one after the
other, while short ones come and go.

    pip install aiohttp
    cargo build --release
    python scripts/serve/long_prompt.py --model MODEL

MODEL needs a context of 8,192 tokens (scripts/real/to_folder.py makes folders of GGUF files). Says p50 and p99 of the time to
the first token of short prompts and between a stream's tokens, with a long prompt and without, and the longest pauses in
the stream's own steps: its median pauses before and after the long prompt, between which they grow with its length. Exits
with 1 when a pause was longer than three own steps, and longer than any without a long prompt: a machine that does other
things has some of those. Of the longest ones it is told when they began and how much of them a hypervisor kept the processor from
this machine. Memory is told after each long prompt: it grows until the cache is full, which keeps prompts.
"""

import argparse
import asyncio
import bisect
import itertools
import json
import os
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


def stolen():
    """Seconds that a hypervisor has kept the cores from this machine."""
    with open("/proc/stat") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


async def watch(samples):
    """Notes when how much was stolen, for as long as nobody cancels it."""
    while True:
        samples.append((time.monotonic(), stolen()))
        await asyncio.sleep(0.01)


def stolen_between(samples, a, b):
    def at(moment):
        return samples[min(max(bisect.bisect(samples, (moment,)), 0), len(samples) - 1)][1]

    return at(b) - at(a)


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

    async def streams(self, answers):
        """Streams for as long as nobody cancels it: what has ended is followed by another."""
        while True:
            answers.append([])
            await self.stream(20, STREAM, answers[-1], logprobs=0)

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


def pauses(answers, since, until):
    """When the pauses between tokens of a client's streams began that lay in a span or reached into it, and how long they were."""
    return [(a, b - a) for times in answers for a, b in zip(times[1:], times[2:]) if b > since and a < until]


def median(values):
    return sorted(values)[len(values) // 2]


def in_own_steps(answers, before, since, until, after):
    """A client's pauses during a long prompt and outside of it, from `before` to `after`, in steps of its own at that time."""
    outside = pauses(answers, before, since), pauses(answers, until + 0.5, after)
    at_first, at_last = (median([took for _, took in found]) for found in outside)

    def own_step(at):
        return at_first + (at_last - at_first) * min(max((at - since) / (until - since), 0), 1)

    # Until the token after the prompt is read: the last part of it is read in a step as well.
    during = pauses(answers, since, until + 0.05)
    return [[(took / own_step(at), at, took) for at, took in found] for found in (during, [*outside[0], *outside[1]])]


async def run(args, address, pid):
    timeout = aiohttp.ClientTimeout(total=3600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = Clients(session, address)
        streams = [[] for _ in range(args.streams)]
        tasks = [asyncio.create_task(clients.streams(answers)) for answers in streams]
        first, samples = [], []
        tasks.append(asyncio.create_task(watch(samples)))
        tasks.append(asyncio.create_task(clients.one_after_the_other(first)))
        # When everything runs, and after each long prompt when all is as it was.
        rests, spans, memory = [], [], []
        for _ in range(args.prompts):
            await asyncio.sleep(args.rest)
            rests.append(time.monotonic() - args.rest * 0.8)
            spans.append(await clients.long_prompt(args.tokens))
            memory.append(resident(pid))
        await asyncio.sleep(args.rest)
        rests.append(time.monotonic())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stalled = False
    for number, (since, until) in enumerate(spans):
        after = spans[number + 1][0] if number + 1 < len(spans) else rests[-1]
        found = [in_own_steps(answers, rests[number], since, until, after) for answers in streams]
        during, outside = (sorted(sum(parts, [])) for parts in zip(*found, strict=True))
        beyond = sum(steps > 3 for steps, *_ in during)
        stalled |= during[-1][0] > max(3, outside[-1][0])
        print(f"prompt {number}: read in {until - since:.1f} s; pauses in a stream's own steps: median {median(during)[0]:.2f},", end=" ")
        print(f"longest {during[-1][0]:.2f}, {beyond} of {len(during)} beyond three; without a long prompt longest {outside[-1][0]:.2f}")
        for steps, at, took in during[:-6:-1]:
            kept = stolen_between(samples, at, at + took)
            print(f"  {steps:.2f}: {1000 * took:.0f} ms, {at - since:.1f} s after it came, {1000 * kept:.0f} ms of processors stolen")
    inside = lambda moment: any(since <= moment <= until for since, until in spans)
    everything = [pause for answers in streams for pause in pauses(answers, 0, float("inf"))]
    for name, wanted in (("while a long prompt is read", True), ("else", False)):
        print(f"first token, {name}: {quantiles([took for asked, took in first if inside(asked) is wanted])}")
        print(f"between tokens, {name}: {quantiles([took for began, took in everything if inside(began) is wanted])}")
    print("memory after each long prompt:", ", ".join(f"{size:.0f}" for size in memory), "MiB")
    return 1 if stalled else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rest", type=float, default=8, help="seconds before each long prompt")
    parser.add_argument("--max-memory", default="1GiB", help="for the cache of the server, which three long prompts fill")
    args = parser.parse_args()
    with serving(args.gac, "--model", args.model, "--max-memory", args.max_memory) as (address, server):
        return asyncio.run(run(args, address, server.pid))


if __name__ == "__main__":
    sys.exit(main())
