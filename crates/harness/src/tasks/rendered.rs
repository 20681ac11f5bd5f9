//! A document as its task's templates write it.

use serde_json::Value as Json;

/// A reference answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// The index of the right choice.
    Index(usize),
    /// The indices of choices of which any will do.
    Indices(Vec<usize>),
    /// A text.
    Text(String),
    /// Texts of which any will do.
    Texts(Vec<String>),
}

/// A document through its task's templates.
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) target: Target,
    /// The choices' texts; empty where the task has none.
    pub(super) choices: Vec<String>,
    /// What follows each choice, where choices are parts of the question.
    pub(super) continuation: Option<String>,
    /// Whether each choice is right, where several are; empty elsewhere.
    pub(super) right_choices: Vec<bool>,
    /// The text that perplexities are per a word or byte of, where it is another than the target.
    pub(super) measured: Option<String>,
    /// The text that says how the target comes about, where a metric looks for the answer in it.
    pub(super) solution: Option<String>,
    /// What the answer begins with, where the task says so.
    pub(super) answer_prefix: Option<String>,
}

impl Rendered {
    /// The number of the right choice; none where the target is no choice.
    pub(super) fn right_choice(&self) -> Option<usize> {
        self.target.choice(&self.choices)
    }
}

impl Target {
    /// As results show it.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Index(index) => (*index).into(),
            Self::Indices(indices) => indices.clone().into(),
            Self::Text(text) => text.clone().into(),
            Self::Texts(texts) => texts.clone().into(),
        }
    }

    /// The number of the choice that it is, of several the first; none where one is none of `choices`.
    pub(super) fn choice(&self, choices: &[String]) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index).filter(|index| *index < choices.len()),
            Self::Indices(indices) => {
                indices.first().copied().filter(|_| indices.iter().all(|index| *index < choices.len()))
            }
            Self::Text(text) => choices.iter().position(|choice| choice == text),
            Self::Texts(_) => None,
        }
    }

    /// Whether a choice is right.
    pub(super) fn accepts(&self, chosen: usize, choices: &[String]) -> bool {
        match self {
            Self::Indices(indices) => indices.contains(&chosen),
            other => other.choice(choices) == Some(chosen),
        }
    }

    /// The accepted texts; none for an index.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Index(_) | Self::Indices(_) => Vec::new(),
            Self::Text(text) => vec![text],
            Self::Texts(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// What is wrong with the number of a choice that is not there.
pub(super) fn outside(number: &impl std::fmt::Display, choices: usize) -> String {
    match choices.checked_sub(1) {
        Some(last) => format!("its answer is {number}, but its choices are numbered 0 to {last}"),
        None => format!("its answer is {number}, but it has no choices"),
    }
}

/// Ones and zeros, as many as there are choices.
pub(super) fn flags(labels: &Json, choices: usize) -> Result<Vec<bool>, String> {
    let flag = |label: &Json| label.as_u64().filter(|label| *label < 2).map(|label| label == 1);
    let flags: Option<Vec<bool>> = labels.as_array().and_then(|labels| labels.iter().map(flag).collect());
    flags
        .filter(|flags| flags.len() == choices)
        .ok_or_else(|| format!("its labels are {labels}, not one of 0 and 1 for each of its {choices} choices"))
}
