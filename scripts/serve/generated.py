"""What other clients' answers are held against: a task's prompts, and what `gac generate` says to them as chats."""

import json
import subprocess
from pathlib import Path

MODELS = ["models/mini-llama", "models/mini-qwen"]
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
SYSTEMS = {
    "one model": ["--model", MODELS[0]],
    "every step": ["--model", MODELS[0], "--model", MODELS[1]],
    "gated": ["--model", MODELS[0], "--model", MODELS[1], "--gate", MODELS[0], "--threshold", "0.5"],
}
STOPS = ["\n\n", "Question:"]
TOKENS = 48


def arguments(parser):
    """The flags that say which prompts."""
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--data-dir", default="datasets/mini")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--limit", type=int, default=100)


def prompts(args, folder):
    """A task's prompts with one shot each, as texts."""
    rendered = Path(folder) / "rendered.jsonl"
    command = [args.gac, "tasks", "render", args.task, "--num-fewshot", "1", "--limit", str(args.limit)]
    subprocess.run([*command, "--data-dir", args.data_dir, "--output", rendered, "--quiet"], check=True)
    return [json.loads(line)["requests"][0]["context"] for line in rendered.read_text().splitlines()]


def generated(args, folder, system, texts):
    """What a system says to each text, the one message of a chat: objects with `text` and `tokens`."""
    asked, said, template = (Path(folder) / name for name in ("asked.jsonl", "said.jsonl", "template.jinja"))
    template.write_text(TEMPLATE)
    asked.write_text("".join(json.dumps({"messages": [{"role": "user", "content": text}]}) + "\n" for text in texts))
    said.unlink(missing_ok=True)
    command = [args.gac, "generate", *system, "--chat-template", template, "--prompts", asked, "--output", said, "--quiet"]
    command += ["--max-new-tokens", str(TOKENS), *(part for stop in STOPS for part in ("--until", stop))]
    subprocess.run(command, check=True)
    return template, [json.loads(line) for line in said.read_text().splitlines()]
