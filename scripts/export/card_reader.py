#!/usr/bin/env python3
"""Reads the run card of `gac export --format card` as JSON-LD, and holds it against the run's folder.

    pip install pyld
    cargo build --release
    python scripts/export/card_reader.py RUN

Expanded, every key must be a term (of schema.org, Croissant or gac), every hash that of its file, and every primary metric
that of the run's leaderboard.csv. Exits with 1 when anything differs.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from pyld import jsonld
from running import Differences, export, leaderboard

VOCABULARIES = ("https://schema.org/", "http://mlcommons.org/croissant/", "urn:gac:")


def keys(value):
    """All keys of a document, without what is kept as JSON."""
    if isinstance(value, list):
        for item in value:
            yield from keys(item)
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            if key not in ("@context", "settings", "server", "@value"):
                yield from keys(below)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    rows, differences = leaderboard(arguments.run), Differences()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run-card.json"
        export(arguments.run, "card", path)
        card = json.loads(path.read_text(encoding="utf-8"))
    expanded = list(keys(jsonld.expand(card)))
    terms = Counter(key for key in expanded if not key.startswith("@"))
    for term in terms:
        differences.expect(term, term.startswith(VOCABULARIES), True)
    # What no term stands for is dropped when a document is expanded.
    plain = Counter(key for key in keys(card) if not key.startswith("@"))
    differences.expect("keys that are terms", terms.total(), plain.total())
    for file in card["distribution"]:
        data = (arguments.run / file["contentUrl"]).read_bytes()
        differences.expect(file["contentUrl"], hashlib.sha256(data).hexdigest(), file["sha256"])
        differences.expect(file["contentUrl"], f"{len(data)} B", file["contentSize"])
    scores = {}
    for score in card["scores"]:
        if "part" not in score:
            key = (score["system"], score["task"], score.get("metric", ""), score.get("filter", ""))
            scores[key] = score
    for (system, task), row in rows.items():
        score = scores[system, task, row["metric"], row["filter"]]
        differences.expect(f"{system} {task}", float(score["value"]), float(row["value"]))
        if row["stderr"]:
            differences.expect(f"{system} {task} stderr", float(score["stderr"]), float(row["stderr"]))
    print(f"{terms.total()} terms, {len(card['distribution'])} files, {len(card['scores'])} scores, "
          f"{differences.count} differences")
    sys.exit(1 if differences.count else 0)


if __name__ == "__main__":
    main()
