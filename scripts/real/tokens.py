#!/usr/bin/env python3
"""Sets gac's token ids beside those of the tokenizers library and of llama.cpp's own tokenizer.

    pip install tokenizers gguf sentencepiece pyarrow llama-cpp-python
    cargo build --release --workspace --example encode
    python scripts/real/tokens.py REAL SHARED [--show N]

REAL has the two files of `fetch.py`, SHARED the folders `tokenizers/` and `datasets/`. Each of the four vocabularies of
SHARED is converted to GGUF here, as llama.cpp's converter does it with `--vocab-only`; the two real files are taken as
they are. The library reads the folders; for the real files it is given the original's stages on the file's vocabulary.
Prints, for every vocabulary, over how many texts the ids differ from the library's: of gac on the folder, of gac on the
GGUF file, of llama.cpp on the GGUF file. Differences go to stderr, N for each.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gguf
import llama_cpp
import pyarrow.parquet
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
NORMAL, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 3, 4, 5, 6

# Folder, architecture, name, `tokenizer.ggml.pre`, rows, the ids of begin-of-text, end-of-text and unknown text, and
# whether texts begin with begin-of-text (nothing is written where llama.cpp adds it by itself).
SHARED = [
    ("llama-3.2-3b-instruct", "llama", "Llama 3.2 3b Instruct", "llama-bpe", 128256, (128000, 128009, None), None),
    ("qwen2.5-7b-instruct", "qwen2", "Qwen2.5 7b Instruct", "qwen2", 152064, (151643, 151645, None), False),
    ("mistral-7b-instruct-v0.2", "llama", "Mistral 7b Instruct v0.2", None, 32000, (1, 2, 0), None),
    # llama.cpp tells Phi-3 by this name.
    ("phi-3-mini-4k-instruct", "phi3", "Phi-3-mini-4k-instruct", None, 32064, (1, 32000, 0), False),
]
SMOLLM2, GEMMA = "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"


def write_gguf(folder: Path, out: Path, arch: str, name: str, pre: str | None, rows: int, special, add_bos) -> None:
    """A vocabulary as `convert_hf_to_gguf.py --vocab-only` writes it."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    trained = None
    if (folder / "tokenizer.model").is_file():
        model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        trained = [model.GetScore(id) for id in range(model.vocab_size())]
    tokens, kinds, scores = [f"[PAD{id}]" for id in range(rows)], [UNUSED] * rows, [-10000.0] * rows
    for piece, id in tokenizer["model"]["vocab"].items():
        is_byte = pre is None and len(piece) == 6 and piece.startswith("<0x")
        tokens[id], kinds[id] = piece, BYTE if is_byte else NORMAL
        # Without a `tokenizer.model`: Llama's scores are the places among the merges, but for runs of spaces.
        run = len(piece) > 1 and set(piece) == {"▁"}
        scores[id] = 0.0 if is_byte else trained[id] if trained else -1e9 if run else 259.0 - id
    for token in tokenizer["added_tokens"]:
        id, text = token["id"], token["content"]
        control = token["special"] or (text.startswith("<|") and text.endswith("|>"))
        tokens[id], kinds[id] = (text, CONTROL) if control else (text.replace("▁", " "), USER_DEFINED)
        scores[id] = -1000.0
    writer = gguf.GGUFWriter(out, arch)
    writer.add_name(name)
    writer.add_tokenizer_model("gpt2" if pre else "llama")
    writer.add_tokenizer_pre(pre or "default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if pre:
        merges = tokenizer["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    else:
        writer.add_token_scores(scores)
    for add, id in zip((writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id), special):
        if id is not None:
            add(id)
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    writer.add_add_eos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def original(path: Path, gemma: bool) -> Tokenizer:
    """The original's tokenizer on the vocabulary of a real file."""
    fields = gguf.GGUFReader(path).fields
    read = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
    tokens, kinds = read("tokens"), read("token_type")
    is_run = lambda text: gemma and len(text) > 1 and set(text) == {" "}
    keys = ("single_word", "lstrip", "rstrip", "normalized")
    added = [
        {"id": id, "content": text, "special": kind == CONTROL, **dict.fromkeys(keys, False)}
        for id, (text, kind) in enumerate(zip(tokens, kinds))
        if kind in (CONTROL, USER_DEFINED) and not is_run(text)
    ]
    vocabulary = {text.replace(" ", "▁") if is_run(text) else text: id for id, text in enumerate(tokens)}
    if gemma:
        # Tokens are merged in the order of their ids, each from its longest first part on.
        splits = ((text[:at], text[at:]) for text in vocabulary for at in reversed(range(1, len(text))))
        merges = [pair for pair in splits if pair[0] in vocabulary and pair[1] in vocabulary]
        begin = [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        bos = {"id": "<bos>", "ids": [vocabulary["<bos>"]], "tokens": ["<bos>"]}
        stages = {
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            "post_processor": {
                "type": "TemplateProcessing", "single": begin, "special_tokens": {"<bos>": bos},
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            },
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            ]},
        }  # fmt: skip
        more = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    else:
        merges = [merge.split(" ") for merge in read("merges")]
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        digits = {"type": "Digits", "individual_digits": True}
        stages = {
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
            "decoder": byte_level,
        }
        more = {}
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges, **more}
    return Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": added, "model": model, **stages}))


