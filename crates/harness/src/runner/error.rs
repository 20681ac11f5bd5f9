//! Why a run ended early.

use std::error::Error;
use std::io;

use crate::frames::FrameError;
use crate::results::{FolderError, ManifestError, ReadError};

/// A run ended early. What was finished is on the disk.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no system.
    #[error("there are no systems to run")]
    NoSystems,
    /// There is no task.
    #[error("there are no tasks to run")]
    NoTasks,
    /// A task has nothing to ask.
    #[error("task `{task}` has no documents")]
    NoDocuments {
        /// The task.
        task: String,
    },
    /// Every repeat of a document would be the same.
    #[error("system `{system}` takes the most probable token on task `{task}`: asked again, it answers the same")]
    NothingDrawn {
        /// The system.
        system: String,
        /// The task.
        task: String,
    },
    /// The run's folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The run that is to be gone on with cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its samples cannot be read.
    #[error(transparent)]
    Samples(#[from] ReadError),
    /// A table cannot be worked out.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A system cannot be opened.
    #[error("failed to open system `{system}`")]
    Open {
        /// The system.
        system: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A system stopped in the middle of a task.
    #[error("system `{system}` failed on task `{task}` after {finished} of {documents} documents")]
    System {
        /// The system.
        system: String,
        /// The task.
        task: String,
        /// Documents answered, and on the disk.
        finished: usize,
        /// Documents of the task.
        documents: usize,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Not one document of a task could be asked.
    #[error("system `{system}` failed on all {documents} documents of task `{task}`, on the first as follows: {first}")]
    AllFailed {
        /// The system.
        system: String,
        /// The task.
        task: String,
        /// Documents of the task.
        documents: usize,
        /// Why the first one failed.
        first: String,
    },
    /// A system said it was done and was not, or answered what it was not asked.
    #[error("system `{system}` did not answer task `{task}` as asked: {what}")]
    Protocol {
        /// The system.
        system: String,
        /// The task.
        task: String,
        /// What it did.
        what: String,
    },
    /// A task's aggregates lack the metric it names as its primary one.
    #[error("task `{task}` has no value for its primary metric `{metric}`")]
    NoPrimary {
        /// The task.
        task: String,
        /// Metric and filter.
        metric: String,
    },
    /// A listener cannot pass events on.
    #[error("failed to report progress")]
    Report(#[source] io::Error),
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
