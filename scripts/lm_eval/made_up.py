"""Rows that we made up, in the hub's layout, for the tasks whose data are not in datasets/mini; and answers to them.

`goldens.py` writes the rows and records what lm-evaluation-harness makes of them.
"""

import random

NAMES = ["Ann", "Bela", "Chidi", "Dora", "Emeka", "Farah", "Goran", "Hana"]
THINGS = ["lamp", "river", "stone", "ladder", "kettle", "cloud", "violin", "basket"]
FIELDS = ["biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law", "math",
          "other", "philosophy", "physics", "psychology"]
# How responses say an answer; `{g}` is the right one, `{w}` a wrong one.
MATHS = ["So $x = {g}$.", "$ {g} $", "{g}", "\\boxed{{{g}}}", "It is \\boxed{{{w}}}.", "", "We get $1$, then ${g}$", "$\\boxed {g}$ ok",
         "x={g}", "{g}\\text{{ cm}}", "\\fbox{{{g}}}", "{w}", "\\boxed{{{w}}} no, \\boxed{{{g}}}", "{g}/1", "\\left({g}\\right)", "{g}\\%"]
REASONED = ["Let us see. The answer is ({g}).", "the answer is {g}", "answer is ({w})", "", "{g}", "The answer is {g}. Or the answer is {w}."]
PICKED = ["The answer is ({g}).", "({w}) no, ({g})", "It is ({g})", "", "The answer is {g}", "{text}", "So: {g}", "none"]


def openbookqa(count, draw):
    rows = []
    for number in range(count):
        things = draw.sample(THINGS, 4)
        key = "ABCD"[number % 4]
        rows.append({
            "id": f"{number}",
            "question_stem": f"{draw.choice(NAMES)} wants to see at night and takes a",
            "choices": {"text": things, "label": ["A", "B", "C", "D"]},
            "answerKey": f" {key}" if number % 5 == 0 else key,
        })
    return rows


