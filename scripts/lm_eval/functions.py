#!/usr/bin/env python3
"""Which functions of Python lm-evaluation-harness's YAML tasks name, how many tasks each serves, and which are known here.

    python scripts/lm_eval/functions.py [--all]

Functions are told apart by the contents of their files. A task counts as known where all of its functions are that lm_eval
calls. `crates/harness/functions/*.toml` know them. Needs lm_eval 0.4.13.
"""

import argparse
import collections
import hashlib
import tomllib
from pathlib import Path

import lm_eval
from yaml_tasks import configs

ROOT = Path(lm_eval.__file__).parent / "tasks"
KNOWN = Path(__file__).resolve().parents[2] / "crates/harness/functions"


def functions(value, root):
    """Functions of a file that was read without them: texts that are paths of them."""
    if isinstance(value, str):
        if value.startswith(root) and "." in value:
            yield value
        return
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        yield from functions(part, root)


def known_functions():
    """Names of functions by the hash of their file."""
    known = {}
    for path in sorted(KNOWN.glob("*.toml")):
        for module in tomllib.loads(path.read_text())["module"]:
            for digest in module["files"].values():
                known[digest] = list(module["functions"])
    return known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="also functions of fewer than ten tasks")
    args = parser.parse_args()
    known, digests = known_functions(), {}
    served, place, tasks, whole = collections.Counter(), {}, 0, 0
    for config in (config for _, config in configs(ROOT).values()):
        # lm_eval calls no function for decontamination.
        config = {key: value for key, value in config.items() if "decontamination" not in key}
        found = set()
        for spelled in functions(config, str(ROOT)):
            module, _, name = spelled.rpartition(".")
            path = Path(f"{module}.py")
            if path not in digests:
                digests[path] = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "elsewhere"
            found.add((digests[path], name))
            place.setdefault((digests[path], name), f"{path.relative_to(ROOT)}: {name}")
        if not found:
            continue
        is_known = lambda key: any(  # noqa: E731
            key[1] == own or own.endswith("*") and key[1].startswith(own[:-1]) for own in known.get(key[0], [])
        )
        tasks += 1
        whole += all(map(is_known, found))
        for key in found:
            served[key[0], key[1], is_known(key)] += 1
    for (digest, name, is_known), count in served.most_common():
        if count >= 10 or args.all:
            print(f"{count:5} {'known' if is_known else '     '} {place[digest, name]}")
    print(f"{tasks} tasks name functions of {len(digests)} files; of {whole} all are known")


if __name__ == "__main__":
    main()
