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
}

impl PlanError {
    /// The way out, for a `hint:` line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Systems(error) => error.hint(),
            Self::NoTasks => Some("name at least one (`gac tasks list` shows all)".to_owned()),
            Self::NoData { .. } => Some(
                "a path in a recipe is relative to the recipe's folder, one on the command line to the present one"
                    .to_owned(),
            ),
            Self::EmptyName | Self::Duplicate { .. } | Self::NoBatch => None,
        }
    }
}
