"""Times gac beside transformers, and vLLM where it is installed, on one GPU, with random models of real shapes.

    pip install torch transformers
    cargo build --release --features cuda,flash-attn --example gpu_speed -p gac-inference
    python scripts/cuda/speed.py GPU_SPEED FOLDER [--shapes 135m 0.5b 3b 8b] [--seconds 2]

Prints a table: tokens a second of prompts and of steps, and the share of what copy bandwidth allows a step that reads every
weight once. Models are made in FOLDER (2 bytes a weight).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

# Vocabulary, hidden, intermediate, layers, heads, heads of keys, head width: as SmolLM2, Qwen2.5 and Llama 3 have them.
SHAPES = {
    "tiny": (1000, 64, 128, 2, 4, 2, 16),
    "135m": (49152, 576, 1536, 30, 9, 3, 64),
    "0.5b": (151936, 896, 4864, 24, 14, 2, 64),
    "3b": (151936, 2048, 11008, 36, 16, 2, 128),
    "8b": (128256, 4096, 14336, 32, 32, 8, 128),
}
MEASURES = ["p512", "p2048", "d1", "d16", "d64"]


def model(name: str, folder: Path, device: str) -> Path:
    """A Llama of a shape with random weights."""
    vocabulary, hidden, intermediate, layers, heads, kv_heads, width = SHAPES[name]
    path = folder / name
    if not (path / "config.json").exists():
        config = AutoConfig.for_model(
            "llama", vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=width, max_position_embeddings=8192,
            tie_word_embeddings=name != "8b", dtype="bfloat16",
        )  # fmt: skip
        with torch.device(device):
            made = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        made.save_pretrained(path)
    return path


def copy_bandwidth(device: str) -> float:
    """Bytes a second that are read and written by a copy."""
    count = (1 << 30) if device != "cpu" else (1 << 24)
    source, to = torch.empty(count, dtype=torch.uint8, device=device), torch.empty(count, dtype=torch.uint8, device=device)
    return 2 * count / median(lambda: to.copy_(source), device, 1.0)


def median(work, device: str, seconds: float) -> float:
    """The median time of repetitions."""
    times = []
    for _ in range(3):
        work()
    began = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - began < seconds and len(times) < 200):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def ours(program: str, path: Path, device: str, seconds: float, measures: list[str]) -> dict[str, float]:
    command = [program, str(path), device, "bf16", str(seconds), *measures]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {row["measure"]: row["tokens_per_second"] for row in map(json.loads, lines) if "tokens_per_second" in row}


@torch.no_grad()
def transformers(path: Path, device: str, seconds: float, measures: list[str]) -> dict[str, float]:
    """Prompts by one forward; steps by `generate` with a static cache, compiled: 64 tokens more, less what one more takes."""
    loaded = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).to(device)
    rates, vocabulary = {}, loaded.config.vocab_size
    for measure in measures:
        count = int(measure[1:])
        if measure[0] == "p":
            tokens = torch.randint(0, vocabulary, (1, count), device=device)
            rates[measure] = count / median(lambda: loaded(tokens, logits_to_keep=1), device, seconds)
            continue
        tokens = torch.randint(0, vocabulary, (count, 128), device=device)

        def generate(new: int) -> None:
            loaded.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=new, min_new_tokens=new,
                            do_sample=False, cache_implementation="static", pad_token_id=0)  # fmt: skip

        long, short = median(lambda: generate(65), device, seconds), median(lambda: generate(1), device, seconds)
        rates[measure] = 64 * count / max(long - short, 1e-9)
    return rates


def vllm(path: Path, seconds: float, measures: list[str]) -> dict[str, float]:
    """Nothing where it is not installed."""
    try:
        from vllm import LLM, SamplingParams
    except ImportError:
        return {}
    served = LLM(str(path), dtype="bfloat16", skip_tokenizer_init=True, gpu_memory_utilization=0.5)
    rates = {}
    for measure in measures:
        count = int(measure[1:])
        prompts = [{"prompt_token_ids": [(at * 7 + index) % 900 for at in range(128)]} for index in range(count)]
        if measure[0] == "p":
            prompts = [{"prompt_token_ids": [(at * 31) % 900 for at in range(count)]}]

        def generate(new: int) -> None:
            served.generate(prompts, SamplingParams(max_tokens=new, ignore_eos=True, detokenize=False), use_tqdm=False)

        long, short = (median(lambda new=new: generate(new), "cuda", seconds) for new in (65, 1))
        rates[measure] = count / short if measure[0] == "p" else 64 * count / max(long - short, 1e-9)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", nargs="+", default=["135m", "0.5b", "3b", "8b"], choices=SHAPES)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--measures", nargs="+", default=MEASURES, help="pN: a prompt of N tokens; dN: a step of N sequences")
    parser.add_argument("--device", default="cuda:0", help="of gac; torch is on the CPU where it has no card")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() and arguments.device != "cpu" else "cpu"
    bandwidth = copy_bandwidth(device)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}: copies {bandwidth / 1e12:.2f} TB/s\n")
    print("| shape | | " + " | ".join(arguments.measures) + " |")
    print("|---|---|" + "---:|" * len(arguments.measures))
    for shape in arguments.shapes:
        path = model(shape, arguments.folder, device)
        size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
        how = (arguments.seconds, arguments.measures)
        programs = {
            "gac": lambda: ours(arguments.program, path, arguments.device, *how),
            "transformers": lambda: transformers(path, device, *how),
            "vLLM": lambda: vllm(path, *how) if device == "cuda" else {},
        }
        for program, rates in programs.items():
            try:
                found = rates()
            except Exception as error:  # One that fails leaves a gap, and the reason.
                print(f"{shape} {program}: {error}", file=sys.stderr)
                continue
            if not found:
                continue
            cells = []
            for measure in arguments.measures:
                rate = found[measure]
                share = f" ({rate / int(measure[1:]) * size / bandwidth:.0%})" if measure[0] == "d" else ""
                cells.append(f"{rate:,.0f}{share}")
            print(f"| {shape} | {program} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
