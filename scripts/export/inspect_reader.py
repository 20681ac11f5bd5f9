#!/usr/bin/env python3
"""Opens the `.eval` files of `gac export --format inspect` with inspect_ai's own readers.

    pip install inspect_ai pandas pyarrow
    cargo build --release
    python scripts/export/inspect_reader.py RUN [--bundle FOLDER]

Every log is listed, and read whole, as a header, as summaries and sample by sample; its scores must be those of
the run's leaderboard.csv, its samples' those of samples.jsonl, and so must responses and errors. inspect_ai writes each log
again and reads it back. `--bundle` also makes the static page of `inspect view`. Exits with 1 when anything differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from inspect_ai.analysis import evals_df, samples_df
from inspect_ai.log import (
    bundle_log_dir,
    list_eval_logs,
    read_eval_log,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
    write_eval_log,
)
from running import Differences, export, leaderboard, samples


def check_header(log, rows, differences):
    """The headline against the leaderboard."""
    system = log.eval.model.removeprefix("gac/")
    row = rows[system, log.eval.task]
    headline = log.results.headline
    differences.expect("headline", f"{headline.score}", f"{row['metric']},{row['filter']}")
    (score,) = [score for score in log.results.scores if score.name == headline.score]
    what = f"{system} {log.eval.task}"
    differences.expect(what, float(score.metrics[headline.metric].value), float(row["value"]))
    stderr = score.metrics.get("stderr") or score.metrics.get(f"{headline.metric} stderr")
    differences.expect(f"{what} stderr", float(stderr.value) if stderr else "", float(row["stderr"] or "nan") if row["stderr"] else "")
    return system


def check_sample(sample, ours, differences):
    """A sample against its line of samples.jsonl."""
    what = f"{ours['system']} {ours['task']} {sample.id} {sample.epoch}"
    if ours["outcome"] == "failed":
        differences.expect(f"{what} error", sample.error.message, ours["error"])
        differences.expect(f"{what} scores", sample.scores, None)
        return
    for found in ours["filters"]:
        for metric in found["metrics"]:
            score = sample.scores[f"{metric['metric']},{found['filter']}"]
            right = metric["value"]
            differences.expect(f"{what} {metric}", float(score.value), float(right))
    if "generated" in ours["response"]:
        differences.expect(f"{what} response", sample.output.completion, ours["response"]["generated"]["text"])
    else:
        sums = [choice["sum"] for choice in ours["response"]["choices"]]
        found = [choice["log_likelihood"] for choice in sample.metadata["log_likelihoods"]]
        differences.expect(f"{what} log-likelihoods", found, sums)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--bundle", type=Path)
    arguments = parser.parse_args()
    rows, ours, differences = leaderboard(arguments.run), samples(arguments.run), Differences()
    with tempfile.TemporaryDirectory() as folder:
        logs = f"{folder}/logs"
        export(arguments.run, "inspect", logs)
        listed = list_eval_logs(logs)
        read, prompts = 0, 0
        for info in listed:
            header = read_eval_log(info, header_only=True)
            system = check_header(header, rows, differences)
            log = read_eval_log(info)
            summaries = read_eval_log_sample_summaries(info)
            differences.expect("summaries", len(summaries), len(log.samples))
            differences.expect("ids", header.eval.dataset.samples, len({sample.id for sample in log.samples}))
            for sample in log.samples:
                one = read_eval_log_sample(info, id=sample.id, epoch=sample.epoch)
                differences.expect("one sample", one.model_dump(), sample.model_dump())
                subject, doc = None, sample.id
                if isinstance(doc, str):
                    subject, doc = sample.metadata["subject"], int(doc.rsplit("-", 1)[1])
                check_sample(sample, ours.pop((system, header.eval.task, subject, doc, sample.epoch - 1)), differences)
                prompts += bool(sample.input)
                read += 1
            again = f"{folder}/again.eval"
            write_eval_log(log, again)
            back = read_eval_log(again)
            differences.expect("written again", len(back.samples), len(log.samples))
            differences.expect("written again", back.results.model_dump(), log.results.model_dump())
        differences.expect("samples without a log", list(ours)[:3], [])
        evals, frame = evals_df(logs), samples_df(logs)
        differences.expect("evals_df", len(evals), len(listed))
        differences.expect("samples_df", len(frame), read)
        if arguments.bundle:
            bundle_log_dir(logs, str(arguments.bundle), overwrite=True)
    print(f"{len(listed)} logs, {read} samples ({prompts} with their prompts), {differences.count} differences")
    sys.exit(1 if differences.count else 0)


if __name__ == "__main__":
    main()
