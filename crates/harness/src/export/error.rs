//! A run cannot be put into a format.

use std::path::PathBuf;

/// A run cannot be put into a format.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A record cannot be written as YAML.
    #[error("a record cannot be written as YAML")]
    Yaml(#[source] serde_norway::Error),
    /// A file of a run cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of a zip archive cannot be written.
    #[error("`{file}` cannot be written into an archive")]
    Archive {
        /// Its name in there.
        file: String,
        /// Why.
        #[source]
        source: zip::result::ZipError,
    },
}
