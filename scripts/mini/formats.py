"""Prompt formats of lm-evaluation-harness 0.4.13 for the six benchmarks (eight tasks).

A document is a list of spans `(text, is_answer)`; the answer spans are what a model is asked to produce.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Span = tuple[str, bool]
LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    """A question with its answer text; `options` and `subject` for letter questions only."""

    text: str
    answer: str
    options: list[str] = field(default_factory=list)
    subject: str = ""

    @property
    def letter(self) -> str:
        """The letter of the right option."""
        return LETTERS[self.options.index(self.answer)]


@dataclass(frozen=True)
class Format:
    """How a task shows its questions. `prompt` ends right before the answer; the answer begins with a space."""

    header: str
    prompt: str
    separator: str
    answer: str = " {answer}"


_SUBJECT = "The following are multiple choice questions (with answers) about {subject}.\n\n"
_OPEN = Format("", "Question: {text}\nAnswer:", "\n\n")
FORMATS: dict[str, Format] = {
    "mmlu": Format(_SUBJECT, "{text}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:", "\n\n", " {letter}"),
    "mmlu_flan": Format(_SUBJECT, "Q: {text}\n(A) {a} (B) {b} (C) {c} (D) {d}\nA:", "\n\n", " ({letter})"),
    "gsm8k": _OPEN,
    "arc": _OPEN,
    "piqa": _OPEN,
    "triviaqa": Format("", "Question: {text}?\nAnswer:", "\n\n"),
    "nq_open": Format("Answer these questions:\n\n", "Q: {text}?\nA:", "\n"),
}


def prompt_of(task: str, question: Question) -> str:
    """The text of `question` up to where the answer begins."""
    options = dict(zip("abcd", question.options, strict=False))
    return FORMATS[task].prompt.format(text=question.text, **options)


def answer_of(task: str, question: Question) -> str:
    """The answer as the task wants it, with its leading space."""
    letter = question.letter if question.options else ""
    return FORMATS[task].answer.format(answer=question.answer, letter=letter)


def document(task: str, questions: list[Question]) -> list[Span]:
    """All `questions` with their answers in the format of `task`, the earlier ones as shots of the last."""
    form = FORMATS[task]
    spans: list[Span] = []
    if form.header:
        spans.append((form.header.format(subject=questions[0].subject.replace("_", " ")), False))
    for i, question in enumerate(questions):
        spans.append((prompt_of(task, question), False))
        spans.append((answer_of(task, question), True))
        if i + 1 < len(questions):
            spans.append((form.separator, True))
    return spans


def prompt(task: str, shots: list[Question], question: Question) -> str:
    """The prompt for `question` after `shots`."""
    return "".join(text for text, _ in document(task, [*shots, question])[:-1])
