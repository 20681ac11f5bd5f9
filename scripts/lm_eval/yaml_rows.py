"""Rows for lm-evaluation-harness's YAML tasks: which columns they must have, and what these must hold.

Columns that a task's templates name, and what they must hold, are read off the templates' syntax trees. What functions of
Python read is read off their sources: names in brackets behind a parameter's name, and the lists and tables that values are
looked up in. `HINTS` says what neither tells.
"""

import ast
import fnmatch
import functools
import inspect
import random

from jinja2 import nodes
from lm_eval.utils import env

NASTY = ["It's 5 o'clock\n", ' spaced "quotes" ', "naïve café № 7", "a {b} [c]\\d", "二 三", "x", "line\n\nbreak", "100 %"]
PLAIN = ["apple", "boat", "cedar", "dune", "ember", "fjord", "grain", "harbour"]
TEXT_METHODS = {"strip", "lstrip", "rstrip", "split", "replace", "lower", "upper", "capitalize", "title", "startswith", "endswith"}


class Shape:
    """What is known of a value: its parts by key, its item, the constants it is held against."""

    def __init__(self):
        self.keys, self.item, self.among, self.kind = {}, None, [], None

    def key(self, name):
        return self.keys.setdefault(name, Shape())

    def items(self):
        self.item = self.item or Shape()
        return self.item


class Reader:
    """Goes through a template's tree and writes down what its names must be."""

    def __init__(self, root):
        self.scopes = [root.keys]
        self.root = root

    def shape(self, node):
        """The shape that a node stands for; none for what is no part of the document."""
        match node:
            case nodes.Name(name=name):
                for scope in reversed(self.scopes):
                    if name in scope:
                        return scope[name]
                return self.root.key(name)
            case nodes.Getattr(node=inner, attr=attr):
                found = self.shape(inner)
                return found.key(attr) if found is not None else None
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str(name))):
                found = self.shape(inner)
                return found.key(name) if found is not None else None
            case nodes.Getitem(node=inner):
                found = self.shape(inner)
                return found.items() if found is not None else None
            case nodes.Filter(node=inner, name="list" | "trim" | "string"):
                return self.shape(inner) if inner is not None else None
        return None

    def visit(self, node):
        match node:
            case nodes.Assign(target=nodes.Name(name=name), node=value):
                self.visit(value)
                found = self.shape(value) if isinstance(value, (nodes.Name, nodes.Getattr, nodes.Getitem)) else None
                self.scopes[-1] = {**self.scopes[-1]} if len(self.scopes) > 1 else self.scopes[-1]
                self.scopes.append({name: found or Shape()})
                return
            case nodes.For(target=target, iter=over, body=body):
                self.visit(over)
                found = self.shape(over)
                item = found.items() if found is not None else Shape()
                if isinstance(target, nodes.Name):
                    self.scopes.append({target.name: item, "loop": Shape()})
                else:
                    self.scopes.append({**{name.name: Shape() for name in target.items}, "loop": Shape()})
                for child in body + node.else_:
                    self.visit(child)
                self.scopes.pop()
                return
            case nodes.Call(node=nodes.Getattr(node=inner, attr=attr), args=args):
                found = self.shape(inner)
                if attr == "index" and args:
                    wanted = self.shape(args[0])
                    if isinstance(inner, nodes.List) and wanted is not None:
                        wanted.among += [item.value for item in inner.items if isinstance(item, nodes.Const)]
                    elif found is not None and wanted is not None:
                        found.items()
                        wanted.kind = ("item of", found)
                    for arg in args:
                        self.visit(arg)
                    return
                if attr in TEXT_METHODS and found is not None:
                    found.kind = found.kind or "text"
                elif attr == "items" and found is not None:
                    found.kind = "mapping"
                self.visit(inner)
                for arg in args:
                    self.visit(arg)
                return
            case nodes.Getitem(node=inner, arg=arg) if not isinstance(arg, (nodes.Const, nodes.Slice)):
                place = self.shape(arg)
                if place is not None:
                    if isinstance(inner, nodes.Dict):
                        place.among += [pair.key.value for pair in inner.items if isinstance(pair.key, nodes.Const)]
                    elif isinstance(inner, nodes.List):
                        place.among += list(range(len(inner.items)))
                    else:
                        place.kind = place.kind or "number"
            case nodes.Getitem():
                self.shape(node)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op="eq" | "ne", expr=nodes.Const(value=value))]):
                found = self.shape(left)
                if found is not None:
                    found.among.append(value)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op="in", expr=nodes.List(items=items))]):
                found = self.shape(left)
                if found is not None:
                    found.among += [item.value for item in items if isinstance(item, nodes.Const)]
            case nodes.Filter(node=inner, name="int" | "float" | "round"):
                found = self.shape(inner)
                if found is not None:
                    found.kind = "number"
            case nodes.Filter(node=inner, name="join" | "length" | "first" | "last"):
                found = self.shape(inner)
                if found is not None:
                    found.items()
            case nodes.Sub(left=left, right=nodes.Const(value=int())):
                found = self.shape(left)
                if found is not None:
                    found.kind = "number from 1"
            case nodes.Add(left=left, right=nodes.Const(value=int())):
                found = self.shape(left)
                if found is not None:
                    found.kind = "number"
            case nodes.Name() | nodes.Getattr():
                self.shape(node)
        for child in node.iter_child_nodes():
            self.visit(child)


