"""Records what lm-evaluation-harness 0.4.13 makes of made-up documents and made-up responses.

    pip install lm_eval==0.4.13 rouge_score langdetect immutabledict math_verify antlr4-python3-runtime==4.11
    export SQUAD_METRICS=...  # see squad_v2.py
    python scripts/lm_eval/goldens.py [TASK ...]

The recordings lie in crates/harness/tests/fixtures/lm_eval and need nothing from outside of the repository: documents
are those of datasets/mini, and for other tasks rows that this script (MMLU, BIG-Bench Hard) and `made_up.py` make up, with
shots and descriptions of our own where lm-evaluation-harness's task files hold others' text. Prompts are recorded as hashes.

Each task runs through lm-evaluation-harness's own `simple_evaluate` (rank 0 of 1, its default seeds). Only the model is
ours: it answers with texts and log-likelihoods that follow from a document's number.
"""

import hashlib
import json
import logging
import random
import sys
import tempfile
from pathlib import Path

import evaluate
import langdetect
import local_data
import lm_eval
import made_up
import squad_v2
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "datasets/mini"
OUTPUT = ROOT / "crates/harness/tests/fixtures/lm_eval"
OWN = OUTPUT / "data"
INCLUDED = Path(lm_eval.__file__).parent / "tasks"
# Task, shots (None leaves the task's own), documents of each subtask, and where its rows are.
TASKS = [
    ("arc_easy", 0, 20, MINI),
    ("arc_challenge", 25, 20, MINI),
    ("piqa", 5, 20, MINI),
    ("gsm8k", 5, 24, MINI),
    ("own_cot", None, 24, OWN),
    ("triviaqa", 5, 20, MINI),
    ("nq_open", 5, 20, MINI),
    ("mmlu", 5, 2, OWN),
    ("mmlu_flan_n_shot_generative", 5, 2, OWN),
    ("own_bbh", None, 12, OWN),
    ("openbookqa", 2, 20, OWN),
    ("boolq", 3, 20, OWN),
    ("hellaswag", 3, 20, OWN),
    ("winogrande", 4, 20, OWN),
    ("own_mc1", 2, 20, OWN),
    ("own_mc2", 0, 20, OWN),
    ("own_gen", 0, 20, OWN),
    ("gpqa_diamond_zeroshot", 0, 24, OWN),
    ("gpqa_diamond_cot_zeroshot", 0, 24, OWN),
    ("lambada_openai", 2, 20, OWN),
    ("mmlu_pro", 5, 2, OWN),
    ("hendrycks_math500", 2, 36, OWN),
    ("aime24", 0, 16, OWN),
    ("aime25", 2, 16, OWN),
    ("wikitext", 0, 12, OWN),
    ("own_minerva", 2, 36, OWN),
    ("ifeval", 0, 400, OWN),
    ("squadv2", 0, 30, OWN),
    ("squad_completion", 0, 12, OWN),
    ("cnn_dailymail_abisee", 0, 20, OWN),
    ("samsum", 2, 20, OWN),
]
# Their scores come from functions of their own, which extract what filters do here.
EXTRACT_BY_THEMSELVES = ("hendrycks_math500", "aime24", "aime25", "own_minerva")


def zero_to_one(task, metric, value):
    """There, likenesses are from 0 to 100."""
    return value / 100 if task == "own_gen" and not metric.split(",")[0].removesuffix("_stderr").endswith("_acc") else value

# Figures that need another model.
LEFT_OUT = ("summary_length", "bertscore_precision", "bertscore_recall", "bertscore_f1")
# A task of ours in lm-evaluation-harness's form.
SAMSUM = {
    "task": "samsum", "dataset_path": "knkarthick/samsum", "dataset_name": "default", "output_type": "generate_until",
    "training_split": "train", "test_split": "test", "doc_to_text": "Conversation:\n{{dialogue}}\n\nSummary:", "doc_to_target": "{{summary}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 128, "do_sample": False},
    "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("rouge1", "rouge2", "rougeL")],
    "metadata": {"version": 1.0},
}
SAMSUM_SCORES = """
from rouge_score import rouge_scorer


def process_results(doc, results):
    scores = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).score(doc["summary"], results[0])
    return {name: score.fmeasure for name, score in scores.items()}
"""
AGGREGATIONS = {"word_perplexity": weighted_perplexity, "byte_perplexity": weighted_perplexity, "bits_per_byte": bits_per_byte}

