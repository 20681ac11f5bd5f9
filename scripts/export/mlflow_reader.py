#!/usr/bin/env python3
"""Reads the file store of `gac export --format mlflow` with MLflow, and again after `mlflow migrate-filestore`.

    pip install mlflow-skinny sqlalchemy alembic
    cargo build --release
    python scripts/export/mlflow_reader.py RUN

Each system must be a finished run whose primary metrics are those of the run's leaderboard.csv, with parameters, tags and
the run's card as an artifact. Exits with 1 when anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# MLflow asks for this before it reads a file store.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

from mlflow.artifacts import download_artifacts
from mlflow.tracking import MlflowClient
from running import Differences, export, leaderboard


def name(row):
    """A primary metric as the store names it."""
    metric = f"{row['metric']},{row['filter']}"
    return f"{row['task']}/{metric}".replace(",", ".").replace("@", "_at_")


def check(uri, rows, differences):
    """All runs of a store; gives back how many, and how many metrics they have."""
    client = MlflowClient(uri)
    experiments = [experiment for experiment in client.search_experiments() if experiment.name != "Default"]
    runs = client.search_runs([experiment.experiment_id for experiment in experiments])
    metrics = 0
    for run in runs:
        system = run.data.tags["mlflow.runName"]
        differences.expect(f"{system} status", run.info.status, "FINISHED")
        metrics += len(run.data.metrics)
        for (of, task), row in rows.items():
            if of != system:
                continue
            key = "average" if task == "average" else name(row)
            differences.expect(f"{system} {key}", run.data.metrics.get(key), float(row["value"]))
        differences.expect(f"{system} parameter", run.data.params["system.name"], system)
        path = download_artifacts(run_id=run.info.run_id, artifact_path="run-card.json", tracking_uri=uri)
        card = json.loads(Path(path).read_text(encoding="utf-8"))
        differences.expect(f"{system} card", card["name"], experiments[0].name)
    return len(runs), metrics


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    rows, differences = leaderboard(arguments.run), Differences()
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/of a run"
        export(arguments.run, "mlflow", store)
        found = check(f"file://{store}".replace(" ", "%20"), rows, differences)
        differences.expect("runs", found[0], len({system for system, _ in rows}))
        database = f"sqlite:///{folder}/mlflow.db"
        mlflow = Path(sys.executable).parent / "mlflow"
        subprocess.run([mlflow, "migrate-filestore", "--source", store, "--target", database], check=True, capture_output=True)
        differences.expect("after migrate-filestore", check(database, rows, differences), found)
    print(f"{found[0]} runs, {found[1]} metrics, {differences.count} differences")
    sys.exit(1 if differences.count else 0)


if __name__ == "__main__":
    main()