def made(shape, texts, draw, number):
    """A value of a shape."""
    if shape.among:
        return draw.choice(shape.among)
    if shape.keys and not shape.item:
        parts = {name: made(part, texts, draw, number) for name, part in shape.keys.items() if not isinstance(part.kind, tuple)}
        for name, part in shape.keys.items():
            if isinstance(part.kind, tuple):
                parts[name] = draw.choice(texts)
        return parts
    if shape.item:
        return [made(shape.item, texts[at:] + texts[:at], draw, number) for at in range(5)]
    if shape.kind in ("number", "number from 1"):
        return draw.randrange(number) + (shape.kind == "number from 1")
    return draw.choice(texts)


def row_of(root, texts, draw, number):
    row = {name: made(part, texts, draw, number) for name, part in root.keys.items() if not isinstance(part.kind, tuple)}
    def value_of(wanted, shape=root, value=row):
        for name, part in shape.keys.items():
            if isinstance(value, dict) and name in value:
                if part is wanted:
                    return value[name]
                found = value_of(wanted, part, value[name])
                if found is not None:
                    return found
        return None

    for name, part in root.keys.items():
        if isinstance(part.kind, tuple):
            items = value_of(part.kind[1])
            row[name] = draw.choice(items) if items else draw.choice(texts)
    return row


def columns(config, target_is_number):
    root = Shape()
    for function in functions_of(config):
        FunctionReader(root).read(function)
    for setting in ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix"):
        source = config.get(setting)
        if not isinstance(source, str):
            continue
        reader = Reader(root)
        if source.isidentifier() and setting not in ("description", "gen_prefix"):
            shape = root.key(source)
            if setting == "doc_to_choice":
                shape.items()
            elif setting == "doc_to_target" and target_is_number:
                shape.kind = "number"
            continue
        tree = env.parse(source)
        match tree.body:
            case [nodes.Output(nodes=[nodes.Name() | nodes.Getattr() | nodes.Getitem() as whole])] if setting == "doc_to_choice":
                reader.shape(whole).items()
        reader.visit(tree)
    for steps in config.get("filter_list") or []:
        if any(step.get("function") == "multi_choice_regex" for step in steps.get("filter") or []):
            root.key("choices").items()
    return root



def functions_of(value):
    """The functions of a task, wherever they stand in its file."""
    if callable(value):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [function for part in value for function in functions_of(part)]


