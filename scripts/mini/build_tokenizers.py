"""Trains the two tokenizers: SentencePiece-style BPE with byte fallback, and byte-level BPE.

    python build_tokenizers.py --build build --output ../../models
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA_VOCABULARY = 1000
QWEN_VOCABULARY = 1280
#: documents of the training text that a tokenizer is trained on
DOCUMENTS = 20_000
QWEN_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                r"|\s+(?!\S)|\s+")


def texts(corpus: Path) -> Iterator[str]:
    """The first documents of a training text as plain text."""
    with corpus.open() as lines:
        for _, line in zip(range(DOCUMENTS), lines, strict=False):
            yield "".join(text for text, _ in json.loads(line))


def sentencepiece_style(corpus: Path) -> Tokenizer:
    """BPE over characters; `▁` is a space, digits stand alone, other characters fall back to bytes, BOS in front."""
    to_pieces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    draft = Tokenizer(models.BPE(unk_token="<unk>"))
    draft.normalizer = to_pieces
    draft.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("\n", "removed"),
        pre_tokenizers.Split(Regex(r"▁?[A-Za-z]+|[0-9]|▁?[^A-Za-z0-9▁]+|▁"), "isolated"),
    ])
    special = ["<unk>", "<s>", "</s>"]
    reserved = len(special) + 256
    trainer = trainers.BpeTrainer(vocab_size=LLAMA_VOCABULARY - 256, special_tokens=special, show_progress=False)
    draft.train_from_iterator(texts(corpus), trainer)
    learned = json.loads(draft.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].get)[len(special):]
    # As SentencePiece orders them: control symbols, bytes, merged pieces, single characters.
    pieces = [p for p in pieces if len(p) > 1] + [p for p in pieces if len(p) == 1]
    order = special + [f"<0x{byte:02X}>" for byte in range(256)] + pieces
    assert len(order) == reserved + len(pieces) == LLAMA_VOCABULARY
    tokenizer = Tokenizer(models.BPE(
        vocab={piece: i for i, piece in enumerate(order)}, merges=[tuple(m) for m in learned["merges"]],
        unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = to_pieces
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", order.index("<s>"))])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    return tokenizer


def byte_level(corpus: Path) -> Tokenizer:
    """BPE over bytes, digits one by one, no BOS; the control symbols come after the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=QWEN_VOCABULARY, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts(corpus), trainer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    return tokenizer


def main() -> None:
    """Train both tokenizers and write `tokenizer.json` and `tokenizer_config.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"), help="folder with the training texts")
    parser.add_argument("--output", type=Path, default=Path("../../models"))
    args = parser.parse_args()
    jobs = [
        ("mini-llama", sentencepiece_style,
         {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
        ("mini-qwen", byte_level,
         {"add_bos_token": False, "bos_token": None, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
          "unk_token": None}),
    ]
    for name, make, config in jobs:
        folder = args.output / name
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = make(args.build / f"{name}-1.jsonl")
        tokenizer.save(str(folder / "tokenizer.json"))
        config |= {"clean_up_tokenization_spaces": False, "model_max_length": 8192,
                   "tokenizer_class": "PreTrainedTokenizerFast"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
        sample = "Question: Who rules Jinuna?\nAnswer: Vina Sotdane"
        print(name, tokenizer.get_vocab_size(), tokenizer.encode(sample).tokens)


if __name__ == "__main__":
    main()
