#!/usr/bin/env python3
"""Counts type names that are defined more than once in the workspace: one word, one thing.

    python scripts/structure/names.py [--max N] [--crate NAME]

Structs, enums, traits and type aliases count, tests do not. A name is to say what it is where it is read, private or not.
Exit code 1 when there are more than the flag allows.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

from circles import CRATES, code

DEFINITION = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(?:struct|enum|trait|type|union)\s+(\w+)", re.MULTILINE)
# What stands inside of an impl or a trait is a part of that, and no name of its own.
ASSOCIATED = re.compile(r"^ +type \w+", re.MULTILINE)


def defined() -> dict[str, set[Path]]:
    """The files that define each name."""
    found = defaultdict(set)
    for path in sorted(CRATES.glob("*/src/**/*.rs")):
        if path.stem == "tests":
            continue
        for name in DEFINITION.findall(ASSOCIATED.sub("", code(path))):
            found[name].add(path.relative_to(CRATES))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max", type=int)
    parser.add_argument("--crate", help="only names that this crate defines")
    args = parser.parse_args()
    several = {name: sorted(paths) for name, paths in defined().items() if len(paths) > 1}
    if args.crate:
        several = {name: paths for name, paths in several.items() if any(path.parts[0] == args.crate for path in paths)}
    print(f"{len(several)} type names that are defined more than once")
    for name, paths in sorted(several.items()):
        print(f"  {name}: " + ", ".join(map(str, paths)))
    sys.exit(args.max is not None and len(several) > args.max)


if __name__ == "__main__":
    main()
