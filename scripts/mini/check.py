"""Scores the miniature models with transformers on the miniature data sets, and estimates what averaging them gives.

    python check.py --models ../../models --data ../../datasets/mini --shots 0

Choices are scored by log-likelihood, open answers are generated greedily. The estimate of the average works on whole
answers (the probability of each choice or of each model's own response, averaged), not token by token.
"""

from __future__ import annotations

import argparse
import random
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from formats import FORMATS, LETTERS, Question, answer_of, prompt

STOPS = {"mmlu_flan": ["\n"], "gsm8k": ["Question:"], "triviaqa": ["\n", ".", ","], "nq_open": ["\n", ".", ","]}
NEW_TOKENS = {"mmlu_flan": 8, "gsm8k": 80, "triviaqa": 20, "nq_open": 20}
BATCH = 60


@dataclass(frozen=True)
class Item:
    """A prompt with either choices (`target` is an index) or accepted answers."""

    prompt: str
    choices: list[str]
    accepted: list[str]
    target: int = 0


def _rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def _parts(task: str, data: Path) -> tuple[str, list[dict], list[dict]]:
    """The format of `task`, its test rows and its rows for shots."""
    whole = "{}-00000-of-00001.parquet"
    folder, shots, test, form = {
        "mmlu": ("cais/mmlu/all", "dev", "test", "mmlu"), "mmlu_flan": ("cais/mmlu/all", "dev", "test", "mmlu_flan"),
        "gsm8k": ("openai/gsm8k/main", "train", "test", "gsm8k"),
        "arc_easy": ("allenai/ai2_arc/ARC-Easy", "train", "test", "arc"),
        "arc_challenge": ("allenai/ai2_arc/ARC-Challenge", "train", "test", "arc"),
        "piqa": ("ybisk/piqa/plain_text", "train", "validation", "piqa"),
        "triviaqa": ("mandarjoshi/trivia_qa/rc.nocontext", "train", "validation", "triviaqa"),
        "nq_open": ("google-research-datasets/nq_open/nq_open", "train", "validation", "nq_open"),
    }[task]
    name = "{}/0000.parquet" if task == "piqa" else whole
    return form, _rows(data / folder / name.format(test)), _rows(data / folder / name.format(shots))


def _question(task: str, row: dict) -> tuple[Question, list[str], list[str], int]:
    """A row as question, choices, accepted answers and index of the right choice."""
    if task.startswith("mmlu"):
        choices = row["choices"]
        question = Question(row["question"], choices[row["answer"]], choices, row["subject"])
        return question, [f" {c}" for c in LETTERS], [f"({question.letter})"], row["answer"]
    if task.startswith("arc"):
        texts, target = row["choices"]["text"], LETTERS.index(row["answerKey"])
        return Question(row["question"], texts[target]), [f" {t}" for t in texts], [], target
    if task == "piqa":
        texts = [row["sol1"], row["sol2"]]
        return Question(row["goal"], texts[row["label"]]), [f" {t}" for t in texts], [], row["label"]
    if task == "gsm8k":
        return Question(row["question"], row["answer"]), [], [row["answer"].split("#### ")[1]], 0
    if task == "triviaqa":
        return Question(row["question"], row["answer"]["value"]), [], row["answer"]["aliases"], 0
    return Question(row["question"], row["answer"][0]), [], row["answer"], 0


def items(task: str, data: Path, shots: int, limit: int | None) -> list[Item]:
    """The prompts of `task` with `shots` seeded shots."""
    form, test, pool = _parts(task, data)
    rng = random.Random(1234)
    found = []
    for row in test[:limit]:
        question, choices, accepted, target = _question(task, row)
        candidates = [r for r in pool if r.get("subject") == row.get("subject")]
        chosen = [_question(task, r)[0] for r in rng.sample(candidates, min(shots, len(candidates)))]
        choices = [] if task in STOPS else choices
        found.append(Item(prompt(form, chosen, question), choices, accepted, target))
        assert answer_of(form, question).startswith(" ") and form in FORMATS
    return found