class FunctionReader(ast.NodeVisitor):
    """Goes through a function, and what it calls in its file, and writes down what its documents must be."""

    def __init__(self, root):
        self.root, self.parameters, self.tables, self.defined, self.seen = root, set(), {}, {}, set()

    def read(self, function):
        self.known = {}
        if isinstance(function, functools.partial):
            self.known, function = function.keywords, function.func
        if inspect.isfunction(function):
            self.known = self.known | inspect.getclosurevars(function).nonlocals
        module = inspect.getmodule(function)
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError):
            return
        self.defined = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        self.tables = {name: value for name, value in vars(module).items() if isinstance(value, (list, dict, str))}
        self.enter(getattr(function, "__qualname__", "").split(".")[0])

    def enter(self, name):
        if name in self.defined and name not in self.seen:
            self.seen.add(name)
            self.visit(self.defined[name])

    def visit_FunctionDef(self, node):
        self.parameters |= {argument.arg for argument in node.args.args}
        self.generic_visit(node)

    def visit_Lambda(self, node):
        self.parameters |= {argument.arg for argument in node.args.args}
        self.generic_visit(node)

    def visit_Assign(self, node):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    self.tables[name] = ast.literal_eval(value)
                except ValueError:
                    pass
        self.generic_visit(node)

    def shape(self, node):
        match node:
            case ast.Name(id=name) if name in self.parameters:
                return self.root
            case ast.Subscript(value=inner, slice=ast.Constant(value=str(name))):
                found = self.shape(inner)
                return found.key(name) if found is not None else None
            case ast.Subscript(value=inner):
                found = self.shape(inner)
                return found.items() if found is not None and found is not self.root else None
            case ast.Call(func=ast.Attribute(value=inner, attr="get"), args=[ast.Constant(value=str(name)), *_]):
                found = self.shape(inner)
                return found.key(name) if found is not None else None
            case ast.Call(func=ast.Attribute(value=inner, attr="strip" | "lstrip" | "upper" | "lower")):
                found = self.shape(inner)
                return found if found is not self.root else None
        return None

    def table(self, node):
        match node:
            case ast.Name(id=name):
                return self.tables.get(name)
            case ast.List() | ast.Dict() | ast.Constant():
                try:
                    return ast.literal_eval(node)
                except ValueError:
                    return None
        return None

    def visit_Subscript(self, node):
        place = self.shape(node.slice)
        found = self.table(node.value)
        if place is not None and place is not self.root and found:
            place.among += list(found) if isinstance(found, dict) else list(range(len(found)))
        self.shape(node)
        self.generic_visit(node)

    def visit_Call(self, node):
        match node:
            case ast.Call(func=ast.Attribute(value=table, attr="index"), args=[wanted]):
                place, found = self.shape(wanted), self.table(table)
                if place is not None and place is not self.root and found:
                    place.among += list(found[:4])
            case ast.Call(func=ast.Name(id="len" | "enumerate" | "list"), args=[inner]):
                found = self.shape(inner)
                if found is not None and found is not self.root and not found.keys:
                    found.items()
            case ast.Call(func=ast.Name(id="int"), args=[inner]):
                found = self.shape(inner)
                if found is not None and found is not self.root:
                    found.kind = "number"
            case ast.Call(func=ast.Name(id=name)):
                self.enter(name)
        self.generic_visit(node)

    def visit_Name(self, node):
        self.enter(node.id)

    def visit_For(self, node):
        found = self.shape(node.iter)
        if found is not None and found is not self.root and not found.keys:
            found.items()
        self.generic_visit(node)

    def visit_comprehension(self, node):
        found = self.shape(node.iter)
        if found is not None and found is not self.root and not found.keys:
            found.items()
        self.generic_visit(node)

    def visit_Compare(self, node):
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=value)]):
                found = self.shape(left)
                if found is not None and found is not self.root and isinstance(value, str):
                    found.among += [value, "other"]
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Name() | ast.JoinedStr() as wanted]):
                found = self.shape(left)
                if found is not None and found is not self.root:
                    try:
                        value = eval(compile(ast.Expression(wanted), "wanted", "eval"), dict(self.known))  # noqa: S307
                    except NameError:
                        pass
                    else:
                        found.among += [value, value, value, "other"]
        self.generic_visit(node)



