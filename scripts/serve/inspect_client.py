"""inspect_ai as a client of `gac serve`: a task of chats through its `openai-api` provider, whole and streamed, and the
same prompts through `gac generate`.

    pip install inspect_ai
    cargo build --release
    python scripts/serve/inspect_client.py

Every answer, the reason of its end, its usage and its score must be those of `gac generate`'s text. Exits with 1 when
anything differs.
"""

import argparse
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

import inspect_ai
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
from generated import STOPS, SYSTEMS, TOKENS, arguments, generated, prompts
from running import serving


def theirs(address, name, texts, stream, folder):
    """What inspect_ai's samples hold."""
    model = get_model(
        f"openai-api/gac/{name}",
        base_url=f"{address}/v1",
        api_key="none",
        stream=stream,
        memoize=False,
        config=GenerateConfig(temperature=0, max_tokens=TOKENS, stop_seqs=STOPS, max_retries=0, cache=False),
    )
    dataset = MemoryDataset([Sample(id=at + 1, input=text, target="3") for at, text in enumerate(texts)])
    task = Task(dataset=dataset, solver=generate(), scorer=includes())
    (log,) = eval(task, model=model, log_dir=str(Path(folder) / "logs"), display="none", max_connections=16)
    assert log.status == "success", log.error
    return log.samples


def compare(expected, samples):
    """How many samples differ."""
    different = 0
    for told, sample in zip(expected, samples, strict=True):
        (choice,) = sample.output.choices
        found = {
            "text": (told["text"], choice.message.text),
            "usage": (told["tokens"], sample.output.usage.output_tokens),
            "score": ("C" if "3" in told["text"] else "I", sample.scores["includes"].value),
        }
        wrong = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
        different += bool(wrong)
        if wrong:
            print(f"sample {sample.id}: {wrong}", file=sys.stderr)
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    args = parser.parse_args()
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        texts = prompts(args, folder)
        for name, system in SYSTEMS.items():
            template, expected = generated(args, folder, system, texts)
            with serving(args.gac, *system, "--chat-template", template) as (address, _):
                with urllib.request.urlopen(f"{address}/v1/models") as reply:
                    served = json.load(reply)["data"][0]["id"]
                for stream in (False, True):
                    samples = theirs(address, served, texts, stream, folder)
                    wrong = compare(expected, samples)
                    different += wrong
                    kind = "streamed" if stream else "whole"
                    version = inspect_ai.__version__
                    print(f"inspect_ai {version}, {name}, {kind}: {len(samples) - wrong} of {len(samples)} equal", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