# How responses say an answer; `{g}` is the right one, `{w}` a wrong one.
NUMBERS = ["We count.\n#### {g}", "The answer is {g}.", "#### {g}.", "#### ${g}", "#### {w}", "", "{w} or {g}", "#### -{g}",
           "The answer is {g}.00.", "#### {g} apples", "the answer is {g}", "#### 1,{g}\n\nQuestion: more?", "None."]
TEXTS = ["{g}", " {g} ", "{w}", "The {g}.", "", "{g}\n", "“{g}”", "It is {g}", "a {g}!", "{g}, {w}", "\u00a0{g}"]
LETTERS = ["{g}", "({g})", "The answer is ({g}).", "", "{w}", "{g}. {text}", "{text}", "answer: {w}", " ({w}) {g}", "none"]
REASONED = ["One by one. So the answer is {g}.", "the answer is {g}", "{g}", "The answer is {g}.", "So the answer is {g}..",
            "So the answer is {w}.", "", "So the answer is {w}.\nNo: the answer is {g}.", "So the answer is  {g}."]


def subjects_of_mmlu():
    found = (yaml.load(path.read_text(), yaml.BaseLoader) for path in sorted((INCLUDED / "mmlu/default").glob("mmlu_*.yaml")))
    return sorted(entry["dataset_name"] for entry in found)


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, compression="zstd")


def make_up_mmlu():
    """Sums: seven rows of each subject, of which two are asked and five are shots."""
    draw = random.Random(7)
    for split, count in [("test", 2), ("dev", 5)]:
        rows = {"question": [], "subject": [], "choices": [], "answer": []}
        for subject in subjects_of_mmlu():
            for _ in range(count):
                first, second, answer = draw.randrange(100), draw.randrange(100), draw.randrange(4)
                rows["question"].append(f"How many are {first} and {second}, in {subject.replace('_', ' ')}? ")
                rows["subject"].append(subject)
                rows["choices"].append([str(first + second + place - answer) for place in range(4)])
                rows["answer"].append(answer)
        write(OWN / f"cais/mmlu/all/{split}-00000-of-00001.parquet", rows)


def make_up_bbh():
    """Two tasks in BIG-Bench Hard's form, with descriptions and reasoned shots of our own."""
    draw = random.Random(8)
    words = ["lamp", "river", "stone", "green", "paper", "cloud"]

    def parity():
        number = draw.randrange(1000)
        last = number % 10
        target = "Yes" if number % 2 == 0 else "No"
        reasoned = f"The last digit of {number} is {last}, and {last} is {'even' if target == 'Yes' else 'odd'}."
        return f"Is {number} even?\nOptions:\n- Yes\n- No", target, f"{reasoned}\nSo the answer is {target}."

    def reversal():
        word = draw.choice(words)
        return f"Write \"{word}\" backwards.", word[::-1], f"From the end, {word} is {word[::-1]}. So the answer is {word[::-1]}."

    described = {
        parity: "Say whether a number is even.\n\n",
        reversal: "Write a word from its end to its beginning.\n\n",
    }
    for make, description in described.items():
        shots = [make() for _ in range(3)]
        rows = [make() for _ in range(12)]
        name = make.__name__
        columns = {"input": [row[0] for row in rows], "target": [row[1] for row in rows]}
        write(OWN / f"own/bbh/{name}/test-00000-of-00001.parquet", columns)
        file = {
            "dataset_name": name,
            "description": description,
            "doc_to_text": "Q: {{input}}\nA: Let's think step by step.\n",
            "fewshot_config": {"sampler": "first_n", "samples": [{"input": i, "target": r} for i, _, r in shots]},
        }
        path = OWN / f"own/tasks/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(file, sort_keys=False))


