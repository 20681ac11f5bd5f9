//! Our own extraction, beside lm-evaluation-harness's and never mixed with it: what a person would take as the answer.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::lead::{after_lead, compiled, last_boxed};
use super::robust_letter::last_letter;
use crate::metrics::normalise_answer;
use crate::python::{PythonRegex, split_whitespace, strip};

/// The name of the filter in results.
pub(crate) const ROBUST: &str = "robust";

/// What kind of answer is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobustKind {
    /// The last boxed number, else the last number.
    Number,
    /// A choice's letter in any common form.
    Letter,
    /// The boxed text, else what follows the last "answer is" or "answer:", else the first line.
    Text,
    /// As the reference is: a number, a letter in parentheses, or a text.
    AsReference,
}

/// Extracts an answer from a response.
#[derive(Clone, Copy, Debug)]
pub struct Robust {
    kind: RobustKind,
}

/// What was found in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAnswer {
    /// The answer, in a form of its own: a plain number, a capital letter, or a text as it stands. `None` when there
    /// is no answer.
    pub answer: Option<String>,
    /// Whether it is a reference.
    pub is_right: bool,
}

/// A minus sign belongs to a number unless something stands right before it.
static NUMBER: LazyLock<PythonRegex> =
    LazyLock::new(|| compiled(r"(?:(?<![\w).])[-−])?\$?(?:[0-9]+(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]+)?|\.[0-9]+)"));
static IN_PARENTHESES: LazyLock<PythonRegex> = LazyLock::new(|| compiled(r"^\(?([A-Z])\)$"));
static ONLY_NUMBER: LazyLock<PythonRegex> = LazyLock::new(|| compiled(r"^-?[0-9][0-9,]*(?:\.[0-9]+)?$"));

impl Robust {
    /// A filter for one kind of answer.
    pub fn new(kind: RobustKind) -> Self {
        Self { kind }
    }

    /// Extracts the answer of a response and compares it with the references. `choices` are the texts of the
    /// document's choices, where it has any.
    pub fn apply(self, response: &str, references: &[&str], choices: &[String]) -> FoundAnswer {
        let (answer, is_right) = match self.kind_for(references) {
            RobustKind::Number => {
                let answer = last_number(response);
                // A reference may be a whole solution: its last number counts, too.
                let is_right = answer.is_some() && references.iter().any(|reference| last_number(reference) == answer);
                (answer, is_right)
            }
            RobustKind::Letter => {
                let answer = last_letter(response, choices);
                let is_right =
                    answer.is_some_and(|letter| references.iter().any(|it| reference_letter(it) == Some(letter)));
                (answer.map(String::from), is_right)
            }
            RobustKind::Text | RobustKind::AsReference => {
                let answer = text(response);
                let is_right =
                    answer.as_deref().is_some_and(|answer| references.iter().any(|reference| same(answer, reference)));
                (answer, is_right)
            }
        };
        FoundAnswer { answer, is_right }
    }

    fn kind_for(self, references: &[&str]) -> RobustKind {
        match (self.kind, references.first()) {
            (RobustKind::AsReference, Some(reference)) if !IN_PARENTHESES.findall(reference).is_empty() => {
                RobustKind::Letter
            }
            (RobustKind::AsReference, Some(reference)) if !ONLY_NUMBER.findall(reference).is_empty() => {
                RobustKind::Number
            }
            (kind, _) => kind,
        }
    }
}

/// The last boxed number, else the last number: without currency, thousands separators and superfluous zeros.
fn last_number(response: &str) -> Option<String> {
    let in_text = |text: &str| NUMBER.findall(text).last().and_then(|found| found.first().map(|text| plain(text)));
    last_boxed(response).and_then(in_text).or_else(|| in_text(response))
}

fn plain(number: &str) -> String {
    let negative = number.starts_with(['-', '\u{2212}']);
    let digits: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative && !(whole == "0" && fraction.is_empty()) { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn reference_letter(reference: &str) -> Option<char> {
    let letter = reference.trim_matches(|c| "().".contains(c) || c == ' ');
    let mut letters = letter.chars();
    letters.next().filter(|letter| letter.is_ascii_uppercase() && letters.next().is_none())
}

fn text(response: &str) -> Option<String> {
    let first_line = || response.lines().map(strip).find(|line| !line.is_empty());
    let found = last_boxed(response).or_else(|| after_lead(response).filter(|text| !strip(text).is_empty()));
    let found = strip(found.or_else(first_line)?);
    (!found.is_empty()).then(|| found.to_owned())
}

/// Whether two texts say the same. A reference of punctuation only (`] )`, `@`) must be met as it stands.
fn same(answer: &str, reference: &str) -> bool {
    let normalised = normalise_answer(reference);
    if normalised.is_empty() {
        let plain = |text: &str| split_whitespace(text).collect::<String>();
        return !plain(reference).is_empty() && plain(answer).trim_end_matches('.') == plain(reference);
    }
    normalise_answer(answer) == normalised
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(kind: RobustKind, response: &str, references: &[&str]) -> (Option<String>, bool) {
        let FoundAnswer { answer, is_right } = Robust::new(kind).apply(response, references, &[]);
        (answer, is_right)
    }

    fn number(response: &str) -> Option<String> {
        apply(RobustKind::Number, response, &[]).0
    }

    #[test]
    fn the_last_boxed_number_goes_before_the_last_number() {
        assert_eq!(number(r"So \boxed{17}, no: \boxed{$1{,}0 or 18}, as 3 show").as_deref(), Some("18"));
        assert_eq!(number("7 apples and 12 pears, 19 in all.").as_deref(), Some("19"));
        assert_eq!(number("none at all"), None);
        assert_eq!(number(r"\boxed{\text{none}} but 5").as_deref(), Some("5"));
    }

    #[test]
    fn numbers_that_are_equal_are_equal() {
        for (response, plain) in [
            ("$1,234.50", "1234.5"),
            ("#### 18.00", "18"),
            ("is \u{2212}5.", "-5"),
            ("20-5", "5"),
            ("-0.0", "0"),
            ("it is .50", "0.5"),
            ("1, 2", "2"),
            ("1,2345", "2345"),
        ] {
            assert_eq!(number(response).as_deref(), Some(plain), "{response}");
        }
        assert!(apply(RobustKind::Number, "so 1,000 dollars", &["500 + 500\n#### 1000"]).1);
        assert!(!apply(RobustKind::Number, "", &["no number"]).1, "nothing is never right");
    }

    #[test]
    fn a_text_is_what_follows_the_lead_or_the_first_line() {
        let text = |response| apply(RobustKind::Text, response, &["Old Grumblewood", "@"]);
        assert_eq!(text("\n the old Grumblewood.\nQ: next"), (Some("the old Grumblewood.".to_owned()), true));
        assert!(text("I think the answer is: **Old Grumblewood**\nbye").1);
        assert!(!text(" !\n").1, "what is nothing once normalised is no reference");
        assert!(text("@").1, "but a sign may be one");
        assert_eq!(text(" \n"), (None, false));
    }

    #[test]
    fn the_references_form_says_what_to_look_for() {
        let as_reference = |response, reference| apply(RobustKind::AsReference, response, &[reference]);
        assert_eq!(as_reference("So the answer is (B).", "(B)"), (Some("B".to_owned()), true));
        assert_eq!(as_reference("the answer is 24.", "24"), (Some("24".to_owned()), true));
        assert_eq!(as_reference("So the answer is False.", "False"), (Some("False.".to_owned()), true));
        assert!(!as_reference("So the answer is not so.", "yes").1);
        assert!(as_reference("So the answer is ] ) .", "] )").1);
    }
}