LETTERS = ["A", "B", "C", "D"]


def of_name(config, prefix):
    """What a function's name says behind a prefix."""
    return config["process_docs"].__name__.removeprefix(prefix)


def subject_with_file(config, draw, texts):
    subject = config["process_docs"].keywords["subject"]
    return {"Subject": draw.choice([subject, subject, f"{subject}_test.csv_sw-KE.csv", f"{subject}_test-x", "other"])}


def prox(config, draw, texts):
    options = {f"option_{at}": draw.choice(texts) if at < 4 or draw.random() < 0.6 else None for at in range(10)}
    starts = functions_of(config["fewshot_config"])[0].func.__globals__["lang_dict"]
    return options | {"cot_content": f"{draw.choice([starts[4], starts[2], 'So'])} {draw.choice(texts)}", "answer": draw.choice("ABCDEFGHIJ")}


def translation(config, draw, texts):
    return {"translation": {language: draw.choice(texts) for language in config["dataset_name"].split("-")}}


def reasoned(config, draw, texts):
    start = draw.choice(["A: Let's think step by step. ", "A: Let's think step by step.", ""])
    return {
        "cot_content": f"{start}{draw.choice(texts)} The answer is ({draw.choice(LETTERS)}).",
        "options": [draw.choice(texts) for _ in range(draw.randrange(3, 11))],
        "answer": draw.choice(LETTERS),
    }


def choices_in_a_text(config, draw, texts):
    return {"choices": repr(draw.sample(texts, 4))}


def some_options(config, draw, texts):
    """Two to five, of which the last ones are left out."""
    count = draw.randrange(2, 6)
    return {f"Option {at + 1}": draw.choice(texts) if at < count else None for at in range(5)} | {
        "Answer Key": LETTERS[draw.randrange(2)], "Level": draw.choice([None, "Primary", "Univ"]),
        "Country": draw.choice([None, "Jordan"]), "Context": draw.choice([None, draw.choice(texts)]),
        "Subject": draw.choice(texts), "Question": draw.choice(texts),
    }


def options_by_letter(config, draw, texts):
    count = draw.randrange(2, 6)
    return {
        "options": {letter: draw.choice(texts) if at < count else None for at, letter in enumerate("ABCDE")},
        "Level": draw.choice([None, "Primary", "Univ"]), "Country": draw.choice([None, "Jordan"]), "context": draw.choice(["", draw.choice(texts)]),
        "Answer Key": LETTERS[draw.randrange(2)],
    }


def wikihow(config, draw, texts):
    def text():
        return draw.choice(texts) + draw.choice(["", " [title] More", " [step]  [header] x"])

    return {"ctx_a": text(), "ctx_b": text(), "activity_label": text(), "endings": [text() for _ in range(4)], "label": draw.choice("0123")}


def dialects(config, draw, texts):
    return {"context": draw.choice(["", draw.choice(texts)])}


def sure(config, draw, texts):
    return {"toxicity_ai": draw.choice([1.0, 3.0, 5.0]), "toxicity_human": draw.choice([1.0, 2.5, 3.0])}


def blank(config, draw, texts):
    return {"sentence": f"{draw.choice(texts)} _ {draw.choice(texts)}", "answer": draw.choice("12")}


def labelled(config, draw, texts):
    count = draw.randrange(2, 5)
    labels = [1] + [draw.randrange(2) for _ in range(count - 1)]
    return {
        "mc1_targets_choices": draw.sample(texts, 4), "mc2_targets_choices": draw.sample(texts, count), "mc2_targets_labels": labels,
        "question": draw.choice(texts) + " [title] [x]",
    }


