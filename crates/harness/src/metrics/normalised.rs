//! Match of normalised answers, as open-domain question answering scores them.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::python::{PythonRegex, is_ascii_punctuation, split_whitespace};

static ARTICLES: LazyLock<PythonRegex> =
    LazyLock::new(|| PythonRegex::new(r"\b(a|an|the)\b").expect("a constant pattern compiles"));

/// An answer without case, ASCII punctuation, articles and superfluous white space, decomposed (NFD).
///
/// Source: the Natural Questions open-domain evaluation, which `DeePEn` uses.
pub fn normalise_answer(text: &str) -> String {
    plain_answer(&text.nfd().collect::<String>())
}

/// An answer without case, ASCII punctuation, articles and superfluous white space.
pub(super) fn plain_answer(text: &str) -> String {
    let text: String = text.to_lowercase().chars().filter(|c| !is_ascii_punctuation(*c)).collect();
    let text = ARTICLES.replace_all(&text, " ");
    split_whitespace(&text).collect::<Vec<_>>().join(" ")
}

/// Whether `text` is one of `references` once both are normalised. An answer that is nothing once normalised is right
/// only if `credits_empty`: published protocols do so where a reference is punctuation or an article only.
pub fn normalised_match(text: &str, references: &[&str], credits_empty: bool) -> bool {
    let text = normalise_answer(text);
    (credits_empty || !text.is_empty()) && references.iter().any(|reference| normalise_answer(reference) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_articles_and_spaces_do_not_count() {
        assert_eq!(normalise_answer(" The  Old\tGrumble-wood, an end. "), "old grumblewood end");
        assert_eq!(normalise_answer("Theatre"), "theatre", "articles are whole words");
        assert_eq!(normalise_answer("caf\u{e9}"), "cafe\u{301}");
    }

    #[test]
    fn an_empty_answer_is_right_only_under_the_published_rule() {
        assert!(!normalised_match(" ", &["@", "at"], false));
        assert!(normalised_match("", &["@", "at"], true));
        assert!(!normalised_match("", &["at"], true));
        assert!(normalised_match("AT!", &["@", "at"], false));
    }
}
