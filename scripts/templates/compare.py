"""Renders templates by transformers and by gac, and prints where they differ.

    cargo build --release --workspace --example render
    python scripts/templates/compare.py [--record FILE] [--real FOLDER_OR_GGUF ...]

Expressions (expressions.py) and whole templates (families/*.jinja, of our own, each after what a family of real ones uses)
are rendered by transformers 5 and by target/release/examples/render. `--record` writes what transformers rendered, for
the Rust test: crates/inference/tests/templates/expressions.jsonl. `--real` adds the templates of checkpoints. Exits with 1 where anything differs.
"""
import argparse
import copy
import datetime
import json
import os
import pathlib
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TZ"] = "UTC"
import jinja2
from transformers.utils import chat_template_utils as real

import expressions

ROOT = pathlib.Path(__file__).resolve().parents[2]
RENDER = ROOT / "target/release/examples/render"
# 2024-02-05 09:04:07 UTC, a Monday: every number of it has one digit.
TIME = 1707123847
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(TIME)


real.datetime = Clock


def reference(case):
    """What transformers' apply_chat_template renders, without a tokenizer around it."""
    messages = real._normalize_chat_messages(copy.deepcopy(case["messages"]))
    prompt = messages[-1]["role"] != "assistant"
    variables = {**case["special"], **case["arguments"]}
    try:
        rendered, _ = real.render_jinja_template(
            [messages], tools=case.get("tools"), documents=case.get("documents"), chat_template=case["template"],
            add_generation_prompt=variables.pop("add_generation_prompt", prompt), **variables)
        return {"text": rendered[0]}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def ours(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([RENDER], input=lines, capture_output=True, text=True, check=True)
    # Not `splitlines`: strings may hold what Python takes for a line's end.
    return [json.loads(line) for line in done.stdout.strip("\n").split("\n")]


def case(name, template, messages=None, tools=None, **arguments):
    return {"name": name, "template": template, "messages": messages or expressions.MESSAGES,
            "tools": expressions.TOOLS if tools is None else tools or None, "special": SPECIAL, "arguments": arguments, "time": TIME}


def chats():
    """Variations of chats that templates are tried with."""
    system = {"role": "system", "content": " You are terse. "}
    user = {"role": "user", "content": "What is\n2 + 2? "}
    answer = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nFour."}
    call = {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "way", "arguments": {"to": "Oslo", "by": None}}}]}
    null = {**call, "content": None}
    text_call = {"role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.", "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "way", "arguments": "{\"to\": \"Oslo\"}"}}]}
    result = {"role": "tool", "name": "way", "tool_call_id": "call00001", "content": "7 km"}
    parts = {"role": "user", "content": [{"type": "text", "text": "One "}, {"type": "text", "text": "two"}]}
    tools = expressions.TOOLS
    return {
        "user": ([user], None, {}),
        "system": ([system, user], None, {}),
        "turns": ([system, user, answer, user], None, {}),
        "no system turns": ([user, answer, user], None, {}),
        "assistant last": ([user, answer], None, {}),
        "thinking off": ([user, answer, user], None, {"enable_thinking": False, "thinking": False}),
        "thinking on": ([user, answer, user], None, {"enable_thinking": True, "thinking": True}),
        "tools": ([system, user], tools, {}),
        "tools without system": ([user], tools, {}),
        "tool call": ([system, user, call, result], tools, {}),
        "tool call of nothing": ([user, null, result, answer, user], tools, {}),
        "tool call with text": ([user, text_call, result], tools, {}),
        "two results": ([user, call, result, result, answer, user], tools, {}),
        "parts": ([system, parts], None, {}),
        "empty": ([{"role": "system", "content": ""}, {"role": "user", "content": ""}], None, {}),
        "two users": ([user, user], None, {}),
        "odd role": ([{"role": "observer", "content": "x"}, user], None, {}),
        "date": ([user], None, {"date_string": "01 Jan 2024"}),
    }


def real_templates(paths):
    from transformers import AutoTokenizer
    for path in paths:
        path = pathlib.Path(path)
        where = {"pretrained_model_name_or_path": str(path)}
        if path.suffix == ".gguf":
            where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        tokenizer = AutoTokenizer.from_pretrained(**where)
        yield path, tokenizer.chat_template, tokenizer.special_tokens_map


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--real", nargs="*", default=[], metavar="FOLDER_OR_GGUF")
    args = parser.parse_args()

    cases = [case(text, text) for text in expressions.expressions()]
    one_line = len(cases)
    for path in sorted(pathlib.Path(__file__).with_name("families").glob("*.jinja")):
        text = path.read_bytes().decode()
        for name, (messages, tools, arguments) in chats().items():
            cases.append(case(f"{path.stem}: {name}", text, messages, tools or (), **arguments))
    families = len(cases)
    for path, text, special in real_templates(args.real):
        for name, (messages, tools, arguments) in chats().items():
            one = case(f"{path.name}: {name}", text, messages, tools or (), **arguments)
            cases.append({**one, "special": special, "model": str(path)})

    expected = [reference(one) for one in cases]
    # A checkpoint's template and special tokens are found by gac itself.
    asked = [{key: one[key] for key in one if not ("model" in one and key in ("template", "special"))} for one in cases]
    differ = known = 0
    for one, want, got in zip(cases, expected, ours(asked)):
        if want == got if "text" in want else "error" in got:
            continue
        if why := expressions.known(one["name"]):
            known += 1
            print(f"known: {one['name']!r}: {why}")
            continue
        differ += 1
        print(f"{one['name']!r}\n  transformers {want}\n  gac          {got}")
    counts = f"{one_line} expressions, {families - one_line} chats by our templates, {len(cases) - families} by checkpoints'"
    refused = sum("error" in want for want in expected)
    print(f"{differ} of {counts} differ, and {known} as documented; transformers refuses {refused}", file=sys.stderr)
    if args.record:
        recorded = [{"template": one["template"], **want} for one, want in zip(cases[:one_line], expected)
                    if not expressions.known(one["name"])]
        for one in recorded:
            if "error" in one:
                one["error"] = True
        head = {"jinja2": jinja2.__version__, "messages": expressions.MESSAGES, "tools": expressions.TOOLS,
                "special": SPECIAL, "time": TIME}
        lines = [json.dumps(one) for one in [head, *recorded]]
        args.record.write_text("".join(line + "\n" for line in lines))
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