def right_ones(config, draw, texts):
    return {"choices": draw.sample(texts, 4), "gold": sorted(draw.sample(range(4), draw.randrange(1, 3)))}


def stems(config, draw, texts):
    choices = [{"text": draw.choice(texts), "label": label} for label in LETTERS]
    return {"question": {"stem": draw.choice(texts), "choices": choices}, "answerKey": draw.choice(LETTERS)}


def five_or_six(config, draw, texts):
    return {letter: draw.choice(texts) for letter in LETTERS} | {"E": draw.choice([None, draw.choice(texts)]), "F": None, "answer": draw.choice(LETTERS)}


def bigbench(config, draw, texts):
    targets = draw.sample(texts, 4) if draw.random() < 0.7 else []
    return {"inputs": draw.choice(texts), "multiple_choice_targets": targets, "targets": [draw.choice(targets or texts)]}


def exams(config, draw, texts):
    return {"candidates": draw.sample(texts, 4) if draw.random() < 0.8 else [""] * 4, "answer": draw.choice([0, 1, 2, 3, 4])}


def passage(config, draw, texts):
    answers = draw.sample(texts, draw.randrange(1, 3))
    language = draw.choice([*TYDIQA.values(), *[TYDIQA.get(config["task"].split("_")[1], "other")] * 9])
    return {
        "answers": {"text": answers, "answer_start": [0] * len(answers)}, "id": f"{language}-{draw.random()}",
        "title": draw.choice(texts), "context": draw.choice(texts), "question": draw.choice(texts),
    }


TYDIQA = dict(zip("ar bn en fi id ko ru sw te".split(), "arabic bengali english finnish indonesian korean russian swahili telugu".split()))


def misleading(config, draw, texts):
    correct, wrong = [draw.sample(texts, draw.randrange(1, 4)) for _ in range(2)]
    return {
        "question": draw.choice(texts), "best_answer": correct[0], "lang": config.get("dataset_name", "en"),
        "correct_answers": [*correct, *draw.choice([[], [""], ["I have no comment."]])], "incorrect_answers": [f"{text}." for text in wrong],
    }


def true_first(config, draw, texts):
    labels = [1, 0, *[draw.randrange(2) for _ in range(draw.randrange(3))]]
    labels = labels if config["task"] == "truthfulqa_mc2" else sorted(labels, reverse=True)
    return {
        "question": draw.choice(texts), "mc1_targets": {"choices": draw.sample(texts, 3), "labels": [1, 0, 0]},
        "mc2_targets": {"choices": draw.sample(texts, len(labels)), "labels": labels},
    }


def boxed(config, draw, texts):
    answer = draw.choice(["7", "\\frac{1}{2}", "x+1", "[2,3)"])
    return {"problem": draw.choice(texts), "solution": f"So ${draw.choice(['', 'y='])}\\boxed{{{answer}}}$.", "answer": answer}


def letters_or_numbers(config, draw, texts):
    labels = draw.choice([LETTERS, ["1", "2", "3", "4"], LETTERS[:3]])
    return {"question": draw.choice(texts), "choices": {"text": draw.sample(texts, len(labels)), "label": labels}, "answerKey": draw.choice(labels)}


def four(config, draw, texts):
    return {"choices": draw.sample(texts, 4), "answer": draw.randrange(4), "question": draw.choice(texts)}


def in_arabic(config, draw, texts):
    task = config["task"]
    if "acva" in task:
        return {"answer": draw.choice(["صح", "خطأ"])}
    if "copa" in task:
        return {"question": draw.choice(["cause", "effect"]), "label": draw.randrange(2), **{name: draw.choice(texts) for name in ("premise", "choice1", "choice2")}}
    if "boolq" in task:
        return {"answer": draw.random() < 0.5, "question": draw.choice(texts), "passage": draw.choice(texts)}
    return {"answer": draw.choice(LETTERS), "subject": draw.choice(["law_and_order", "x"]), **{letter: draw.choice(texts) for letter in LETTERS}}


