//! Answers to MATH as Minerva's protocol has them: where they are in a text, how they are written, and when two are the same.
//!
//! Sources: Lewkowycz et al., "Solving Quantitative Reasoning Problems with Language Models" (2022), appendix D; with
//! lm-evaluation-harness 0.4.13's changes to it (`tasks/minerva_math/utils.py`).

use std::sync::LazyLock;

use super::latex::{has_same_value, parse};
use crate::python::{PythonRegex, strip};

/// What stands for an answer where there is none.
pub(crate) const NO_ANSWER: &str = "[invalidanswer]";
/// What closes an answer, and is put behind every text.
const CLOSING: &str = "I hope it is correct.";

static ANSWER: LazyLock<PythonRegex> =
    LazyLock::new(|| constant(r"Final Answer: The final answer is(.*?). I hope it is correct."));

/// What is replaced, in this order.
const REPLACED: [(&str, &str); 10] = [
    ("an ", ""),
    ("a ", ""),
    (".$", "$"),
    ("\\$", ""),
    ("\\ ", ""),
    (" ", ""),
    ("mbox", "text"),
    (",\\text{and}", ","),
    ("\\text{and}", ","),
    ("\\text{m}", "\\text{}"),
];

/// Units and other words without meaning.
const WORDS: [&str; 26] = [
    "square",
    "ways",
    "integers",
    "dollars",
    "mph",
    "inches",
    "ft",
    "hours",
    "km",
    "units",
    "sue",
    "points",
    "feet",
    "minutes",
    "digits",
    "cents",
    "degrees",
    "cm",
    "gm",
    "pounds",
    "meters",
    "meals",
    "edges",
    "students",
    "childrentickets",
    "multiples",
];

/// LaTeX without meaning; [`WORDS`] up to `units` go before the first, the others behind it.
const LAYOUT: [&str; 16] = [
    "\\text{s}",
    "\\text{.}",
    "\\text{\ns}",
    "\\text{}^2",
    "\\text{}^3",
    "\\text{\n}",
    "\\text{}",
    "\\mathrm{th}",
    "^\\circ",
    "^{\\circ}",
    "\\;",
    ",\\!",
    "{,}",
    "\"",
    "\\dots",
    "\\ldots",
];

/// Words as words.
static WHOLE_WORDS: LazyLock<Vec<PythonRegex>> =
    LazyLock::new(|| WORDS.iter().map(|word| constant(&format!(r"(?<!\\)\b{word}\b"))).collect());

/// What is written in one way, in this order.
static REWRITTEN: LazyLock<[(PythonRegex, &str); 8]> = LazyLock::new(|| {
    [
        (r"(.*?)(\$)(.*?)(\$)(.*)", r"$\3$"),
        (r"(\\text\{)(.*?)(\})", r"\2"),
        (r"(\\textbf\{)(.*?)(\})", r"\2"),
        (r"(\\overline\{)(.*?)(\})", r"\2"),
        (r"(\\boxed\{)(.*)(\})", r"\2"),
        (r"(frac)([^{])(.)", r"frac{\2}{\3}"),
        (r"(sqrt)(\[[^\]]*\])(\w)", r"\1\2{\3}"),
        (r"(sqrt)(?!\[)([^{])", r"sqrt{\2}"),
    ]
    .map(|(pattern, template)| (constant(pattern), template))
});

/// A number with commas before groups of three digits, and nothing else.
static GROUPED: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"^-?\d{1,3}(?:,\d{3})+\Z"));

fn constant(pattern: &str) -> PythonRegex {
    PythonRegex::new(pattern).expect("a constant pattern compiles")
}

/// The answer that a response gives in Minerva's words, in one way; [`NO_ANSWER`] where it gives none.
pub(crate) fn final_answer(response: &str) -> String {
    let text = format!("{response}{CLOSING}");
    let found = ANSWER.findall(&text);
    let answer = found.first().and_then(|groups| groups.first()).map_or(NO_ANSWER, |answer| strip(answer));
    written_in_one_way(answer)
}

/// An answer in one way.
pub(crate) fn written_in_one_way(answer: &str) -> String {
    let last = answer.rsplit('=').next().unwrap_or(answer);
    let text = WHOLE_WORDS.iter().fold(last.to_owned(), |text, word| word.remove_all(&text));
    let text = REPLACED.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let text = without_words_and_layout(text);
    let text = REWRITTEN.iter().fold(text, |text, (pattern, template)| pattern.sub(&text, template));
    let text = text.replace('$', "");
    if GROUPED.findall(&text).is_empty() { text } else { text.replace(',', "") }
}

