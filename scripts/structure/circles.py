#!/usr/bin/env python3
"""Counts circles of imports between files, and imports that run from a lower room of a crate up to a higher one.

    python scripts/structure/circles.py [--max-circles N] [--max-up N]

A file imports another where its `use` lines or paths name something that the other defines: re-exports of `mod.rs` and
`lib.rs` are followed to where a thing is defined. Tests are left out. The rooms of a crate, from the ground up, are in
`ROOMS`. Exit code 1 when there are more than the flags allow.
"""

import argparse
import re
import sys
from pathlib import Path

CRATES = Path(__file__).resolve().parents[2] / "crates"

# What stands on what, from the ground up, inside crates: folders and files without their endings.
ROOMS = {
    "inference": ["kernel", "checkpoint", "tokenizer", "chat", "decoder", "adapter", "engine"],
    "ensemble": ["vocabulary", "vote", "reading", "decode", "score", "schedule"],
    "systems": ["files", "spec", "plan", "identity", "system", "ensemble_system", "full_response", "open", "model_store"],
    "harness": ["stats", "data", "tasks", "plan", "results", "report", "compare", "export", "runner"],
    "cli": ["failure", "printer", "shared_args", "commands", "args", "main"],
}


def files(crate: Path) -> dict[tuple[str, ...], Path]:
    """Every module's file by its path."""
    found = {}
    for path in sorted((crate / "src").rglob("*.rs")):
        parts = path.relative_to(crate / "src").with_suffix("").parts
        if parts[-1] in ("mod", "lib", "main"):
            parts = parts[:-1]
        found[parts] = path
    return found


def code(path: Path) -> str:
    """A file without comments and without its tests."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod \w+ \{", text)[0]


def leaves(tree: str) -> list[tuple[list[str], str]]:
    """The paths that a `use` tree names, each with the name that it gets."""
    tree = tree.strip()
    open_at = tree.find("{")
    if open_at < 0:
        path, _, alias = tree.partition(" as ")
        parts = [part.strip() for part in path.split("::") if part.strip()]
        return [(parts, alias.strip() or (parts[-1] if parts else ""))]
    before = [part for part in tree[:open_at].split("::") if part.strip()]
    inner, depth, start, out = tree[open_at + 1 : tree.rfind("}")], 0, 0, []
    for at, letter in enumerate(inner + ","):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if inner[start:at].strip():
                out += [([*before, *parts], name) for parts, name in leaves(inner[start:at])]
            start = at + 1
    return out


def absolute(parts: list[str], module: tuple[str, ...], modules: dict) -> tuple[str, ...] | None:
    """A path of a module from the crate's root; none for other crates."""
    if parts[0] == "crate":
        return tuple(parts[1:])
    at = list(module)
    if parts[0] == "self":
        return (*at, *parts[1:])
    ups = 0
    while ups < len(parts) and parts[ups] == "super":
        at, ups = at[:-1], ups + 1
    if ups:
        return (*at, *parts[ups:])
    return (*at, *parts) if (*at, parts[0]) in modules else None


def imports(crate: Path) -> dict[Path, set[Path]]:
    """Which file imports which."""
    modules = files(crate)
    texts = {module: code(path) for module, path in modules.items()}
    used = {
        module: [leaf for tree in re.findall(r"\buse ([^;]+);", text) for leaf in leaves(tree)]
        for module, text in texts.items()
    }
    exported = {
        module: [leaf for tree in re.findall(r"\bpub(?:\([^)]*\))? use ([^;]+);", text) for leaf in leaves(tree)]
        for module, text in texts.items()
    }

    def home(path: tuple[str, ...], seen: frozenset) -> tuple[str, ...] | None:
        """The module that defines what a path names."""
        for length in range(len(path), -1, -1):
            module = path[:length]
            if module not in modules:
                continue
            rest = path[length:]
            if not rest or (module, rest[0]) in seen:
                return module
            for parts, name in exported[module]:
                if name == rest[0] or name == "*":
                    target = absolute(parts, module, modules)
                    if target is not None:
                        return home((*target, *rest[1:]), seen | {(module, rest[0])})
            return module
        return None

    arrows: dict[Path, set[Path]] = {path: set() for path in modules.values()}
    for module, path in modules.items():
        named = [parts for parts, _ in used[module]]
        if path.stem in ("mod", "lib"):
            # What a face hands on is not what it needs.
            named = [parts for parts in named if parts not in [other for other, _ in exported[module]]]
        named += [match.split("::") for match in re.findall(r"\b(?:crate|super)(?:::\w+)+", texts[module])]
        for parts in named:
            target = absolute(parts, module, modules) if parts else None
            found = home(target, frozenset()) if target is not None else None
            if found is not None and modules[found] != path and modules[found].stem not in ("mod", "lib", "main"):
                arrows[path].add(modules[found])
    return arrows


def circles(arrows: dict[Path, set[Path]]) -> list[list[Path]]:
    """Strongly connected files, where there are several (Tarjan 1972)."""
    index, low, stack, out = {}, {}, [], []

    def visit(node: Path) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                out.append(sorted(stack[at:]))
            del stack[at:]

    for node in arrows:
        if node not in index:
            visit(node)
    return out


def upward(crate: Path, arrows: dict[Path, set[Path]]) -> list[tuple[Path, Path]]:
    """Imports from a lower room to a higher one."""
    order = ROOMS.get(crate.name, [])

    def floor(path: Path) -> int | None:
        room = path.relative_to(crate / "src").parts[0].removesuffix(".rs")
        return order.index(room) if room in order else None

    pairs = [(path, other) for path, others in arrows.items() for other in sorted(others)]
    floors = [(pair, floor(pair[0]), floor(pair[1])) for pair in pairs]
    return [pair for pair, here, there in floors if here is not None and there is not None and there > here]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-circles", type=int)
    parser.add_argument("--max-up", type=int)
    args = parser.parse_args()
    sys.setrecursionlimit(10_000)
    round_about, up = [], []
    for crate in sorted(path.parent for path in CRATES.glob("*/Cargo.toml")):
        arrows = imports(crate)
        round_about += circles(arrows)
        up += upward(crate, arrows)
    print(f"{len(round_about)} circles")
    for files_of in round_about:
        print("  " + ", ".join(str(path.relative_to(CRATES)) for path in files_of))
    print(f"{len(up)} imports that run up")
    for path, other in up:
        print(f"  {path.relative_to(CRATES)} -> {other.relative_to(CRATES)}")
    too_many = args.max_circles is not None and len(round_about) > args.max_circles
    sys.exit(too_many or (args.max_up is not None and len(up) > args.max_up))


if __name__ == "__main__":
    main()
