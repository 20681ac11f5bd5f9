"""Sets gac's engine beside PyTorch (transformers) and llama.cpp on one checkpoint: tokens per second and their ratio.

    pip install torch transformers gguf llama-cpp-python
    python scripts/bench/smollm_shape.py /tmp/smol
    for type in bf16 q8_0; do python scripts/bench/to_gguf.py /tmp/smol /tmp/smol-$type.gguf $type; done
    cargo build --release --workspace --example speed
    python scripts/bench/compare.py /tmp/smol --gguf /tmp/smol-bf16.gguf /tmp/smol-q8_0.gguf

Both take turns in the same run, several times, and the best of each counts: other load slows both. PyTorch computes in the
stored type (bfloat16) and in f32, gac in f32 from the stored weights, and with `--compute bf16`; `--simd avx2` sets it beside itself without AVX-512. Quiet the machine first: llama.cpp's threads spin,
and lose most of their speed to any neighbour.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

SPEED = Path(__file__).resolve().parents[2] / "target/release/examples/speed"
PEER = Path(__file__).with_name("llama_cpp_peer.py")


def rows(*command: object, simd: str = "") -> dict[str, float]:
    """The measurements that a program prints; gac's with the instructions that `simd` names."""
    lines = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True,
                           env=os.environ | {"GAC_SIMD": simd}).stdout
    return {row["measure"]: row["tokens_per_second"] for row in map(json.loads, lines.splitlines())}


@torch.no_grad()
def pytorch(model: torch.nn.Module, seconds: float) -> dict[str, float]:
    """The same measurements with transformers' own cache."""
    vocabulary = model.config.vocab_size

    def best(work) -> float:
        began, most = time.perf_counter(), 0.0
        while time.perf_counter() - began < seconds:
            count, elapsed = work()
            most = max(most, count / elapsed)
        return most

    def prefill() -> tuple[int, float]:
        tokens = torch.randint(0, vocabulary, (1, 512))
        start = time.perf_counter()
        model(tokens, logits_to_keep=1)
        return 512, time.perf_counter() - start

    def decode(size: int) -> tuple[int, float]:
        cache = model(torch.randint(0, vocabulary, (size, 64)), use_cache=True, logits_to_keep=1).past_key_values
        start = time.perf_counter()
        for _ in range(16):
            model(torch.randint(0, vocabulary, (size, 1)), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return 16 * size, time.perf_counter() - start

    return {"prefill 512": best(prefill), "decode x1": best(lambda: decode(1)), "decode x16": best(lambda: decode(16))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement and turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--weights", nargs="*", default=["stored", "q8_0"], help="types of gac's weights")
    parser.add_argument("--simd", nargs="*", default=[], help="gac with these instructions, too: avx2, portable")
    parser.add_argument("--gguf", nargs="*", default=[], metavar="FILE", help="the same model for llama.cpp")
    args = parser.parse_args()
    models = {name: AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype).eval()
              for name, dtype in (("PyTorch bf16", torch.bfloat16), ("PyTorch f32", torch.float32))}
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.turns):
        turn = {name: pytorch(model, args.seconds) for name, model in models.items()}
        turn |= {f"gac {weights}": rows(SPEED, args.model, weights, args.seconds) for weights in args.weights}
        turn |= {f"gac {weights}, {simd}": rows(SPEED, args.model, weights, args.seconds, simd=simd)
                 for weights in args.weights for simd in args.simd}
        turn |= {f"gac {weights}, --compute bf16": rows(SPEED, args.model, weights, args.seconds, "all", "bf16")
                 for weights in args.weights}
        turn |= {f"llama.cpp {Path(file).stem}": rows(sys.executable, PEER, file, args.seconds) for file in args.gguf}
        for name, rates in turn.items():
            for measure, rate in rates.items():
                of_name = best.setdefault(name, {})
                of_name[measure] = max(of_name.get(measure, 0.0), rate)
    measures = list(next(iter(best.values())))
    print("tokens/s (ratio to PyTorch bf16)".ljust(34) + "".join(measure.rjust(22) for measure in measures))
    for name, rates in best.items():
        cells = (f"{rates[m]:.0f} ({rates[m] / best['PyTorch bf16'][m]:.2f})".rjust(22) for m in measures)
        print(name.ljust(34) + "".join(cells))


if __name__ == "__main__":
    main()
