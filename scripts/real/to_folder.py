#!/usr/bin/env python3
"""Makes a Hugging Face folder of every GGUF file in a folder: the reference for what `gac` says of the file itself.

    pip install torch transformers accelerate gguf sentencepiece protobuf
    python scripts/real/to_folder.py FOLDER

`NAME.gguf` becomes `NAME/`: weights dequantised and rounded to bfloat16, config, tokenizer and chat template, as
transformers converts them. `NAME-f32/` holds the same weights as the file has them, not rounded. transformers loses the
first stage of SmolLM2's pre-tokenizer (digits are cut off one by one); it is put back here.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def with_digits(path: Path) -> None:
    """Puts `Digits` in front of the byte-level stage of a tokenizer.json."""
    tokenizer = json.loads(path.read_text())
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    path.write_text(json.dumps(tokenizer, ensure_ascii=False))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    for gguf in sorted(folder.glob("*.gguf")):
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
        # The weights are plain already; without these two, transformers will not write them.
        model.hf_quantizer = None
        del model.config.quantization_config
        for dtype, out in [(torch.float32, folder / f"{gguf.stem}-f32"), (torch.bfloat16, folder / gguf.stem)]:
            model.to(dtype).save_pretrained(out)
            tokenizer.save_pretrained(out)
            if gguf.name.startswith("SmolLM2"):
                with_digits(out / "tokenizer.json")
            print(out, file=sys.stderr)


if __name__ == "__main__":
    main()