class Scorer:
    """One model with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self.model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.ends = self.model.generation_config.eos_token_id
        self.ends = self.ends if isinstance(self.ends, list) else [self.ends]

    @torch.inference_mode()
    def loglikelihoods(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Log-probability of each continuation after its context."""
        encoded = [(len(self.tokenizer(c).input_ids), self.tokenizer(c + t).input_ids) for c, t in pairs]
        order = sorted(range(len(pairs)), key=lambda i: len(encoded[i][1]))
        scores = [0.0] * len(pairs)
        for at in range(0, len(order), BATCH):
            chunk = order[at:at + BATCH]
            width = max(len(encoded[i][1]) for i in chunk)
            ids = torch.tensor([encoded[i][1] + [0] * (width - len(encoded[i][1])) for i in chunk])
            logprobs = self.model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
            for row, i in enumerate(chunk):
                start, tokens = encoded[i]
                scores[i] = logprobs[row, start - 1:len(tokens) - 1].sum().item()
        return scores

    @torch.inference_mode()
    def generate(self, prompts: list[str], stops: list[str], new_tokens: int) -> list[str]:
        """Greedy responses, cut at the first stop string."""
        encoded = [self.tokenizer(p).input_ids for p in prompts]
        order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
        responses = [""] * len(prompts)
        for at in range(0, len(order), BATCH):
            chunk = order[at:at + BATCH]
            width = max(len(encoded[i]) for i in chunk)
            ids = torch.tensor([[0] * (width - len(encoded[i])) + encoded[i] for i in chunk])
            mask = torch.tensor([[0] * (width - len(encoded[i])) + [1] * len(encoded[i]) for i in chunk])
            out = self.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, do_sample=False,
                                      pad_token_id=self.ends[0], eos_token_id=self.ends)
            for row, i in enumerate(chunk):
                before = self.tokenizer.decode(encoded[i], skip_special_tokens=True)
                whole = self.tokenizer.decode(encoded[i] + out[row, width:].tolist(), skip_special_tokens=True)
                text = whole[len(before):]
                responses[i] = min((text.split(stop)[0] for stop in stops), key=len)
        return responses


def is_right(task: str, item: Item, response: str) -> bool:
    """Whether a generated response counts as the answer."""
    if task == "gsm8k":
        found = re.search(r"#### (-?[0-9.,]+)", response)
        return bool(found) and found.group(1) == item.accepted[0]
    return response.strip().lower() in {a.lower() for a in item.accepted}


def main() -> None:
    """Print a table of accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("../../models"))
    parser.add_argument("--names", nargs="+", default=["mini-llama", "mini-qwen"])
    parser.add_argument("--data", type=Path, default=Path("../../datasets/mini"))
    parser.add_argument("--tasks", nargs="+", default=["mmlu", "mmlu_flan", "gsm8k", "arc_easy", "arc_challenge", "piqa",
                                                       "triviaqa", "nq_open"])
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--show", type=int, default=0, help="wrong responses to print per model and task")
    args = parser.parse_args()
    torch.set_num_threads(1)
    scorers = {name: Scorer(args.models / name) for name in args.names}
    print(f"{args.shots} shots".ljust(14), *(n.rjust(12) for n in [*scorers, "average"]))
    for task in args.tasks:
        found = items(task, args.data, args.shots, args.limit)
        shares: list[float] = []
        total: list[dict[object, float]] = [{} for _ in found]
        for scorer in scorers.values():
            if task in STOPS:
                responses = scorer.generate([i.prompt for i in found], STOPS[task], NEW_TOKENS[task])
                right = [is_right(task, i, r) for i, r in zip(found, responses, strict=True)]
                for item, response, good in [t for t in zip(found, responses, right, strict=True) if not t[2]][:args.show]:
                    print(repr(item.prompt[-90:]), repr(response), item.accepted, good)
                keys: list[list[object]] = [[r] for r in responses]
                pairs = [(i.prompt, r) for i, r in zip(found, responses, strict=True)]
                weights = [[s] for s in scorer.loglikelihoods(pairs)]
            else:
                scores = iter(scorer.loglikelihoods([(i.prompt, c) for i in found for c in i.choices]))
                weights = [[next(scores) for _ in i.choices] for i in found]
                keys = [list(range(len(i.choices))) for i in found]
                right = [w.index(max(w)) == i.target for i, w in zip(found, weights, strict=True)]
            shares.append(sum(right) / len(right))
            for votes, names, scored in zip(total, keys, weights, strict=True):
                for key, score in zip(names, scored, strict=True):
                    votes[key] = votes.get(key, 0.0) + float(torch.tensor(score).exp())
        best = [max(v, key=lambda k: v[k]) for v in total]
        good = [is_right(task, i, str(b)) if task in STOPS else b == i.target for i, b in zip(found, best, strict=True)]
        print(task.ljust(14), *(f"{s:12.3f}" for s in [*shares, sum(good) / len(good)]), flush=True)


if __name__ == "__main__":
    main()
