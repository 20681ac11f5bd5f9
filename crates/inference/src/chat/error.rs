//! What can be wrong with chats and their templates.

use crate::checkpoint::error::CheckpointError;

/// A chat that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// A file of the checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The template's file cannot be read.
    #[error("failed to read the chat template `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// There is none.
    #[error("`{model}` has no chat template")]
    NoTemplate {
        /// The model.
        model: String,
    },
    /// There are several, and none is the default.
    #[error("`{model}` has several chat templates and none of them is called `default`: {}", .known.join(", "))]
    NoDefault {
        /// The model.
        model: String,
        /// Their names.
        known: Vec<String>,
    },
    /// Neither a template's name nor a file.
    #[error("`{model}` has no chat template `{name}`, and there is no such file; it has {}", .known.join(", "))]
    UnknownTemplate {
        /// The model.
        model: String,
        /// What was asked for.
        name: String,
        /// Names of its templates.
        known: Vec<String>,
    },
    /// It is not Jinja.
    #[error("the chat template of `{model}` cannot be used: {reason}")]
    Syntax {
        /// The model.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// It does not take these messages.
    #[error("the chat template refuses the messages: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
}
