//! One step of a filter, as task definitions write it.

use serde::{Deserialize, Serialize};

/// What a pattern's filter gives when nothing matches.
pub(super) const INVALID: &str = "[invalid]";

/// A step of a filter pipeline.
///
/// Source: lm-evaluation-harness 0.4.13, `lm_eval/filters/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case", deny_unknown_fields)]
pub enum FilterStep {
    /// Keeps the first of a document's responses. There is only one here.
    TakeFirst,
    /// Drops white space around the response.
    RemoveWhitespace,
    /// Drops one space at the beginning of the response, as the `remove_whitespace` of commit 9e6e240 does.
    RemoveLeadingSpace,
    /// Writes the response in lower case.
    Lowercase,
    /// Writes the response in upper case.
    Uppercase,
    /// Drops every match of a pattern.
    Remove {
        /// The pattern, in Python's dialect.
        pattern: String,
    },
    /// Keeps one match of a pattern: its first group that is not empty, or the whole match where it has no groups.
    Regex {
        /// The pattern, in Python's dialect.
        pattern: String,
        /// Which match: 0 is the first, -1 the last.
        #[serde(default)]
        group_select: isize,
        /// What to give when nothing matches.
        #[serde(default = "invalid")]
        fallback: String,
    },
    /// Keeps what stands between the first and the last dollar sign, or all where there are not two.
    MathAnswer {
        /// Whether what the last `\boxed{}` holds goes before.
        #[serde(default)]
        boxed: bool,
    },
    /// Keeps the answer that is given in the words of Minerva's protocol, in one way.
    MinervaAnswer,
    /// Like `regex`; where the pattern does not match, looks for a choice's text in the response and gives its letter
    /// in parentheses, then for a letter after a colon.
    MultiChoiceRegex {
        /// The pattern, in Python's dialect.
        pattern: String,
        /// Which match: 0 is the first, -1 the last.
        #[serde(default)]
        group_select: isize,
        /// What to give when nothing matches.
        #[serde(default = "invalid")]
        fallback: String,
        /// Whether choice and response are lower-cased before the choice is looked for.
        #[serde(default)]
        ignore_case: bool,
        /// Whether punctuation (Unicode category P) is dropped before the choice is looked for.
        #[serde(default)]
        ignore_punctuation: bool,
        /// Whether a longer choice is looked for before a shorter one. Commit 9e6e240 does not.
        #[serde(default = "yes")]
        longest_first: bool,
    },
}

fn yes() -> bool {
    true
}

fn invalid() -> String {
    INVALID.to_owned()
}