def boolq(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        passage = f"{name} has a {thing}. It is {'old' if number % 2 else 'new'}.\nNobody else knows."
        rows.append({"question": f"is the {thing} old", "passage": passage, "idx": number, "label": number % 2})
    return rows


def hellaswag(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        marks = ["", " [header] How to", " [title] Begin"][number % 3]
        endings = [f" lifts  the {thing} [step] up.", f"paints {name}.", " [substeps] waits.", f"sells the {thing}  to [x] {name}. "]
        first = f"{name} walks to a {thing}.{marks}"
        second = ["she", "ÉMILE and SHE", "", "the Man"][number % 4]
        rows.append({
            "ind": number, "activity_label": f"Using a {thing}", "ctx_a": first, "ctx_b": second, "ctx": f"{first} {second}",
            "endings": endings, "source_id": f"made~{number}", "split": "val", "split_type": "indomain", "label": str(number % 4),
        })
    return rows


def winogrande(count, draw):
    rows = []
    for number in range(count):
        first, second = draw.sample(NAMES, 2)
        thing = draw.choice(THINGS)
        sentence = f"{first} gave {second} the {thing} because _ had{' _' if number % 7 == 0 else ''} no use for it. "
        rows.append({"sentence": sentence, "option1": first, "option2": second, "answer": str(number % 2 + 1)})
    return rows


def truthfulqa(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        one = [f"{name} does not know.", f"It is a {thing}", "It is magic"]
        several = [f"{name} does not know.", "Nobody knows", f"It is a {thing}", "It is magic"][: 3 + number % 2]
        rows.append({
            "question": f"What does the {thing} tell {name}?",
            "mc1_targets": {"choices": one, "labels": [1, 0, 0]},
            "mc2_targets": {"choices": several, "labels": [1, 1, 0, 0][: 3 + number % 2]},
        })
    return rows


def gpqa(count, draw):
    rows = []
    for number in range(count):
        value = draw.randrange(10, 90)
        wrong = [f" {value + 1} N", f"{value + 2} N [title] mean", f"{value}  N too"]
        rows.append({
            "Record ID": f"r{number}", "Question": f"A body of {value} kg is pulled with {value} N. Which force?",
            "Correct Answer": f"{value} N\n", "Incorrect Answer 1": wrong[0], "Incorrect Answer 2": wrong[1],
            "Incorrect Answer 3": None if number % 6 == 5 else wrong[2],
        })
    return rows


def lambada(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        rows.append({"text": f"{name} looked for the {thing}.  At last\nthere it was: the {thing}{'.' if number % 4 == 0 else ''}"})
    return rows


def mmlu_pro(count, draw):
    rows = []
    for number in range(count):
        first, second, options = draw.randrange(100), draw.randrange(100), 3 + number % 8
        right = draw.randrange(options)
        letter = "ABCDEFGHIJ"[right]
        reasoned = f"A: Let's think step by step. {first} and {second} are {first + second}. The answer is ({letter})."
        rows.append({
            "question_id": number, "question": f"How many are {first} and {second}?",
            "options": [f" {first + second + place - right}" for place in range(options)],
            "answer": letter, "answer_index": right, "cot_content": reasoned, "category": FIELDS[number % len(FIELDS)], "src": "made",
        })
    return rows


ANSWERS = ["7", "\\frac{1}{2}", "0.5", "\\sqrt{3}", "(1,2)", "12\\%", "x=3", "3/4", "\\dfrac12", "90^\\circ", "\\text{even}", ".25"]


def math500(count, draw):
    rows = []
    for number in range(count):
        answer = ANSWERS[number % len(ANSWERS)]
        boxed = f"\\boxed {answer}$" if number % 6 == 5 else f"\\boxed{{{answer}}}$"
        rows.append({
            "problem": f"Problem {number} of {draw.choice(NAMES)}: find $x$.", "solution": f"First $\\boxed{{0}}$ is wrong. So $x = {boxed}.",
            "answer": answer, "subject": "Algebra", "level": 1 + number % 5, "unique_id": f"test/{number}",
        })
    return rows


def aime24(count, draw):
    return [{"ID": f"{n}", "Problem": f"Count the {draw.choice(THINGS)}s, {n}.", "Solution": "", "Answer": draw.randrange(1000)} for n in range(count)]


def aime25(count, draw):
    return [{"problem": f"Count the {draw.choice(THINGS)}s, {n}.", "answer": str(draw.randrange(1000)), "id": str(n)} for n in range(count)]


# Folder, and its splits with their numbers of rows.
DATA = [
    (openbookqa, "allenai/openbookqa/main", {"train": 12, "test": 20}),
    (boolq, "aps/super_glue/boolq", {"train": 12, "validation": 20}),
    (hellaswag, "Rowan/hellaswag/data", {"train": 12, "validation": 20}),
    (winogrande, "allenai/winogrande/winogrande_xl", {"train": 12, "validation": 20}),
    (truthfulqa, "truthfulqa/truthful_qa/multiple_choice", {"validation": 20}),
    (gpqa, "Idavidrein/gpqa/gpqa_diamond", {"train": 24}),
    (lambada, "EleutherAI/lambada_openai/default", {"test": 20}),
    (mmlu_pro, "TIGER-Lab/MMLU-Pro/data", {"validation": 70, "test": 28}),
    (math500, "HuggingFaceH4/MATH-500/default", {"test": 36}),
    (aime24, "Maxwell-Jia/AIME_2024/default", {"train": 16}),
    (aime25, "math-ai/aime25/default", {"test": 16}),
]


def write_all(write):
    """Writes every split by `write(path, columns)`."""
    for make, folder, splits in DATA:
        draw = random.Random(make.__name__)
        for split, count in splits.items():
            rows = make(count, draw)
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            write(f"{folder}/{split}-00000-of-00001.parquet", columns)


def response(task, doc, number):
    """What the made-up model answers; none for a task of another script."""
    if task in ("hendrycks_math500", "aime24", "aime25"):
        right = str(doc.get("answer", doc.get("Answer")))
        return MATHS[number % len(MATHS)].format(g=right, w=f"{right}1")
    if task.startswith("mmlu_pro"):
        right = doc["answer"]
        number += sum(map(ord, task))
        return REASONED[number % len(REASONED)].format(g=right, w="ABCDEFGHIJ"[(ord(right) - 64) % 10])
    if task == "gpqa_diamond_cot_zeroshot":
        right = doc["answer"][1]
        text = doc["choices"]["ABCD".index(right)]
        return PICKED[number % len(PICKED)].format(g=right, w="ABCD"["ABCD".index(right) - 1], text=text)
    return None
