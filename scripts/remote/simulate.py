#!/usr/bin/env python3
"""What to expect of members on servers: milliseconds per token from the members', the network's and how often paths hold.

    python scripts/remote/simulate.py [--members 113.91 150.32] [--latency 0 1 10] [--holds 0.6 0.8 0.9] [--batch 1 16]

`--members`: ms per token of each on its own server; by default the paper's two best members alone (results/paper/gac.csv).
`--latency`: ms of one request apart from tokens. `--holds`: how often the vote emits the token that a member itself finds most
probable, so that what was asked ahead serves the next step. `--keys`: steps at which a gate of the first member asks others.

A request for k tokens takes latency + k * ms, and its tokens serve the steps that follow until a sequence leaves its path; all
sequences wait for the slowest. The length k is the best fixed one, as `gac` finds it by measuring. What a batch adds to a
server's time per token (`--batch-cost`, a share per sequence) is an assumption, not a measurement.
"""

import argparse
import random

LENGTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
STEPS = 4000


def every_step(members, latency, holds, length, batch, chance):
    """ms of one step of the whole batch, all members asked at once."""
    left = [[0] * batch for _ in members]
    time = 0.0
    for _ in range(STEPS):
        slowest = 0.0
        for member, ms in enumerate(members):
            if any(ahead == 0 for ahead in left[member]):
                left[member] = [ahead or length for ahead in left[member]]
                slowest = max(slowest, latency + length * ms)
            left[member] = [ahead - 1 if chance.random() < holds else 0 for ahead in left[member]]
        time += slowest
    return time / STEPS


def gated(members, latency, holds, length, keys, chance):
    """ms of one step of one sequence: the gate runs ahead, the others read their chunk at key steps."""
    ahead, time = 0, 0.0
    for _ in range(STEPS):
        if ahead == 0:
            time += latency + length * members[0]
            ahead = length
        ahead -= 1
        if chance.random() < keys:
            # Reading a short chunk takes about as long as one token.
            time += latency + max(members[1:])
            if chance.random() >= holds:
                ahead = 0
    return time / STEPS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=float, nargs="+", default=[113.91, 150.32])
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 1, 10])
    parser.add_argument("--holds", type=float, nargs="+", default=[0.6, 0.8, 0.9])
    parser.add_argument("--keys", type=float, nargs="+", default=[0.05, 0.2])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--batch-cost", type=float, default=0.01)
    args = parser.parse_args()
    print(f"members {' and '.join(map(str, args.members))} ms/token; the paper's ensemble of them: 151.56 ms/token\n")
    print("| vote | latency | holds | batch | best k | ms/step | tokens/s |\n|---|---|---|---|---|---|---|")
    for latency in args.latency:
        for holds in args.holds:
            for batch in args.batch:
                members = [ms * (1 + args.batch_cost * (batch - 1)) for ms in args.members]
                runs = [(every_step(members, latency, holds, k, batch, random.Random(1)), k) for k in LENGTHS]
                ms, k = min(runs)
                print(f"| every step | {latency:g} ms | {holds:g} | {batch} | {k} | {ms:.1f} | {1e3 * batch / ms:.1f} |")
            for keys in args.keys:
                runs = [(gated(args.members, latency, holds, k, keys, random.Random(1)), k) for k in LENGTHS]
                ms, k = min(runs)
                print(f"| gated, {keys:.0%} key | {latency:g} ms | {holds:g} | 1 | {k} | {ms:.1f} | {1e3 / ms:.1f} |")


if __name__ == "__main__":
    main()
