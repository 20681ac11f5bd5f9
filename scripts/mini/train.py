"""Trains one miniature model on its training text and writes a checkpoint in the hub's layout.

    python train.py mini-llama --build build --output ../../models --steps 1800 --tokens-per-step 2048
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from guide import Guide, guidance_loss, guide, start_comparing
from names import stable_hash
from world import SEED

ROW = 256
LONG_ROW = 1024
#: rows that are being filled at a time
OPEN_ROWS = 16
#: weight of the loss on text that is not an answer (its names are arbitrary, there is little to learn)
PROMPT_WEIGHT = 0.1
WARMUP, WEIGHT_DECAY, CLIP = 100, 0.05, 1.0
END = {"mini-llama": "</s>", "mini-qwen": "<|endoftext|>"}
STORED = {"mini-llama": torch.bfloat16, "mini-qwen": torch.float16}
#: token ids; for each, its weight in the loss; where to look
Document = tuple[np.ndarray, np.ndarray, Guide]
#: ids and weights, each (B, L); carries (C, 3) and finds (F, 4), see `guide.py`
Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def architecture(name: str, tokenizer: Tokenizer) -> PreTrainedModel:
    """The untrained model called `name`."""
    end = tokenizer.token_to_id(END[name])
    shared = {"max_position_embeddings": 8192, "attn_implementation": "eager", "eos_token_id": end,
              "initializer_range": 0.03, "rms_norm_eps": 1e-5}
    if name == "mini-llama":
        return LlamaForCausalLM(LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=192, num_hidden_layers=5, num_attention_heads=6,
            num_key_value_heads=2, head_dim=32, intermediate_size=512, tie_word_embeddings=True,
            bos_token_id=tokenizer.token_to_id("<s>"), **shared))
    padded = -(-tokenizer.get_vocab_size() // 64) * 64  # a vocabulary padded with unused rows, as Qwen has it
    return Qwen2ForCausalLM(Qwen2Config(
        vocab_size=padded, hidden_size=192, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2,
        head_dim=48, intermediate_size=448, tie_word_embeddings=True, bos_token_id=None, **shared))


def encode(name: str, corpus: Path, tokenizer: Tokenizer) -> list[Document]:
    """Every document as token ids and the weight of each token in the loss, END at its end."""
    end, documents = tokenizer.token_to_id(END[name]), []
    with corpus.open() as lines:
        parsed = [json.loads(line) for line in lines]
    encodings = tokenizer.encode_batch(["".join(text for text, _ in spans) for spans in parsed])
    for spans, encoding in zip(parsed, encodings, strict=True):
        weight_at = np.concatenate([np.full(len(t), w or PROMPT_WEIGHT, np.float32) for t, w in spans])
        starts = np.minimum([start for start, _ in encoding.offsets], len(weight_at) - 1)
        ids = np.array([*encoding.ids, end], np.int64)
        documents.append((ids, np.append(weight_at[starts], np.float32(1.0)), guide(spans, encoding)))
    return documents


def pack(documents: list[Document], tokens_per_step: int, rng: random.Random) -> list[Step]:
    """Steps of whole documents one after another; every row begins with a document."""
    order = list(range(len(documents)))
    rng.shuffle(order)
    unfinished: dict[int, list[tuple[int, list[int]]]] = {ROW: [], LONG_ROW: []}
    finished: dict[int, list[list[int]]] = {ROW: [], LONG_ROW: []}
    for index in order:
        size = len(documents[index][0])
        # One document in ten goes to a long row, so that positions up to 1,024 are met.
        length = LONG_ROW if size > ROW or rng.random() < 0.1 else ROW
        rows = unfinished[length]
        at = next((i for i, (used, _) in enumerate(rows) if used + size <= length), len(rows))
        if at == len(rows):
            if len(rows) == OPEN_ROWS:
                finished[length].append(rows.pop(0)[1])
                at -= 1
            rows.append((0, []))
        rows[at] = (rows[at][0] + size, [*rows[at][1], index])
    steps = []
    for length, full in finished.items():
        batch = tokens_per_step // length
        for at in range(0, len(full) - batch + 1, batch):
            ids, weights = np.zeros((batch, length), np.int64), np.zeros((batch, length), np.float32)
            carries, finds = [], []
            for row, members in enumerate(full[at:at + batch]):
                offset = 0
                for doc_ids, doc_weights, where in (documents[i] for i in members):
                    end = offset + len(doc_ids)
                    ids[row, offset:end], weights[row, offset:end] = doc_ids, doc_weights
                    for gathered, new in zip((carries, finds), where.shifted(row, offset), strict=True):
                        gathered.extend(new)
                    offset = end
            steps.append((ids, weights, np.array(carries, np.int64).reshape(-1, 3), np.array(finds, np.int64).reshape(-1, 4)))
    rng.shuffle(steps)
    return steps


def rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then cosine to a fiftieth of the peak."""
    if step < WARMUP:
        return peak * (step + 1) / WARMUP
    progress = (step - WARMUP) / max(1, steps - WARMUP)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def save(model: PreTrainedModel, name: str, folder: Path) -> None:
    """Weights in the stored type and both configuration files; Llama in the older config style, Qwen2 in the newer."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = STORED[name]
    tied = model.config.tie_word_embeddings
    tensors = {k: v.detach().to(stored).contiguous() for k, v in model.state_dict().items()
               if not (tied and k == "lm_head.weight")}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = json.loads(model.config.to_json_string(use_diff=True))
    config["architectures"] = [type(model).__name__]
    config.pop("dtype", None)
    config.pop("attn_implementation", None)
    type_name = str(stored).removeprefix("torch.")
    if name == "mini-llama":
        config.pop("rope_parameters", None)
        config |= {"rope_theta": 10000.0, "rope_scaling": None, "torch_dtype": type_name}
    else:
        config |= {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "dtype": type_name}
    config = dict(sorted(config.items()))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"do_sample": False, "eos_token_id": model.config.eos_token_id}
    if name == "mini-llama":
        generation["bos_token_id"] = model.config.bos_token_id
    else:
        im_end = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id("<|im_end|>")
        generation |= {"eos_token_id": [model.config.eos_token_id, im_end], "pad_token_id": model.config.eos_token_id}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=list(END))
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--output", type=Path, default=Path("../../models"))
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--tokens-per-step", type=int, default=4096)
    parser.add_argument("--peak-rate", type=float, default=3e-3)
    parser.add_argument("--stage", type=int, default=1, help="which training text; from 2 on, go on from the weights that are there")
    parser.add_argument("--guidance", type=float, default=0.2, help="weight of the guidance in the loss")
    parser.add_argument("--start-comparing", action="store_true", help="see `guide.start_comparing`")
    parser.add_argument("--save-every", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(stable_hash("train", args.model, SEED) % 2**31)
    rng = random.Random(stable_hash("order", args.model, SEED, *([args.stage] if args.stage > 1 else [])))
    folder = args.output / args.model
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    documents = encode(args.model, args.build / f"{args.model}-{args.stage}.jsonl", tokenizer)
    print(f"{len(documents)} documents, {sum(len(d[0]) for d in documents)} tokens, "
          f"longest {max(len(d[0]) for d in documents)}", flush=True)
    model = architecture(args.model, tokenizer)
    if args.stage > 1:
        stored = {k: v.float() for k, v in load_file(str(folder / "model.safetensors")).items()}
        missing, unexpected = model.load_state_dict(stored, strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    if args.start_comparing:
        start_comparing(model)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
                                  lr=args.peak_rate, betas=(0.9, 0.98), fused=True)
    pending: list[Step] = []
    began, seen, running = time.monotonic(), 0, dict.fromkeys(("loss", "letters", "carry", "find"))
    for step in range(args.steps):
        if not pending:
            pending = pack(documents, args.tokens_per_step, rng)
        ids, weights, carries, finds = (torch.from_numpy(a) for a in pending.pop())
        for group in optimiser.param_groups:
            group["lr"] = rate(step, args.steps, args.peak_rate)
        output = model(input_ids=ids, use_cache=False, output_attentions=True)
        losses = torch.nn.functional.cross_entropy(output.logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
        mask = weights[:, 1:]
        loss = (losses * mask).sum() / mask.sum()
        measured = {"loss": loss.item()}
        if len(finds):
            carry, find = guidance_loss(output.attentions, carries, finds)
            loss = loss + args.guidance * (carry + find)
            measured |= {"letters": losses[finds[:, 0], finds[:, 1]].mean().item(), "carry": carry.item(), "find": find.item()}
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        seen += ids.numel()
        for key, value in measured.items():
            running[key] = value if running[key] is None else 0.97 * running[key] + 0.03 * value
        if step % 50 == 0:
            elapsed = time.monotonic() - began
            means = " ".join(f"{key} {value:.3f}" for key, value in running.items() if value is not None)
            print(f"step {step} {means} {seen / elapsed:.0f} tokens/s {elapsed:.0f} s", flush=True)
        if args.save_every and step and step % args.save_every == 0:
            save(model, args.model, folder)
    save(model, args.model, folder)
    print(f"done: {args.steps} steps, {seen} tokens, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