def make_up_cot():
    """Products, with reasoned shots in the form of gsm8k_cot's."""
    shots = [
        ("Ann has 3 pens and buys 4 more. How many has she?", "3 + 4 = 7. The answer is 7."),
        ("A box holds 6 cups. How many cups do 2 boxes hold?", "2 * 6 = 12. The answer is 12."),
        ("Of 9 birds 5 fly off. How many stay?", "9 - 5 = 4. The answer is 4."),
    ]
    draw = random.Random(9)
    rows = {"question": [], "answer": []}
    for _ in range(24):
        first, second = draw.randrange(2, 60), draw.randrange(2, 60)
        rows["question"].append(f"A shelf has {first} rows of {second} jars. How many jars are there?")
        rows["answer"].append(f"{first} * {second} = {first * second}\n#### {first * second:,}")
    write(OWN / "own/cot/main/test-00000-of-00001.parquet", rows)
    file = {"fewshot_config": {"sampler": "first_n", "samples": [{"question": q, "target": a} for q, a in shots]}}
    (OWN / "own/tasks/cot.yaml").write_text(yaml.safe_dump(file, sort_keys=False))


def make_up_primer():
    """TruthfulQA's template with questions of our own in front."""
    shown = "Q: How many legs has a chair?\nA: Most chairs have four legs.\n\nQ: Who lives on Zorb?\nA: I have no comment."
    template = "{% set prompt_qa = '" + shown.replace("\n", "\\n") + "'%}{{prompt_qa + '\\n\\nQ: ' + question + '\\nA:'}}"
    (OWN / "own/tasks/primer.yaml").write_text(yaml.safe_dump({"doc_to_text": template}, width=200))


def make_up_minerva():
    """Shots in the form of minerva_math's, in a file of Python."""
    ending = "Final Answer: The final answer is ${a}$. I hope it is correct."
    shots = [
        {"problem": "What is $\\frac{1}{4}+\\frac{1}{4}$?", "solution": "Two quarters are $\\boxed{\\frac{1}{2}}.$\n" + ending.replace("{a}", "\\frac{1}{2}"), "few_shot": "1"},
        {"problem": "Solve $x-3=4$.", "solution": "We add 3: $x=\\boxed{7}.$\n" + ending.replace("{a}", "7"), "few_shot": "1"},
    ]
    body = "".join(f"        {shot!r},\n" for shot in shots)
    (OWN / "own/tasks/minerva.py").write_text(f"def list_fewshot_samples() -> list[dict]:\n    return [\n{body}    ]\n")
    return shots


def task_files(folder):
    """lm-evaluation-harness's own templates with our descriptions and shots in them."""
    bbh = [yaml.safe_load((OWN / f"own/tasks/{name}.yaml").read_text()) for name in ("parity", "reversal")]
    for file in bbh:
        name = file["dataset_name"]
        template = str(INCLUDED / "bbh/cot_fewshot/_cot_fewshot_template_yaml")
        file |= {"include": template, "task": f"own_bbh_{name}", "dataset_path": "own/bbh"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(file))
    group = yaml.safe_load((INCLUDED / "bbh/cot_fewshot/_bbh_cot_fewshot.yaml").read_text())
    group |= {"group": "own_bbh", "task": ["own_bbh_parity", "own_bbh_reversal"]}
    (folder / "group.yaml").write_text(yaml.safe_dump(group))
    cot = yaml.safe_load((OWN / "own/tasks/cot.yaml").read_text())
    cot |= {"include": str(INCLUDED / "gsm8k/gsm8k-cot.yaml"), "task": "own_cot", "tag": []}
    cot |= {"dataset_path": "own/cot", "num_fewshot": 3}
    (folder / "cot.yaml").write_text(yaml.safe_dump(cot))
    for subject in ("algebra", "counting_and_probability"):
        theirs = str(INCLUDED / "minerva_math/minerva_math_algebra.yaml")
        file = {"include": theirs, "task": f"own_minerva_{subject}", "tag": [], "dataset_name": subject, "num_fewshot": 2}
        file |= {"fewshot_config": {"sampler": "first_n", "samples": make_up_minerva()}}
        (folder / f"{subject}.yaml").write_text(yaml.safe_dump(file))
    group = yaml.safe_load((INCLUDED / "benchmarks/minerva_math.yaml").read_text())
    group |= {"group": "own_minerva", "task": ["own_minerva_algebra", "own_minerva_counting_and_probability"]}
    (folder / "minerva.yaml").write_text(yaml.safe_dump(group))
    samsum = SAMSUM | {"process_results": "!function samsum_scores.process_results"}
    # A tag of YAML's, which is no text.
    text = yaml.safe_dump(samsum, sort_keys=False).replace("'!function samsum_scores.process_results'", "!function samsum_scores.process_results")
    (folder / "samsum.yaml").write_text(text)
    (folder / "samsum_scores.py").write_text(SAMSUM_SCORES)
    primer = yaml.safe_load((OWN / "own/tasks/primer.yaml").read_text())
    for kind in ("mc1", "mc2", "gen"):
        # Their functions are found beside their files only.
        theirs = str(INCLUDED / f"truthfulqa/truthfulqa_{kind}.yaml")
        file = primer | {"include": theirs, "task": f"own_{kind}", "tag": []}
        (folder / f"{kind}.yaml").write_text(yaml.safe_dump(file))


