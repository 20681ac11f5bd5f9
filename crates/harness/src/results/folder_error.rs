//! Why a run's folder cannot be used.

use std::io;
use std::path::PathBuf;

/// A run's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process writes to it.
    #[error("`{}` is in use by another gac{}", path.display(), holder.as_ref().map_or_else(String::new, |holder| format!(" ({holder})")))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// `process 123`, where it could be read.
        holder: Option<String>,
    },
    /// It holds something else.
    #[error("`{}` is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// It is a file.
    #[error("`{}` is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
