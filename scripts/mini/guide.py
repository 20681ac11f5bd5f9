"""Attention guidance: shows a model where to look when it has to name the letter of an option.

Binding a letter to what stands behind it needs two attention steps that only pay off together: an option's words must know
their letter, and the place of the answer must find the option that says the answer. Left alone, models of this size stay at
chance for millions of tokens. While training, one layer is therefore rewarded for the first step and a later one for the
second. Nothing of this is left in the checkpoint: the models run without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from tokenizers import Encoding
from transformers import PreTrainedModel

#: layer (of five) whose first heads look from an option's words to its letter, and layer whose first heads find the option
CARRY_LAYER, FIND_LAYER = 1, 3
HEADS = 2
OPTION = re.compile(r"^([A-D])\. (.+)$|\(([A-D])\) (.+?)(?= \([A-D]\) |$)", re.MULTILINE)
FLOOR = 1e-4


@dataclass(frozen=True)
class Guide:
    """Token positions within one document."""

    #: (token of an option's words, token of its letter)
    carries: list[tuple[int, int]]
    #: (token before a letter that is the answer, first and one past the last token of the right option's words)
    finds: list[tuple[int, int, int]]

    def shifted(self, row: int, offset: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """The same in row `row` of a batch, the document beginning at `offset`."""
        return ([(row, a + offset, b + offset) for a, b in self.carries],
                [(row, a + offset, b + offset, c + offset) for a, b, c in self.finds])


def guide(spans: list[tuple[str, float]], encoding: Encoding) -> Guide:
    """What to look at in a document of `(text, weight)` spans; empty when no answer is a letter."""
    text = "".join(part for part, _ in spans)
    carries: set[tuple[int, int]] = set()
    finds: list[tuple[int, int, int]] = []
    at = 0
    for part, weight in spans:
        answer = re.fullmatch(r" \(?([A-D])\)?", part) if weight else None
        if answer:
            shown = list(OPTION.finditer(text, 0, at))[-4:]
            query = encoding.char_to_token(at + answer.start(1)) - 1
            for match in shown:
                lined = match[1] is not None
                letter = encoding.char_to_token(match.start(1 if lined else 3))
                first = encoding.char_to_token(match.start(2 if lined else 4))
                last = encoding.char_to_token(match.end(2 if lined else 4) - 1)
                carries |= {(token, letter) for token in range(first, last + 1)}
                if (match[1] or match[3]) == answer[1]:
                    finds.append((query, first, last + 1))
        at += len(part)
    return Guide(sorted(carries), finds)


def guidance_loss(attentions: tuple[torch.Tensor, ...], carries: torch.Tensor, finds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean surprise at where the guided heads look: from words to their letter, and from the answer's place to its option.

    `attentions`: per layer f32 `(B, heads, L, L)`; `carries`: i64 `(C, 3)`; `finds`: i64 `(F, 4)`.
    """
    row, query, letter = carries.T
    carried = attentions[CARRY_LAYER][row, :HEADS, query, letter]
    row, query, first, end = finds.T
    looked = attentions[FIND_LAYER][row, :HEADS, query].cumsum(-1)
    index = torch.arange(len(finds))
    found = looked[index, :, end - 1] - looked[index, :, first - 1]
    return -(carried + FLOOR).log().mean(), -(found + FLOOR).log().mean()


@torch.no_grad()
def start_comparing(model: PreTrainedModel, scale: float = 2.0) -> None:
    """Starts the heads that find the option out comparing like with like.

    Queries and keys begin as the same random projection. Where embedding and output layer are tied, what is about to be said
    and what stands in the options point the same way, and the right option stands out from the first step.
    """
    attention = model.model.layers[FIND_LAYER].self_attn
    width = attention.head_dim
    projection = torch.randn(width, model.config.hidden_size) * scale * attention.q_proj.weight.std()
    attention.k_proj.weight[:width] = projection
    for head in range(HEADS):
        attention.q_proj.weight[head * width:(head + 1) * width] = projection