def either(config, draw, texts):
    return {"question": draw.choice(["cause", "effect"]), "label": draw.randrange(2), **{name: draw.choice(texts) for name in ("premise", "choice1", "choice2")}}


# Columns of a row for tasks whose names fit a pattern; with `only`, a row has no others.
HINTS = [
    # Their templates drop the first 21 characters of an answer.
    ("afrimgsm_*", lambda config, draw, texts: {"answer": f"{'So the answer is':21}{draw.choice(texts)}", "answer_number": draw.randrange(100)}),
    ("mmmlu_*", subject_with_file),
    ("mmlu_prox_*", prox),
    ("mafand_*", translation),
    ("mmlu_pro_*", reasoned),
    ("afrimmlu_*", choices_in_a_text),
    ("mlqa_*", passage),
    ("tydiqa_*", passage),
    ("xquad_*", passage),
    ("truthfulqa_gen", misleading),
    ("truthfulqa-multi_gen_*", misleading),
    ("truthfulqa_mc[12]", true_first),
    ("truthfulqa-multi_mc*", true_first),
    ("hendrycks_math*", boxed),
    ("minerva_math*", boxed),
    ("arc_challenge_llama", letters_or_numbers),
    ("greekmmlu_*", four),
    ("leaderboard_musr_*", lambda config, draw, texts: {"choices": repr(texts[:4]), "answer_choice": texts[draw.randrange(4)]}),
    ("arabic_mt_toxigen*", sure),
    ("arabic_mt_hellaswag*", lambda config, draw, texts: {"ctx": draw.choice(texts), "endings": repr(draw.sample(texts, 4)), "label": draw.randrange(4)}),
    ("arabic_leaderboard_acva*", in_arabic),
    ("arabic_leaderboard_arabic_mmlu*", in_arabic),
    ("arabic_exams*", in_arabic),
    ("arabic_mt_[bc]o*", in_arabic),
    ("arabicmmlu_*", some_options),
    ("AraDiCE_ArabicMMLU_*", options_by_letter),
    ("AraDiCE_[Ww]inogrande*", blank),
    ("AraDiCE_openbookqa*", stems),
    ("*winogrande*", blank),
    ("hellaswag_*", wikihow),
    ("french_bench_hellaswag", wikihow),
    ("hellaswag", wikihow),
    ("darijammlu_*", dialects),
    ("egymmlu_*", dialects),
    ("arabic_mt_toxigen*", sure),
    ("truthfulqa_*_mc[12]", labelled),
    ("agieval_*", right_ones),
    ("tmlu_*", five_or_six),
    ("bigbench_*_multiple_choice", bigbench),
    ("eus_exams_*", exams),
    ("uncheatable_eval_*", lambda config, draw, texts: {"category": draw.choice([of_name(config, "filter_"), of_name(config, "filter_"), "other"])}),
    ("indicparam_*", lambda config, draw, texts: {"correct_answer": draw.choice("abcd"), **{f"option_{letter}": draw.choice(texts) for letter in "abcd"}}),
    ("arithmetic_*", lambda config, draw, texts: {"context": f" Q: {draw.choice(texts)}\n\nA:"}),
    ("xcopa_*", either),
    ("arabic_leaderboard_alghafa*", lambda config, draw, texts: {"query": draw.choice(texts), "label": draw.choice("012")}),
]
ONLY = ["query", "sol1", "sol2", "sol3", "label"]


def hinted(name, config, row, draw, texts):
    """A row with what hints say in it."""
    for pattern, hint in HINTS:
        if fnmatch.fnmatch(name, pattern):
            row = row | hint(config, draw, texts)
            break
    if "alghafa" in name:
        row = {column: row.get(column, draw.choice(texts)) for column in ONLY}
    return row
