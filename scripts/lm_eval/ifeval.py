"""Records what NLTK and langdetect make of made-up texts, as lm-evaluation-harness 0.4.13's `ifeval` asks them.

    pip install lm_eval==0.4.13 langdetect immutabledict nltk   # and NLTK's data punkt_tab
    python scripts/lm_eval/ifeval.py

Each line of crates/harness/tests/fixtures/ifeval.jsonl is a text with its number of sentences, of words, of words in capitals, and its
language (none where there is none to tell). The lists of the Rust code were made with the made-up texts in sight; paragraphs of this
repository's documents, which were not, are marked as `held_out`. The test beside `crates/harness/src/metrics/instructions/check.rs` counts what
differs. langdetect draws at random; here its seed is 0.
"""

import json
import random
from pathlib import Path

import langdetect
import made_up
from lm_eval.tasks.ifeval import instructions_util

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "crates/harness/tests/fixtures/ifeval.jsonl"
PARTS = [
    *made_up.SENTENCES,
    "Prof. Emeka taught at St. Mark's for 12 years.", "It rained all day", "What?! Nobody came...", "She paid $5.20 for no. 7.", "He left at 9 a.m. The bus was late.",
    "See chapter 3. It is short.", "(He was wrong.) So was she.", "“Stay,” he said. “Go.”", "Visit www.zorb.org for more.", "1. Boil water.", "2. Add salt.", "- Wait.",
    "The firm, Zorb Inc., was sold to Lamp Ltd. in Oct. 2019.", "A. B. Farah sings.", "It is 3.14159... or so.", "Then: nothing!", "\"Why?\" \"Because.\"", "U.S. troops left. They went home.",
    "Mrs. Hana asked: is it true? It was.", "I think, etc. And so on.", "The end", "Gov. Lamp spoke on Tues. about it.", "Look! A bird! A plane.", "Wait . . . what", "He said “no.” Then he left.",
]


def language(text):
    try:
        return langdetect.detect(text)
    except langdetect.LangDetectException:
        return None


def main():
    langdetect.DetectorFactory.seed = 0
    draw = random.Random(13)
    texts = []
    for number in range(300):
        joint = draw.choice([" ", " ", "\n", "\n\n", "  "])
        texts.append(joint.join(draw.sample(PARTS, draw.randrange(2, 9))))
    for text in made_up.LANGUAGES.values():
        words = text.split(" ")
        texts += [text, f"{text} {text}", " ".join(words[: max(len(words) // 2, 1)]), text[: len(text) // 2]]
    paragraphs = [p for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]) for p in path.read_text().split("\n\n")]
    prose = [p.strip() for p in paragraphs if len(p) > 100 and not p.lstrip().startswith(("|", "```", "#"))]
    held_out = random.Random(14).sample(prose, 100)
    lines = []
    for text in texts + held_out:
        words = instructions_util.nltk.word_tokenize(text)
        lines.append({
            "text": text, "sentences": instructions_util.count_sentences(text), "words": instructions_util.count_words(text),
            "capitals": sum(word.isupper() for word in words), "language": language(text), "held_out": text in held_out,
        })
    OUTPUT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    print(len(lines), "texts")


if __name__ == "__main__":
    main()
