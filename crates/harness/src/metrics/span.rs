//! Answers found in a text, compared by their words, in any language.
//!
//! Source: the evaluations of `SQuAD` 1.1 and MLQA, as lm-evaluation-harness 0.4.13's tasks have them.

use std::sync::LazyLock;

use fancy_regex::Regex;
use serde::{Deserialize, Serialize};

use super::reading::{AnswerScore, shared_words};
use crate::python::{PatternError, PythonRegex, is_ascii_punctuation, split_whitespace, strip};

/// How answers in a text are compared; of several right ones the best counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanDefinition {
    /// Whether all words have to be the same, or how many are.
    pub score: AnswerScore,
    /// The pattern (Python's dialect) of the articles, which do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub articles: Option<String>,
    /// Which punctuation does not count.
    #[serde(default)]
    pub punctuation: Punctuation,
    /// Whether each Chinese character is a word.
    #[serde(default)]
    pub splits_han: bool,
    /// Whether two answers of which nothing is left have all words in common.
    #[serde(default)]
    pub credits_empty: bool,
}

/// What punctuation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Punctuation {
    /// ASCII's.
    Ascii,
    /// ASCII's, and what Unicode has in its category P.
    #[default]
    Unicode,
}

/// A definition with its pattern compiled.
#[derive(Debug)]
pub(crate) struct Span {
    definition: SpanDefinition,
    articles: Option<PythonRegex>,
}

/// Unicode category P.
static PUNCTUATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\p{P}").expect("a constant pattern compiles"));

impl SpanDefinition {
    /// lm-evaluation-harness's name.
    pub(crate) fn name(&self) -> &'static str {
        match self.score {
            AnswerScore::Exact => "exact_match",
            AnswerScore::F1 => "f1",
        }
    }
}

impl Span {
    /// # Errors
    /// When the articles are no regular expression.
    pub(crate) fn new(definition: &SpanDefinition) -> Result<Self, PatternError> {
        let articles = definition.articles.as_deref().map(PythonRegex::new).transpose()?;
        Ok(Self { definition: definition.clone(), articles })
    }

    /// How good an answer is, 0 to 1.
    pub(crate) fn score(&self, text: &str, answers: &[&str]) -> f64 {
        let text = self.words(text);
        let of = |answer: &&str| {
            let answer = self.words(answer);
            match self.definition.score {
                AnswerScore::Exact => f64::from(text == answer),
                AnswerScore::F1 if self.definition.credits_empty && (text.is_empty() || answer.is_empty()) => {
                    f64::from(text == answer)
                }
                AnswerScore::F1 => shared_words(&text, &answer),
            }
        };
        answers.iter().map(of).fold(0.0, f64::max)
    }

    fn words(&self, text: &str) -> Vec<String> {
        let mut text: String = text.to_lowercase().chars().filter(|c| !is_ascii_punctuation(*c)).collect();
        if self.definition.punctuation == Punctuation::Unicode {
            text = PUNCTUATION.replace_all(&text, "").into_owned();
        }
        if let Some(articles) = &self.articles {
            text = articles.replace_all(&text, " ");
        }
        if self.definition.splits_han {
            text = text.chars().flat_map(|c| if is_han(c) { vec![' ', c, ' '] } else { vec![c] }).collect();
        }
        split_whitespace(strip(&text)).map(str::to_owned).collect()
    }
}

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fa5}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(score: AnswerScore, articles: Option<&str>, splits_han: bool) -> Span {
        let punctuation = Punctuation::Unicode;
        let articles = articles.map(str::to_owned);
        Span::new(&SpanDefinition { score, articles, punctuation, splits_han, credits_empty: false }).unwrap()
    }

    #[test]
    fn articles_and_punctuation_of_a_language_do_not_count() {
        let german = |score| span(score, Some(r"\b(der|die|das)\b"), false);
        assert!((german(AnswerScore::Exact).score("Das »Haus«", &["haus"]) - 1.0).abs() < 1e-12);
        let f1 = german(AnswerScore::F1).score("die alte Lampe", &["Licht", "eine Lampe"]);
        assert!((f1 - 0.5).abs() < 1e-12, "{f1}");
        assert!(german(AnswerScore::F1).score("die", &["der"]).abs() < 1e-12, "nothing is left of either");
    }

    #[test]
    fn chinese_characters_are_words() {
        let f1 = span(AnswerScore::F1, None, true).score("红色的灯 lamp", &["红灯"]);
        assert!((f1 - 4.0 / 7.0).abs() < 1e-12, "{f1}");
    }
}
