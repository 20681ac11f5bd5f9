"""The same documents through `gac eval` and through lm-evaluation-harness 0.4.13 as a client of `gac serve`, sample by
sample: `local-completions` for responses and log-likelihoods, `local-chat-completions` for chats.

    pip install 'lm_eval[api]==0.4.13'
    cargo build --release
    python scripts/serve/lm_eval_client.py --data-dir ../shared/datasets

Responses must be equal, log-likelihoods equal to 1e-4, and every metric of every sample equal, for a single model, for an
ensemble that votes at every step, and for one with a gate. Exits with 1 when anything differs.

lm-evaluation-harness sends a context and its continuation as one list of ids and does not say where the context ends. A
single model needs no such place. Members with other tokenizers do: they read the context in their own tokens. So its
class is told to say how many ids are the context, in `gac.context_tokens`; nothing else about it is changed.
`--plain` leaves it as it is.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lm_eval"))
import end_to_end
import lm_eval
import local_data
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI
from running import serving

MODELS = ["models/mini-llama", "models/mini-qwen"]
SYSTEMS = {
    "one model": ["--model", MODELS[0]],
    "every step": ["--model", MODELS[0], "--model", MODELS[1]],
    "gated": ["--model", MODELS[0], "--model", MODELS[1], "--gate", MODELS[0], "--threshold", "0.5"],
}
# Task, documents of it (of every subject, for mmlu: 57 of them).
TASKS = {"gsm8k": 200, "triviaqa": 100, "arc_challenge": 200, "mmlu": 4}
GENERATED = ("gsm8k", "triviaqa")


class TellsContexts(LocalCompletionsAPI):
    """The client, which also says where contexts end."""

    contexts = {}

    def batch_loglikelihood_requests(self, chunks):
        inputs, lengths, keys = super().batch_loglikelihood_requests(chunks)
        self.contexts.update(zip(map(tuple, inputs), lengths, strict=True))
        return inputs, lengths, keys

    def _create_payload(self, messages, generate=False, **kwargs):
        payload = super()._create_payload(messages, generate=generate, **kwargs)
        if not generate:
            (ids,) = messages
            payload["gac"] = {"context_tokens": self.contexts[tuple(ids)]}
        return payload


def client(kind, address, args):
    path = "/v1/chat/completions" if kind is LocalChatCompletion else "/v1/completions"
    return kind(
        base_url=address + path,
        model=None,
        # Ids are read as they are. The client's remote tokenizer never begins them with begin-of-text, as `gac eval` does.
        tokenizer_backend=None if kind is LocalChatCompletion else "huggingface",
        tokenizer=None if kind is LocalChatCompletion else MODELS[0],
        add_bos_token=True,
        num_concurrent=args.concurrent,
        max_length=8192,
        max_retries=1,
        timeout=600,
    )


def compare(args, name, task, kind, address):
    """How many samples differ."""
    args.lm = client(kind, address, args)
    args.chat = kind is LocalChatCompletion
    expected = end_to_end.theirs(args, task)
    chat = ["--chat-template", args.template] if args.chat else []
    samples = end_to_end.ours(args, task, [*SYSTEMS[name], *chat], batch_size=16)
    equal, widest, different = 0, 0.0, 0
    for sample in samples:
        key = sample["subject"], sample["doc_id"]
        found = list(end_to_end.differences(sample, expected.pop(key)))
        widest = max(widest, *(largest for _, largest in found))
        problems = [problem for problem, _ in found if problem]
        for problem in problems[: args.show]:
            print(f"{name}, {task} {key}: {problem}", file=sys.stderr)
        equal += not problems
        different += bool(problems)
    chats = " as chats" if args.chat else ""
    print(f"{name}, {task}{chats}: {equal} samples equal, log-likelihoods within {widest:.1e}; {len(expected)} missing", flush=True)
    return different + len(expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--num-fewshot", type=int, default=1)
    parser.add_argument("--limit", type=int, help="fewer documents")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--concurrent", type=int, default=16)
    parser.add_argument("--plain", action="store_true", help="without `gac.context_tokens`")
    parser.add_argument("--show", type=int, default=3, help="differences to show of each sample")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["HF_HUB_OFFLINE"] = "1"
    end_to_end.TASKS, end_to_end.TOLERANCE = TASKS, 1e-4
    local_data.use(args.data_dir)
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.jinja"
        template.write_text(end_to_end.TEMPLATE)
        args.template = template
        for name in args.systems:
            with serving(args.gac, *SYSTEMS[name], "--chat-template", template) as (address, _):
                for task in args.tasks:
                    different += compare(args, name, task, LocalCompletionsAPI if args.plain else TellsContexts, address)
                    if task in GENERATED:
                        different += compare(args, name, task, LocalChatCompletion, address)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
