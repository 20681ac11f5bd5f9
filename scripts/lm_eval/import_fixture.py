"""Two runs of lm-evaluation-harness 0.4.13 for the tests of `gac import`: its dummy model on made-up documents.

    pip install lm_eval==0.4.13
    python scripts/lm_eval/import_fixture.py crates/harness/tests/fixtures/lm_eval_runs

Writes DIR/base and DIR/new: results_*.json and samples_*.jsonl as lm-evaluation-harness leaves them, without what it says about
the machine. The tasks are one to be continued, with two filters, and a group of two with choices.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OPEN = """
task: made_sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}/sums.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "Sum: {{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], max_gen_toks: 8}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
filter_list:
  - {{name: strict, filter: [{{function: regex, regex_pattern: "^(l.l)$"}}, {{function: take_first}}]}}
  - {{name: loose, filter: [{{function: take_first}}]}}
metadata: {{version: 1.0}}
"""
CHOICE = """
task: made_{name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}/{name}.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["red", "green", "blue"]
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 2.0}}
"""
GROUP = """
group: made_colours
task: [made_apples, made_pears]
aggregate_metric_list: [{metric: acc, aggregation: mean, weight_by_size: true}]
metadata: {version: 2.0}
"""
# Of the machine, or of the minute.
VOLATILE = ("pretty_env_info", "transformers_version", "lm_eval_version", "git_hash", "config", "configs", "upper_git_hash")


def lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(folder: Path, seed: int, output: Path) -> None:
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "dummy", "--tasks", "made_sums,made_colours"]
    command += ["--include_path", str(folder), "--log_samples", "--output_path", str(folder / "out"), "--seed", str(seed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for path in sorted((folder / "out").rglob("*.json*")):
        name = path.name.replace("made_", "made_")
        if path.suffix == ".json":
            results = json.loads(path.read_text())
            for key in VOLATILE:
                results.pop(key, None)
            (output / name).write_text(json.dumps(results, indent=1) + "\n")
        else:
            shutil.copy(path, output / name)
    shutil.rmtree(folder / "out")


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The dummy model answers "lol" to everything.
        answers = ["lol" if number % 3 == 0 else str(number + 2) for number in range(12)]
        lines(folder / "sums.jsonl", [{"question": f"{n} and 2 cups", "answer": a} for n, a in enumerate(answers)])
        for name, count in (("apples", 8), ("pears", 6)):
            rows = [{"question": f"Which colour has {name[:-1]} {n}?", "answer": n % 3} for n in range(count)]
            lines(folder / f"{name}.jsonl", rows)
            (folder / f"{name}.yaml").write_text(CHOICE.format(name=name, data=folder))
        (folder / "sums.yaml").write_text(OPEN.format(data=folder))
        (folder / "colours.yaml").write_text(GROUP)
        for name, seed in (("base", 1), ("new", 2)):
            run(folder, seed, target / name)


if __name__ == "__main__":
    main()
