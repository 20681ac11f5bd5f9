//! What can be wrong with a recipe's contents.

use std::path::PathBuf;

use gac_systems::SpecError;

/// A recipe names something that does not exist or asks for something that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Its models or systems.
    #[error(transparent)]
    Systems(#[from] SpecError),
    /// Nothing to ask.
    #[error("there are no tasks")]
    NoTasks,
    /// A task's name without characters.
    #[error("a task has an empty name")]
    EmptyName,
    /// The same task twice.
    #[error("task `{name}` is listed twice")]
    Duplicate {
        /// Its name.
        name: String,
    },
    /// The data folder is not there.
    #[error("the data folder is not there: no `{}`", path.display())]
    NoData {
        /// Where it was to be found.
        path: PathBuf,
    },
    /// Nothing may be in flight.
    #[error("the batch size is 0; it must be at least 1")]
    NoBatch,
    /// Documents that are asked no times.
    #[error("repeats are 0; documents are asked at least once")]
    NoRepeats,
}
