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

impl FolderError {
    /// The way out, for a `hint:` line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { .. } => {
                Some("wait for it to end, or choose another `--output-path`; nothing was changed".to_owned())
            }
            Self::NotEmpty { .. } | Self::NotAFolder { .. } => {
                Some("choose an `--output-path` that does not exist yet, or an empty folder".to_owned())
            }
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    Some("make room and run the same command again: finished samples are kept".to_owned())
                }
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => {
                    Some("choose an `--output-path` that can be written to".to_owned())
                }
                _ => None,
            },
        }
    }
}
