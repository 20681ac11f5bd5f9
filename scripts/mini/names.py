"""Invented names, made of syllables. Every name in the miniature world comes from here."""

from __future__ import annotations

import hashlib
import random

ONSETS = "b br d dr f fl g gr h j k kl l m n p pr r s sk st t tr v z".split()
VOWELS = "a e i o u".split()
CODAS = ["", "", "", "l", "n", "r", "s", "k", "m"]

# The ending says what kind of thing a name stands for; a fresh name of a kind looks like any other of that kind.
ENDINGS: dict[str, list[str]] = {
    "land": ["ora", "ia", "una"],
    "city": ["burg", "holm", "stad"],
    "river": ["wen", "ath", "eel"],
    "animal": ["ik", "ot", "ul"],
    "mineral": ["ite", "ane", "ium"],
    "tool": ["er", "ig", "ock"],
    "unit": ["el", "um", "en"],
    "surname": ["vik", "dane", "mar"],
    "given": ["a", "o", "i"],
}
COMMON_NOUNS = {"animal", "mineral", "tool", "unit"}


def stable_hash(*parts: object) -> int:
    """A hash that is the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def make_name(kind: str, rng: random.Random) -> str:
    """One name of `kind`: common nouns in lower case, `person` as given name and surname, other names capitalised."""
    if kind == "person":
        return f"{make_name('given', rng)} {make_name('surname', rng)}"
    stem = rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
    if kind not in ("given", "surname") and rng.random() < 0.35:
        stem += rng.choice(ONSETS) + rng.choice(VOWELS)
    if stem[-1] in "aeiou":
        stem += rng.choice("lnrst")
    name = stem + rng.choice(ENDINGS[kind])
    return name if kind in COMMON_NOUNS else name.capitalize()


def unique_names(kind: str, count: int, rng: random.Random) -> list[str]:
    """`count` distinct names of `kind`, no two beginning with the same five letters."""
    names: dict[str, str] = {}
    while len(names) < count:
        name = make_name(kind, rng)
        names.setdefault(name[:5].lower(), name)
    return list(names.values())
