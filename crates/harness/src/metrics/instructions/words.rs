//! Words of a sentence.
//!
//! Source: the Penn Treebank's conventions, as NLTK 3.10's `word_tokenize` follows them.

use std::sync::LazyLock;

use fancy_regex::Regex;

use crate::python::{PythonRegex, split_whitespace};

/// NLTK asks the package `regex`, to which joiners and marks are parts of words, as they are to ours.
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\w+").expect("a constant pattern compiles"));

/// What is set off by spaces before the text is divided at them, in this order; `None` is where spaces are put around all.
static RULES: LazyLock<Vec<Option<(PythonRegex, &str)>>> = LazyLock::new(|| {
    let before = [
        ("([«“‘„]|[`]+)", r" \1 "),
        (r#"^""#, "``"),
        ("(``)", r" \1 "),
        (r#"([ \(\[{<])("|\'{2})"#, r"\1 `` "),
        (r"(?i)(?<!\w)(\')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", r"\1 "),
        (r#"([^\.])(\.)([\]\)}>"' »”’]*)\s*$"#, r"\1 \2 \3 "),
        (r"([:,])([^\d])", r" \1 \2"),
        (r"([:,])$", r" \1 "),
        (r"(\.{2,})", r" \1 "),
        (r"([;@#$%&])", r" \1 "),
        ("([\u{2012}-\u{2015}])", r" \1 "),
        (r#"([^\.])(\.)([\]\)}>"']*)\s*$"#, r"\1 \2\3 "),
        (r"([?!])", r" \1 "),
        (r"([^'])' ", r"\1 ' "),
        (r"([*])", r" \1 "),
        (r"([\]\[\(\)\{\}\<\>])", r" \1 "),
        (r"(--)", r" \1 "),
    ];
    let behind = [
        ("([»”’])", r" \1 "),
        (r"('')", r" \1 "),
        (r#"""#, " '' "),
        (r"\s+", " "),
        (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(d)('ye)\b", r" \1 \2 "),
        (r"(?i)\b(gim)(me)\b", r" \1 \2 "),
        (r"(?i)\b(gon)(na)\b", r" \1 \2 "),
        (r"(?i)\b(got)(ta)\b", r" \1 \2 "),
        (r"(?i)\b(lem)(me)\b", r" \1 \2 "),
        (r"(?i)\b(more)('n)\b", r" \1 \2 "),
        (r"(?i)\b(wan)(na)(?=\s)", r" \1 \2 "),
        (r"(?i) ('t)(is)\b", r" \1 \2 "),
        (r"(?i) ('t)(was)\b", r" \1 \2 "),
    ];
    let rule = |(pattern, template): &(&str, &'static str)| Some((constant(pattern), *template));
    before.iter().map(rule).chain([None]).chain(behind.iter().map(rule)).collect()
});

fn constant(pattern: &str) -> PythonRegex {
    PythonRegex::new(pattern).expect("a constant pattern compiles")
}

/// The words and marks of a sentence.
pub(super) fn words(sentence: &str) -> Vec<String> {
    let text = RULES.iter().fold(sentence.to_owned(), |text, rule| match rule {
        Some((pattern, template)) => pattern.sub(&text, template),
        None => format!(" {text} "),
    });
    split_whitespace(&text).map(str::to_owned).collect()
}

/// How many runs of letters, digits and underscores a text has.
pub(super) fn count_words(text: &str) -> usize {
    WORD.find_iter(text).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_nltks() {
        // From nltk.tokenize.NLTKWordTokenizer().tokenize, NLTK 3.10.
        for (sentence, expected) in [
            ("I CAN'T see, can you?", "I CA N'T see , can you ?"),
            ("\"It's 3,50 $ (so-called)...\"", "`` It 's 3,50 $ ( so-called ) ... ''"),
            ("CANNOT; 'TIS gonna be U.S. made.", "CAN NOT ; ' TIS gon na be U.S. made ."),
            ("the dogs' “bone” -- A*B", "the dogs ' “ bone ” -- A * B"),
        ] {
            assert_eq!(words(sentence).join(" "), expected);
        }
        assert_eq!(count_words("It's 3.5, a_b"), 5);
        assert_eq!(count_words("\u{646}\u{645}\u{6cc}\u{200c}\u{62f}\u{627}\u{646}"), 1, "a joiner joins");
    }
}
