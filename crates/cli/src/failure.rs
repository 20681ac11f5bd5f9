//! Why a command could not do what it was asked.

use std::error::Error;
use std::io;
use std::path::Path;

use gac_ensemble::{EnsembleError, RequestError};
use gac_harness::compare::CompareError;
use gac_harness::plan::PlanError;
use gac_harness::report::LeaderboardError;
use gac_harness::results::{FolderError, ManifestError, ReadError, StoredRunError};
use gac_harness::{DataError, MergeError, RunError, TaskError};
use gac_inference::remote::RemoteError;
use gac_inference::{ChatError, CheckpointError, EngineError, TokenizerLoadError};
use gac_systems::{OpenError, RecipeError};

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

/// The hint of one cause. Transparent wrappers hide what they wrap from the chain, so they are asked themselves.
fn hint_of(error: &(dyn Error + 'static)) -> Option<String> {
    macro_rules! ask {
        ($($kind:ty),*) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return error.hint().map(Into::into);
            })*
        };
    }
    ask!(RecipeError, PlanError, RunError, FolderError, TaskError, DataError, OpenError);
    ask!(MergeError, ManifestError, ReadError, StoredRunError, CompareError, LeaderboardError, RemoteError);
    ask!(EngineError, CheckpointError, TokenizerLoadError, ChatError, EnsembleError, RequestError);
    None
}
