"""64 clients at once, streams and scoring mixed: every answer is the one that the server gives when it is quiet.

    pip install aiohttp
    cargo build --release
    python scripts/serve/many_clients.py --seconds 120

Says tokens a second, the longest pause of a stream in its own usual steps, and memory before and after. Exits with 1 when
an answer differs or one is missing.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from pathlib import Path

import aiohttp
from running import serving

MODELS = ["mini-llama", "mini-qwen", "GaC every step", "GaC gated 0.5"]


def request(index):
    """The request of this number: always the same."""
    draw = random.Random(index)
    a, b = draw.randrange(2, 90), draw.randrange(2, 90)
    prompt = f"Question: How many cups are {a} cups and {b} cups?\nAnswer:"
    body = {"model": draw.choice(MODELS), "prompt": prompt * draw.choice([1, 1, 1, 8])}
    if draw.random() < 0.3:
        return body | {"max_tokens": 1, "logprobs": 1, "echo": True, "temperature": 0}
    body |= {"max_tokens": draw.randrange(4, 48), "stream": True}
    return body | draw.choice([{"temperature": 0}, {"temperature": 1.5, "seed": index}, {"temperature": 0, "logprobs": 2}])


async def ask(session, address, body):
    """What came, and when each event did."""
    times = [time.monotonic()]
    async with session.post(f"{address}/v1/completions", json=body) as reply:
        assert reply.status == 200, await reply.text()
        if not body.get("stream"):
            (choice,) = (await reply.json())["choices"]
            return [choice["text"], choice["logprobs"]], times
        events = []
        async for line in reply.content:
            if line.startswith(b"data: {"):
                times.append(time.monotonic())
                events += json.loads(line[6:])["choices"]
    text = "".join(event["text"] for event in events)
    lists = [event["logprobs"] for event in events if event["logprobs"]]
    return [text, lists, events[-1]["finish_reason"]], times


def resident(pid):
    """MiB of memory."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def run(args, address, pid):
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        quiet = [(await ask(session, address, request(index)))[0] for index in range(args.requests)]
        before = resident(pid)
        until = time.monotonic() + args.seconds
        counts = {"answers": 0, "different": 0, "tokens": 0}
        first, pauses = [], []

        async def client(number):
            draw = random.Random(number)
            while time.monotonic() < until:
                index = draw.randrange(args.requests)
                answer, times = await ask(session, address, request(index))
                counts["answers"] += 1
                counts["different"] += answer != quiet[index]
                if len(times) > 3:
                    first.append(times[1] - times[0])
                    pauses.extend(b - a for a, b in zip(times[1:], times[2:]))
                    counts["tokens"] += len(times) - 2

        since = time.monotonic()
        await asyncio.gather(*(client(number) for number in range(args.clients)))
        seconds = time.monotonic() - since
        async with session.get(f"{address}/metrics") as reply:
            metrics = dict(line.rsplit(" ", 1) for line in (await reply.text()).splitlines() if line[0] != "#")
    quantile = lambda values, q: 1000 * sorted(values)[int(q * (len(values) - 1))]
    print(f"{counts['answers']} answers of {args.clients} clients in {seconds:.0f} s, {counts['different']} different")
    print(f"{counts['tokens'] / seconds:.0f} streamed tokens a second")
    print(f"first token: p50 {quantile(first, 0.5):.0f} ms, p99 {quantile(first, 0.99):.0f} ms")
    print(f"between tokens: p50 {quantile(pauses, 0.5):.1f} ms, p99 {quantile(pauses, 0.99):.1f} ms, longest {1000 * max(pauses):.0f} ms")
    print(f"memory: {before:.0f} MiB before, {resident(pid):.0f} MiB after; mean pause {1000 * statistics.mean(pauses):.1f} ms")
    left = [name for name in ("gac_queue", "gac_running", "gac_waiting") if float(metrics[name])]
    for name in left:
        print(f"{name} is {metrics[name]} with nothing asked", file=sys.stderr)
    return 1 if counts["different"] or left else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=200, help="different requests")
    parser.add_argument("--seconds", type=float, default=120)
    args = parser.parse_args()
    with serving(args.gac, "recipes/mini.toml") as (address, server):
        return asyncio.run(run(args, address, server.pid))


if __name__ == "__main__":
    sys.exit(main())
