//! Why a command could not do what it was asked.

use std::io;
use std::path::Path;

use crate::hints::hint_of;

/// An error with what a user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its own hint.
    pub(crate) fn with_hint(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: Some(hint.into()) }
    }

    /// A file or folder that cannot be written. `elsewhere` says how to name another one.
    pub(crate) fn cannot_write(path: &Path, source: io::Error, elsewhere: &str) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "make room and run the same command again"
            }
            _ => elsewhere,
        };
        let error = anyhow::Error::from(source).context(format!("failed to write `{}`", path.display()));
        Self::with_hint(error, hint)
    }

    /// The error and its causes as one paragraph.
    pub(crate) fn message(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for cause in self.error.chain() {
            let text = cause.to_string();
            // A transparent error says the same as its cause.
            if parts.last() != Some(&text) {
                parts.push(text);
            }
        }
        parts.join(": ")
    }

    /// What a user can do about it: the hint of the outermost cause that has one.
    pub(crate) fn hint(&self) -> Option<String> {
        self.hint.clone().or_else(|| self.error.chain().find_map(hint_of))
    }

    /// Whether whoever read our output went away: no failure of ours.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None }
    }
}
