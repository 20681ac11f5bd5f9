"""A run exported by gac, and what its own files say."""

import csv
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


GAC = ROOT / "target/release/gac"


def export(run, form, folder):
    """Exports `run` into `folder`."""
    subprocess.run([GAC, "export", run, "--format", form, "-o", folder], check=True)


def leaderboard(run):
    """Rows of leaderboard.csv by system and task; an imported run has none until it is asked for."""
    path = run / "leaderboard.csv"
    if path.exists():
        text = path.read_text(encoding="utf-8")
    else:
        text = subprocess.run([GAC, "leaderboard", run, "--format", "csv"], check=True, capture_output=True, text=True).stdout
    return {(row["system"], row["task"]): row for row in csv.DictReader(text.splitlines())}


def samples(run):
    """Every sample by system, task, subject, document and repeat."""
    found = {}
    for path in run.glob("*/*/samples.jsonl"):
        with open(path, encoding="utf-8") as file:
            for line in file:
                sample = json.loads(line)
                key = (sample["system"], sample["task"], sample["subject"], sample["doc_id"], sample.get("repeat", 0))
                found[key] = sample
    return found


class Differences:
    """What is not as it should be, printed as it is found."""

    def __init__(self):
        self.count = 0

    def expect(self, what, found, right):
        """Counts a difference; numbers may differ in their last digits."""
        same = found == right
        if isinstance(found, float) and isinstance(right, (int, float)):
            same = abs(found - right) <= 1e-12
        if not same:
            self.count += 1
            print(f"DIFFERENT {what}: {found!r} instead of {right!r}")
