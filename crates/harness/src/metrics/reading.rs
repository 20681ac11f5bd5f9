//! Answers to questions about a passage, some of which have none.
//!
//! Source: the evaluation of `SQuAD` 2.0, as the metric `squad_v2` of the library `evaluate` computes it and
//! lm-evaluation-harness 0.4.13 calls it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::normalised::plain_answer;
use crate::python::split_whitespace;

/// How an answer is compared with the right ones; the best of these counts. A question that has none is answered by
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerScore {
    /// Whether they are the same without case, punctuation and articles.
    Exact,
    /// F1 of their words.
    F1,
}

/// Which questions a figure is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Questions {
    /// All.
    #[default]
    All,
    /// Those that the passage answers.
    Answered,
    /// Those that it does not.
    Unanswered,
}

impl Questions {
    /// Whether a question with these answers is one of them.
    pub(crate) fn has(self, answers: &[&str]) -> bool {
        match self {
            Self::All => true,
            Self::Answered => !answers.is_empty(),
            Self::Unanswered => answers.is_empty(),
        }
    }
}

impl AnswerScore {
    /// lm-evaluation-harness's name.
    pub fn name(self, of: Questions) -> &'static str {
        match (self, of) {
            (Self::Exact, Questions::All) => "exact",
            (Self::Exact, Questions::Answered) => "HasAns_exact",
            (Self::Exact, Questions::Unanswered) => "NoAns_exact",
            (Self::F1, Questions::All) => "f1",
            (Self::F1, Questions::Answered) => "HasAns_f1",
            (Self::F1, Questions::Unanswered) => "NoAns_f1",
        }
    }

    /// The same of the figure at the best threshold.
    pub fn best_name(self) -> &'static str {
        match self {
            Self::Exact => "best_exact",
            Self::F1 => "best_f1",
        }
    }

    /// How good an answer is, 0 to 1.
    pub fn score(self, text: &str, answers: &[&str]) -> f64 {
        let text = plain_answer(text);
        // What nothing is left of is no answer.
        let mut answers: Vec<String> = answers.iter().map(|answer| plain_answer(answer)).collect();
        answers.retain(|answer| !answer.is_empty());
        if answers.is_empty() {
            answers.push(String::new());
        }
        let of = |answer: &String| match self {
            Self::Exact => f64::from(text == *answer),
            Self::F1 => f1(&text, answer),
        };
        answers.iter().map(of).fold(0.0, f64::max)
    }
}

fn f1(text: &str, answer: &str) -> f64 {
    let (text, answer): (Vec<&str>, Vec<&str>) = (split_whitespace(text).collect(), split_whitespace(answer).collect());
    if text.is_empty() || answer.is_empty() {
        return f64::from(text == answer);
    }
    shared_words(&text, &answer)
}

/// F1 of words; 0 where none is shared.
pub(super) fn shared_words<W: AsRef<str>>(text: &[W], answer: &[W]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in answer {
        *left.entry(word.as_ref()).or_default() += 1;
    }
    let mut common = 0.0;
    for word in text {
        if let Some(count) = left.get_mut(word.as_ref()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1.0;
        }
    }
    let (precision, recall) = (common / text.len() as f64, common / answer.len() as f64);
    if common == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_without_case_punctuation_and_articles() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(AnswerScore::F1.score(" The old, red lamp", &["a lamp", "red lamps"]), 0.5);
        close(AnswerScore::Exact.score(" The Lamp.", &["red", "lamp"]), 1.0);
        close(AnswerScore::F1.score("lamp lamp", &["lamp"]), 2.0 / 3.0);
    }

    #[test]
    fn a_question_without_an_answer_is_answered_by_nothing() {
        for score in [AnswerScore::Exact, AnswerScore::F1] {
            assert!((score.score(" the. ", &[]) - 1.0).abs() < 1e-12);
            assert!(score.score("unanswerable", &[]).abs() < 1e-12);
            assert!((score.score("", &["the"]) - 1.0).abs() < 1e-12, "an answer that is nothing is none");
            assert!(score.score("", &["lamp"]).abs() < 1e-12);
        }
        assert!(Questions::Unanswered.has(&[]) && !Questions::Answered.has(&[]) && Questions::All.has(&[]));
    }
}