class MadeUp(LM):
    """Answers that follow from the task's and the document's names."""

    def generate_until(self, requests):
        return [self.text(request) for request in requests]

    def text(self, request):
        doc, number = request.doc, request.doc_id
        if (made := made_up.response(request.task_name, doc, number)) is not None:
            return made
        if request.task_name in ("gsm8k", "own_cot"):
            right = doc["answer"].split("####")[1].strip()
            kinds, fields = NUMBERS, {"g": right, "w": f"{right}1"}
        elif "flan" in request.task_name:
            # Two documents a subject: subjects take turns with what is said.
            number += 2 * sum(map(ord, request.task_name))
            letter, other = "ABCD"[doc["answer"]], "ABCD"[doc["answer"] - 1]
            kinds, fields = LETTERS, {"g": letter, "w": other, "text": doc["choices"][doc["answer"]]}
        elif request.task_name.startswith("own_bbh"):
            kinds, fields = REASONED, {"g": doc["target"], "w": doc["target"] + "x"}
        else:
            right = doc["answer"][0] if request.task_name == "nq_open" else doc["answer"]["aliases"][0]
            kinds, fields = TEXTS, {"g": right, "w": right[1:] + "q"}
        return kinds[number % len(kinds)].format(**fields)

    def loglikelihood(self, requests):
        return [(self.sum(request), request.doc_id % 3 == 0) for request in requests]

    def sum(self, request):
        # Ties of all and of two now and then; long choices are less likely, as they are to models.
        kind = (request.doc_id + sum(map(ord, request.task_name))) % 6
        if kind == 4 or kind == 5 and request.idx < 2:
            return -2.5
        draw = random.Random(f"{request.task_name} {request.doc_id} {request.idx}")
        return -0.4 * len(request.args[1]) * (0.5 + draw.random()) - 3.0

    def loglikelihood_rolling(self, requests):
        return [-1.1 * len(request.args[0]) - request.doc_id for request in requests]