/// Without words and layout: words in the order of the paper, with `\ldots` after the first ten of them.
fn without_words_and_layout(text: String) -> String {
    let (first, others) = WORDS.split_at(10);
    let (dots, layout) = LAYOUT.split_last().unwrap_or((&"", &[]));
    let text = first.iter().fold(text, |text, word| without_word(&text, word)).replace(dots, "");
    let text = others.iter().fold(text, |text, word| without_word(&text, word));
    layout.iter().fold(text, |text, layout| text.replace(layout, ""))
}

/// Without a word wherever it stands, but for the names of commands.
fn without_word(text: &str, word: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let name = rest[at + 1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if name == 0 {
            // No command: the text goes on behind the backslash.
            let next = rest[at + 1..].find('\\').map_or(rest.len(), |next| at + 1 + next);
            kept.push_str(&rest[..next].replace(word, ""));
            rest = &rest[next..];
            continue;
        }
        kept.push_str(&rest[..at].replace(word, ""));
        kept.push_str(&rest[at..=at + name]);
        rest = &rest[at + 1 + name..];
    }
    kept.push_str(&rest.replace(word, ""));
    kept
}

/// Whether two answers, each in one way, are the same: as texts, or as mathematics by value.
pub(crate) fn is_equivalent_by_value(one: &str, other: &str) -> bool {
    if one == other {
        return !one.is_empty();
    }
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => has_same_value(&one, &other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_in_minervas_words() {
        for (response, answer) in [
            ("So. Final Answer: The final answer is $\\frac12$. I hope it is correct.", "\\frac{1}{2}"),
            ("Final Answer: The final answer is $4$. ", "4"),
            ("Final Answer: The final answer is 4.", NO_ANSWER),
            ("Final Answer: The final answer is\n4. I hope it is correct.", NO_ANSWER),
            ("It is 4.", NO_ANSWER),
        ] {
            assert_eq!(final_answer(response), answer, "{response}");
        }
    }

    #[test]
    fn answers_are_written_in_one_way() {
        for (answer, way) in [
            ("x = 7", "7"),
            ("2\\pi cm", "2\\pi"),
            ("\\left(1, 2\\right)", "\\left(1,2\\right)"),
            ("\\$1,234", "1234"),
            ("0,1", "0,1"),
            ("90^\\circ", "90"),
            ("\\text{even}", "even"),
            ("12\\text{ inches}", "12"),
            ("\\sqrt3+\\sqrt[3]2", "\\sqrt{3}+\\sqrt[3]{2}"),
            ("The answer is $5$ dollars", "5"),
            ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ] {
            assert_eq!(written_in_one_way(answer), way, "{answer}");
        }
    }

    #[derive(Clone, serde::Deserialize)]
    struct AnswerPair {
        family: String,
        answers: [String; 2],
        ways: [String; 2],
        same: bool,
    }

    #[test]
    fn pairs_are_the_same_that_lm_evaluation_harness_takes_for_the_same() {
        // `scripts/lm_eval/minerva.py` recorded them.
        let recorded = include_str!("../../tests/fixtures/minerva.jsonl");
        let pairs: Vec<AnswerPair> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut others = Vec::new();
        for AnswerPair { family, answers, ways, same } in pairs.iter().cloned() {
            assert_eq!(answers.each_ref().map(|answer| written_in_one_way(answer)), ways, "{answers:?}");
            if is_equivalent_by_value(&ways[0], &ways[1]) != same {
                others.push(format!("{family}: {} and {} are the same there: {same}", ways[0], ways[1]));
            }
        }
        assert!(pairs.len() >= 500 && pairs.iter().filter(|pair| pair.same).count() >= 200, "{}", pairs.len());
        // A decimal exponent is not exact to SymPy.
        assert!(others.iter().all(|other| other.contains("^{0.5}")), "{}", others.join("\n"));
        assert_eq!(others.len(), OTHERS, "{} of {}:\n{}", others.len(), pairs.len(), others.join("\n"));
    }

    /// Pairs of which lm-evaluation-harness says something else.
    const OTHERS: usize = 8;

    #[test]
    fn answers_are_the_same_by_value() {
        assert!(is_equivalent_by_value("(1,2)", "(1,2)") && !is_equivalent_by_value("(1,2)", "(1,3)"));
        assert!(is_equivalent_by_value("\\frac{1}{2}", "0.5") && !is_equivalent_by_value("", ""));
    }
}
