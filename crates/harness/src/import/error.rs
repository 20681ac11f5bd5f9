//! Why a run of another harness cannot be read.

use std::path::PathBuf;

use crate::results::FolderError;

/// A run of another harness cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is none.
    #[error("`{}` holds no run of lm-evaluation-harness: it has no {what}", folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
        /// What is not there.
        what: String,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("line {line} of `{}` is not lm-evaluation-harness's", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No metric of a task is one of documents that stands in a leaderboard.
    #[error("task `{task}` has no metric that is a number from 0 to 1 of every document, and better when higher")]
    NoMetric {
        /// The task.
        task: String,
        /// What it has: `metric,filter`.
        known: Vec<String>,
    },
    /// A metric was asked for that a task does not have.
    #[error("task `{task}` has no metric `{metric}`")]
    UnknownMetric {
        /// The task.
        task: String,
        /// The metric asked for.
        metric: String,
        /// What it has.
        known: Vec<String>,
    },
    /// A metric was asked for of a task that is not there.
    #[error("there is no task `{task}`")]
    UnknownTask {
        /// The task.
        task: String,
        /// The tasks there are.
        known: Vec<String>,
    },
    /// The folder that is written to cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It holds something.
    #[error("`{}` holds a run already", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
}