def strings(value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def common_texts(datasets: Path) -> list[str]:
    """Documents of every benchmark, code, and words with every kind of white space."""
    texts = [""]
    shuffle = random.Random(1).shuffle
    for path in sorted(datasets.rglob("*.parquet")):
        rows = pyarrow.parquet.read_table(path).to_pylist()
        shuffle(rows)
        texts += ["\n".join(strings(row)) for row in rows[:1500]]
    for path in sorted([*ROOT.glob("crates/**/*.rs"), *ROOT.glob("scripts/**/*.py")]):
        text = path.read_text()
        texts += [text[at : at + 700] for at in range(0, len(text), 700)]
    made = json.loads((ROOT / "crates/harness/tests/fixtures/texts.json").read_text())
    words, spaces = made["words"], made["spaces"]
    for at, word in enumerate(words):
        for by, space in enumerate(spaces):
            texts += [word + space + words[(at * 7 + by * 3 + 1) % len(words)], space + word, word + space]
    return texts


def with_added(texts: list[str], added: list[str]) -> list[str]:
    """Texts with every added token, alone and (the first 300) within text."""
    out = texts + added
    for token in added[:300]:
        out += [f" {token} ", f"a{token}b", f"a {token} b", f"{token}\n\n{token}", f"x{token}   y", f"\t{token}\t."]
    return out


def gac(encode: Path, model: Path, texts: list[str]) -> list[list[int]]:
    given = "".join(json.dumps(text) + "\n" for text in texts)
    ran = subprocess.run([encode, model], input=given, text=True, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def llama(model: Path, texts: list[str]) -> list[list[int]]:
    tokenizer = llama_cpp.Llama(model_path=str(model), vocab_only=True, verbose=False)
    return [tokenizer.tokenize(text.encode(), add_bos=True, special=True) for text in texts]


@llama_cpp.llama_log_callback
def silent(_level, _text, _data) -> None:
    """llama.cpp warns of every text that begins with begin-of-text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--show", type=int, default=3, metavar="N")
    parser.add_argument("--encode", type=Path, default=ROOT / "target/release/examples/encode")
    args = parser.parse_args()
    llama_cpp.llama_log_set(silent, None)
    common = common_texts(args.shared / "datasets")
    print("| vocabulary | texts | gac, folder | gac, GGUF | llama.cpp |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in [row[0] for row in SHARED] + [SMOLLM2, GEMMA]:
            if name.endswith(".gguf"):
                library, file, folder = original(args.real / name, name == GEMMA), args.real / name, Path(scratch, name)
                folder.mkdir()
                library.save(str(folder / "tokenizer.json"))
            else:
                folder, file = args.shared / "tokenizers" / name, Path(scratch, f"{name}.gguf")
                write_gguf(folder, file, *next(row[1:] for row in SHARED if row[0] == name))
                library = Tokenizer.from_file(str(folder / "tokenizer.json"))
            decoder = library.get_added_tokens_decoder()
            texts = with_added(common, [decoder[id].content for id in sorted(decoder)])
            expected = [encoding.ids for encoding in library.encode_batch(texts)]
            counts = []
            for who, ids in [
                ("gac, folder", gac(args.encode, folder, texts)),
                ("gac, GGUF", gac(args.encode, file, texts)),
                ("llama.cpp", llama(file, texts)),
            ]:
                differing = [at for at, (found, right) in enumerate(zip(ids, expected, strict=True)) if found != right]
                counts.append(len(differing))
                for at in differing[: args.show]:
                    found, right = ids[at], expected[at]
                    pairs = enumerate(zip([*found, None], [*right, None]))
                    first = next((place for place, (a, b) in pairs if a != b), 0)
                    shown = [library.decode(each[first : first + 3], skip_special_tokens=False) for each in (found, right)]
                    print(
                        f"{name}: {who}: {texts[at][:60]!r}: from id {first} on {found[first : first + 3]} ({shown[0]!r}), "
                        f"the library {right[first : first + 3]} ({shown[1]!r})",
                        file=sys.stderr,
                    )
            print(f"| {name} | {len(texts)} | {' | '.join(map(str, counts))} |", flush=True)


if __name__ == "__main__":
    main()
