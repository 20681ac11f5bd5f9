//! Filters made ready to use.

use serde::{Deserialize, Serialize};

use super::extract::Extract;
use super::multi_choice::MultiChoice;
use super::step::FilterStep;
use crate::metrics::{NO_ANSWER, between_dollars, boxed_answer, final_answer};
use crate::python::{PatternError, PythonRegex, strip};

/// A named sequence of steps, as task definitions write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterDefinition {
    /// The name results use: `strict-match`.
    pub name: String,
    /// The steps, in order.
    pub steps: Vec<FilterStep>,
}

/// A filter with its patterns compiled.
#[derive(Debug)]
pub struct FilterPipeline {
    name: String,
    steps: Vec<Compiled>,
}

#[derive(Debug)]
enum Compiled {
    TakeFirst,
    RemoveWhitespace,
    RemoveLeadingSpace,
    Lowercase,
    Uppercase,
    Remove(PythonRegex),
    Regex { extract: Extract, fallback: String },
    MathAnswer { boxed: bool },
    MinervaAnswer,
    MultiChoice(MultiChoice),
}

impl FilterPipeline {
    /// Compiles a definition.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(definition: &FilterDefinition) -> Result<Self, PatternError> {
        let steps = definition.steps.iter().map(Compiled::new).collect::<Result<_, _>>()?;
        Ok(Self { name: definition.name.clone(), steps })
    }

    /// The name results use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the filter makes of a response. `choices` are the texts of the document's choices, where it has any.
    pub fn apply(&self, response: &str, choices: &[String]) -> String {
        self.steps.iter().fold(response.to_owned(), |text, step| match step {
            Compiled::TakeFirst => text,
            Compiled::RemoveWhitespace => strip(&text).to_owned(),
            Compiled::RemoveLeadingSpace => text.strip_prefix(' ').unwrap_or(&text).to_owned(),
            Compiled::Lowercase => text.to_lowercase(),
            Compiled::Uppercase => text.to_uppercase(),
            Compiled::Remove(pattern) => pattern.remove_all(&text),
            Compiled::Regex { extract, fallback } => extract.first(&text).unwrap_or_else(|| fallback.clone()),
            Compiled::MathAnswer { boxed } => {
                let boxed = boxed_answer(&text).filter(|_| *boxed);
                boxed.unwrap_or_else(|| between_dollars(&text)).to_owned()
            }
            Compiled::MinervaAnswer => final_answer(&text),
            Compiled::MultiChoice(filter) => filter.apply(&text, choices),
        })
    }

    /// Whether what [`apply`](Self::apply) gave means that there was no answer: nothing but white space, or a
    /// pattern's fallback.
    pub fn is_no_answer(&self, extracted: &str) -> bool {
        strip(extracted).is_empty()
            || self.steps.iter().any(|step| match step {
                Compiled::TakeFirst
                | Compiled::RemoveWhitespace
                | Compiled::RemoveLeadingSpace
                | Compiled::Lowercase
                | Compiled::Uppercase
                | Compiled::Remove(_)
                | Compiled::MathAnswer { .. } => false,
                Compiled::Regex { fallback, .. } => extracted == fallback,
                Compiled::MinervaAnswer => extracted == NO_ANSWER,
                Compiled::MultiChoice(filter) => extracted == filter.fallback(),
            })
    }
}

impl Compiled {
    fn new(step: &FilterStep) -> Result<Self, PatternError> {
        Ok(match step {
            FilterStep::TakeFirst => Self::TakeFirst,
            FilterStep::RemoveWhitespace => Self::RemoveWhitespace,
            FilterStep::RemoveLeadingSpace => Self::RemoveLeadingSpace,
            FilterStep::Lowercase => Self::Lowercase,
            FilterStep::Uppercase => Self::Uppercase,
            FilterStep::Remove { pattern } => Self::Remove(PythonRegex::new(pattern)?),
            FilterStep::Regex { pattern, group_select, fallback } => {
                Self::Regex { extract: Extract::new(pattern, *group_select)?, fallback: fallback.clone() }
            }
            FilterStep::MathAnswer { boxed } => Self::MathAnswer { boxed: *boxed },
            FilterStep::MinervaAnswer => Self::MinervaAnswer,
            FilterStep::MultiChoiceRegex {
                pattern,
                group_select,
                fallback,
                ignore_case,
                ignore_punctuation,
                longest_first,
            } => Self::MultiChoice(MultiChoice {
                extract: Extract::new(pattern, *group_select)?,
                fallback: fallback.clone(),
                ignore_case: *ignore_case,
                ignore_punctuation: *ignore_punctuation,
                longest_first: *longest_first,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(pattern: &str, group_select: isize) -> FilterPipeline {
        FilterPipeline::new(&FilterDefinition {
            name: "test".to_owned(),
            steps: vec![
                FilterStep::Regex { pattern: pattern.to_owned(), group_select, fallback: "[invalid]".to_owned() },
                FilterStep::TakeFirst,
            ],
        })
        .unwrap()
    }

    #[test]
    fn the_first_or_the_last_match_is_taken() {
        let numbers = "(-?[$0-9.,]{2,})|(-?[0-9]+)";
        assert_eq!(pipeline(numbers, -1).apply("first 7, then $18.", &[]), "$18.");
        assert_eq!(pipeline(numbers, 0).apply("first 7 then $18.", &[]), "7");
    }

    #[test]
    fn a_response_without_a_match_is_no_answer() {
        let filter = pipeline("#### ([0-9]+)", 0);
        let extracted = filter.apply("the answer is 18", &[]);
        assert_eq!(extracted, "[invalid]");
        assert!(filter.is_no_answer(&extracted));
        assert!(!filter.is_no_answer(&filter.apply("#### 18", &[])));
    }

    #[test]
    fn one_leading_space_is_dropped_and_nothing_else() {
        let steps = vec![FilterStep::RemoveLeadingSpace, FilterStep::TakeFirst];
        let filter = FilterPipeline::new(&FilterDefinition { name: "test".to_owned(), steps }).unwrap();
        assert_eq!(filter.apply("  x \n", &[]), " x \n");
        assert_eq!(filter.apply("\u{a0}x", &[]), "\u{a0}x");
    }

    #[test]
    fn only_white_space_is_no_answer() {
        let steps = vec![FilterStep::RemoveWhitespace];
        let filter = FilterPipeline::new(&FilterDefinition { name: "test".to_owned(), steps }).unwrap();
        assert_eq!(filter.apply("\u{3000} x \n", &[]), "x");
        assert!(filter.is_no_answer(&filter.apply(" \n", &[])));
        assert!(!filter.is_no_answer("[invalid]"), "without a pattern this is a text like any other");
    }
}
