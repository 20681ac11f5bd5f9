"""Sets gac beside llama.cpp on GGUF files: tokens per second, and gac's as a multiple of llama.cpp's.

    pip install llama-cpp-python
    cargo build --release --workspace --example speed
    python scripts/bench/gguf_files.py FILE.gguf ... [--simd avx2]

Both compute the same file on two threads and take turns in the same run; the best of each counts. llama.cpp rounds
activations to 8 bits before it multiplies, gac does not. Quiet the machine first: llama.cpp's threads spin, and lose most
of their speed to any neighbour. `--simd` has gac use less than the processor has (`GAC_SIMD`); llama.cpp uses all that it
was built for.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

SPEED = Path(__file__).resolve().parents[2] / "target/release/examples/speed"
PEER = Path(__file__).with_name("llama_cpp_peer.py")


def rows(command: list[object], **environment: str) -> dict[str, float]:
    """The measurements that a program prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=os.environ | environment)
    return {row["measure"]: row["tokens_per_second"] for row in map(json.loads, done.stdout.splitlines())}


def processor() -> str:
    """Its name, and which of the wide instructions it has."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in info if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wide = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in fields["flags"].split()]
    named = f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
    return f"{named}, {os.cpu_count()} cores, {' '.join(wide)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement and turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--simd", choices=("portable", "avx2", "avx512"))
    args = parser.parse_args()
    chosen = {"GAC_SIMD": args.simd} if args.simd else {}
    print(processor() + (f"; gac by {args.simd}" if args.simd else ""))
    for file in args.files:
        best: dict[str, dict[str, float]] = {"llama.cpp": {}, "gac": {}}
        for _ in range(args.turns):
            turn = {
                "llama.cpp": rows([sys.executable, PEER, file, args.seconds]),
                "gac": rows([SPEED, file, "stored", args.seconds], **chosen),
            }
            for name, rates in turn.items():
                for measure, rate in rates.items():
                    best[name][measure] = max(best[name].get(measure, 0.0), rate)
        print(file.stem.ljust(36) + "".join(measure.rjust(18) for measure in best["gac"]))
        for name, rates in best.items():
            cells = (f"{rate:.0f} ({rate / best['llama.cpp'][measure]:.2f})".rjust(18) for measure, rate in rates.items())
            print(f"  {name:34}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
