//! Why two runs cannot be compared.

use std::fmt;

use crate::frames::FrameError;
use crate::stats::{Side, StatsError};

/// Two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They did not do the same.
    #[error("the runs cannot be compared: {}", list(.0))]
    Different(Vec<Mismatch>),
    /// A system that neither run has.
    #[error("no system `{system}` in the {side} run")]
    UnknownSystem {
        /// The system asked for.
        system: String,
        /// The run without it.
        side: Side,
        /// The systems it has.
        known: Vec<String>,
    },
    /// The statistics refuse.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// A table cannot be worked out.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// One thing in which two runs differ that makes their scores no pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A system on one side only.
    System {
        /// The system.
        system: String,
        /// The run without it.
        missing_in: Side,
    },
    /// A task on one side only.
    Task {
        /// The task.
        task: String,
        /// The run without it.
        missing_in: Side,
    },
    /// A task done by two protocols.
    Protocol {
        /// The task.
        task: String,
        /// What differs: `version`, `shots` or `metric`.
        what: &'static str,
        /// In the base run.
        base: String,
        /// In the new run.
        new: String,
    },
    /// Documents on one side only.
    Documents {
        /// The task.
        task: String,
        /// The run without them.
        missing_in: Side,
        /// How many there are.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// Documents that are not the same on both sides.
    Contents {
        /// The task.
        task: String,
        /// What differs.
        what: Content,
        /// How many documents differ.
        count: usize,
        /// Of how many.
        documents: usize,
        /// The first of them.
        first: String,
    },
}

/// What of a document can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its own fields.
    Document,
    /// What was asked about it.
    Prompt,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { system, missing_in } => {
                write!(formatter, "system `{system}` is missing in the {missing_in} run")
            }
            Self::Task { task, missing_in } => write!(formatter, "task `{task}` is missing in the {missing_in} run"),
            Self::Protocol { task, what, base, new } => {
                write!(formatter, "the {what} of task `{task}` is {base} in the base run and {new} in the new one")
            }
            Self::Documents { task, missing_in, count, first } => write!(
                formatter,
                "{count} documents of task `{task}` are missing in the {missing_in} run, the first is {first}"
            ),
            Self::Contents { task, what, count, documents, first } => {
                let what = match what {
                    Content::Document => "have other contents",
                    Content::Prompt => "were asked with another prompt",
                };
                write!(formatter, "{count} of {documents} documents of task `{task}` {what}, the first is {first}")
            }
        }
    }
}

fn list(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
