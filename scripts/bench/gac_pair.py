"""GaC of a 135M and a 0.5B model, one sample at a time: milliseconds per token of gac and of the members' forwards in
PyTorch, every step and gated.

    pip install torch transformers
    cargo build --release
    python scripts/bench/gac_pair.py /tmp/pair --tokenizers ../shared/tokenizers

The checkpoints are made in the folder: random bfloat16 weights in the shapes of SmolLM2-135M and Qwen2.5-0.5B, with the
vocabularies of Llama-3.2 (128k) and Qwen2.5 (152k). PyTorch's time is that of the forwards alone, with a KV cache; in
`recomputed` the supporting member reads the whole text again at every step, as the published code does in threshold mode.
gac's time is all of a step: forwards, union, fusion, detokenising. Gated runs take their thresholds from the gate's own
probabilities in a run before, and are set beside the gate's time plus their share of the supporting member's, and beside
what its members' forwards took in that run, as gac counts them (`-vv`): a supporting member reads in its next forward what
was said without it, so its forwards are of more than one token.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

GAC = Path(__file__).resolve().parents[2] / "target/release/gac"
PROMPT = "Question: Natalia has 48 clips and gives half of them to each of two friends. How many are left?\nAnswer:"
TOKENS = 48


def make(folder: Path, tokenizers: Path) -> dict[str, Path]:
    """Both checkpoints, made once."""
    shapes = {
        "135M": (
            "llama-3.2-3b-instruct",
            lambda: LlamaForCausalLM(LlamaConfig(
                vocab_size=128256, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True)),
        ),
        "0.5B": (
            "qwen2.5-7b-instruct",
            lambda: Qwen2ForCausalLM(Qwen2Config(
                vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                num_key_value_heads=2, max_position_embeddings=8192, tie_word_embeddings=True)),
        ),
    }
    models = {}
    for name, (tokenizer, model) in shapes.items():
        models[name] = folder / name
        if not (models[name] / "config.json").is_file():
            torch.manual_seed(0)
            model().to(torch.bfloat16).save_pretrained(models[name])
            for file in (tokenizers / tokenizer).iterdir():
                if file.name.startswith("tokenizer"):
                    shutil.copy(file, models[name])
    return models


def generate(models: list[Path], *flags: object) -> dict:
    """One sample through `gac generate`."""
    with tempfile.TemporaryDirectory() as folder:
        prompts, output = Path(folder) / "prompts.jsonl", Path(folder) / "out.jsonl"
        # The first warms up.
        prompts.write_text((json.dumps({"prompt": PROMPT}) + "\n") * 3)
        command = [GAC, "generate", "--prompts", prompts, "--output", output, "--batch-size", 1, "-vv"]
        command += ["--max-new-tokens", TOKENS, *(word for model in models for word in ("--model", model)), *flags]
        done = subprocess.run([str(word) for word in command], check=True, stderr=subprocess.PIPE, text=True)
        samples = [json.loads(line) for line in output.read_text().splitlines()]
        counted = re.findall(r'done with a model.*?model="?([^" ]+)"? forwards=(\d+) tokens=(\d+) ms=([\d.]+)', done.stderr)
        all_tokens = sum(sample["tokens"] for sample in samples)
        # By model: forwards, tokens that they read, and milliseconds, for each token of the samples.
        counts = {name: [float(value) / all_tokens for value in values] for name, *values in counted}
        seconds = 1000 * sum(sample["seconds"] for sample in samples) / all_tokens
        return {**min(samples[1:], key=lambda sample: sample["seconds"]), "counts": counts, "mean": seconds}


def milliseconds(sample: dict) -> float:
    return 1000 * sample["seconds"] / sample["tokens"]


@torch.no_grad()
def forwards(model: torch.nn.Module, prompt: int, recomputed: bool = False) -> float:
    """Milliseconds of a forward per token, the prompt's share of it included as in gac's time."""
    tokens = torch.randint(0, 100_000, (1, prompt))
    start, cache = time.perf_counter(), None
    for step in range(TOKENS):
        if recomputed:
            model(tokens, logits_to_keep=1)
            tokens = torch.cat([tokens, tokens[:, :1]], dim=1)
            continue
        fed = tokens if step == 0 else tokens[:, :1]
        cache = model(fed, past_key_values=cache, use_cache=True, logits_to_keep=1).past_key_values
    return 1000 * (time.perf_counter() - start) / TOKENS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizers", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    paths = make(args.folder, args.tokenizers)
    both, gate = [paths["135M"], paths["0.5B"]], paths["135M"]
    peers = {name: AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).eval() for name, path in paths.items()}
    prompt = 30
    best: dict[str, float] = {}

    def keep(name: str, value: float) -> None:
        best[name] = min(best.get(name, value), value)

    traced = generate(both, "--gate", gate, "--threshold", 0, "--trace")
    certain = sorted(step["certainty"] for step in traced["steps"])
    gated: dict[float, dict] = {}
    for _ in range(args.turns):
        for name, model in peers.items():
            keep(f"PyTorch bf16 {name}", forwards(model, prompt))
        keep("PyTorch bf16 0.5B recomputed", forwards(peers["0.5B"], prompt, recomputed=True))
        for name, path in paths.items():
            keep(f"gac {name}", milliseconds(generate([path])))
        keep("gac every step", milliseconds(generate(both)))
        for share in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0):
            threshold = certain[min(int(share * len(certain)), len(certain) - 1)] if share else 0.0
            sample = generate(both, "--gate", gate, "--threshold", f"{threshold:.12f}")
            if threshold not in gated or milliseconds(sample) < milliseconds(gated[threshold]):
                gated[threshold] = sample
    for name, value in best.items():
        print(f"{name:32} {value:8.1f} ms/token")
    published = best["PyTorch bf16 135M"] + best["PyTorch bf16 0.5B"]
    recomputed = best["PyTorch bf16 135M"] + best["PyTorch bf16 0.5B recomputed"]
    print(f"every step: PyTorch's forwards {published:.1f}, gac {best['gac every step']:.1f}: "
          f"{published / best['gac every step']:.2f}x")
    print(f"threshold mode with all steps ensembled, recomputed: PyTorch's forwards {recomputed:.1f}: "
          f"{recomputed / best['gac every step']:.2f}x")
    alone, support = best["gac 135M"], best["gac 0.5B"]
    overhead = best["gac every step"] - alone - support
    print(f"gac outside the members' own times: {overhead:.2f} ms/token, {100 * overhead / (alone + support):.1f} %")
    print("gated: share ensembled, ms/token, gate + share x support; mean ms/token of three samples, of it the gate's forwards")
    print("and the supporter's, all else; a token's forwards of the supporter, and tokens that they read")
    for sample in gated.values():
        share = sample["ensembled"] / sample["tokens"]
        of_gate = sample["counts"].get("135M", [0, 0, 0])
        of_support = sample["counts"].get("0.5B", [0, 0, 0])
        rest = sample["mean"] - of_gate[2] - of_support[2]
        print(f"{share:8.2f} {milliseconds(sample):8.1f} {alone + share * support:8.1f};"
              f"{sample['mean']:8.1f} {of_gate[2]:8.1f} {of_support[2]:8.1f} {rest:8.2f}; {of_support[0]:6.2f} {of_support[1]:6.2f}")


if __name__ == "__main__":
    main()