def sha256(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def prompt_line(key, records):
    arguments = records[0]["arguments"]
    if len(arguments[0]) == 1:
        arguments = [("", text) for (text,) in arguments]
    if isinstance(arguments[0][1], dict):
        context, settings = arguments[0]
        settings = {name: float(value) if name == "temperature" else value for name, value in settings.items()}
        # A second question about the same document.
        second = {"no_answer_sha256": sha256(*arguments[1])} if len(arguments) > 1 else {}
        return key | {"prompt_sha256": sha256(context), "gen_kwargs": settings} | second
    return key | {"request_sha256": [sha256(*argument[:2]) for argument in arguments]}


def score_line(key, records):
    first = records[0]
    line = {"type": "response"} | key
    named = [metric for metric in first["metrics"] if metric not in LEFT_OUT]
    metrics = lambda record: {metric: zero_to_one(key["task"], metric, float(record[metric])) for metric in named}  # noqa: E731
    if key["task"] == "ifeval":
        doc = first["doc"]
        given = [{"id": name} | {k: v for k, v in settings.items() if v} for name, settings in zip(doc["instruction_id_list"], doc["kwargs"])]
        share = lambda value: sum(value) / len(value) if isinstance(value, list) else float(value)  # noqa: E731
        metrics = {metric: share(first[metric]) for metric in named}
        text = first["resps"][0][0]
        target = [json.dumps(instruction, ensure_ascii=False, separators=(",", ":")) for instruction in given]
        return line | {"response": text, "target": target, "filters": {"none": {"filtered": text} | metrics}}
    if key["task"] == "squadv2":
        # Of each document by itself, which has no threshold; 0 to 1.
        prediction, reference = first["exact"]
        alone = evaluate.load("squad_v2").compute([prediction], [reference])
        of_one = {metric: alone[metric] / 100 for metric in named if metric in alone and not metric.startswith("best_")}
        filters = {"none": {"filtered": prediction["prediction_text"]} | of_one}
        line |= {"response": prediction["prediction_text"], "no_answer": float(first["resps"][1][0][0])}
        return line | {"target": first["doc"]["answers"]["text"], "filters": filters}
    if len(first["arguments"][0]) == 1:
        # Of each document by itself.
        of_one = {metric: float(AGGREGATIONS[metric]([first[metric]])) for metric in first["metrics"]}
        return line | {"lls": [float(first["resps"][0][0])], "greedy": [False], "target": first["target"], "metrics": of_one}
    if isinstance(first["arguments"][0][1], dict):
        filtered = lambda r: {} if key["task"] in EXTRACT_BY_THEMSELVES else {"filtered": r["filtered_resps"][0]}  # noqa: E731
        filters = {r["filter"]: filtered(r) | metrics(r) for r in records}
        return line | {"response": first["resps"][0][0], "target": first["target"], "filters": filters}
    sums = [float(response[0][0]) for response in first["resps"]]
    greedy = [bool(response[0][1]) for response in first["resps"]]
    # Where contexts differ, what follows is their target; ours is the number of the right one.
    target = int(first["doc"]["answer"]) - 1 if key["task"] == "winogrande" else first["target"]
    return line | {"lls": sums, "greedy": greedy, "target": target, "metrics": metrics(first)}


def leaves(found, name):
    """The subtasks of a task or group."""
    below = found["group_subtasks"].get(name, [])
    return [leaf for child in below for leaf in leaves(found, child)] if below else [name]


def subject_of(task, name):
    """Our name of a subtask's subject."""
    subject = task.removeprefix(f"{name}_")
    return {"subject": subject.replace("_", " ") if name == "mmlu_pro" else subject} if task != name else {}


def record(name, shots, limit, data, manager):
    local_data.use(data)
    found = lm_eval.simple_evaluate(
        model=MadeUp(), tasks=[name], num_fewshot=shots, limit=limit, log_samples=True, task_manager=manager
    )
    prompts, scores, counts = [], [], {}
    for task, samples in sorted(found["samples"].items()):
        by_document = {}
        for sample in samples:
            by_document.setdefault(sample["doc_id"], []).append(sample)
        counts[task] = len(by_document)
        subject = subject_of(task, name)
        for document, records in by_document.items():
            key = {"task": name, **subject, "doc_id": document}
            prompts.append(prompt_line(key, records))
            scores.append(score_line(key, records))
    for task, values in found["results"].items():
        subject = subject_of(task, name) if task in counts else {}
        is_kept = lambda key: "," in key and key.split(",")[0].removesuffix("_stderr") not in LEFT_OUT  # noqa: E731
        metrics = {key: zero_to_one(name, key, value) for key, value in values.items() if is_kept(key) and isinstance(value, (int, float))}
        count = sum(counts[leaf] for leaf in leaves(found, task))
        line = {"type": "aggregate", "task": name, "name": task, **subject, "n": count, "metrics": metrics}
        if task == "squadv2":
            line["metrics"] = {key: value / 100 for key, value in metrics.items()}
            answered = sum(bool(sample["doc"]["answers"]["text"]) for sample in found["samples"][task])
            line["of"] = {"HasAns": answered, "NoAns": count - answered}
        scores.append(line)
    for path, lines in [(OUTPUT / f"{name}.jsonl", prompts), (OUTPUT / f"scoring/{name}.jsonl", scores)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    print(f"{name}: {len(prompts)} documents", flush=True)


def main():
    logging.disable(logging.WARNING)
    make_up_mmlu()
    make_up_bbh()
    make_up_cot()
    make_up_primer()
    squad_v2.use()
    # It draws at random.
    langdetect.DetectorFactory.seed = 0
    made_up.write_all(lambda place, columns: write(OWN / place, columns))
    only = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        task_files(Path(folder))
        manager = TaskManager(include_path=folder)
        for name, shots, limit, data in TASKS:
            if only and name not in only:
                continue
            record(name, shots, limit, data, manager)


if __name__ == "__main__":
    main()
