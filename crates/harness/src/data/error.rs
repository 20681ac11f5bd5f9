//! What can be wrong with data.

use std::path::PathBuf;

/// Data could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The data folder lacks a file.
    #[error("the data folder has no split `{split}` of `{dataset}`: looked for {}", list(looked_for))]
    NotInFolder {
        /// The data set's hub id.
        dataset: String,
        /// The split.
        split: String,
        /// Every place looked at.
        looked_for: Vec<PathBuf>,
    },
    /// A task's own files have no such split.
    #[error("there is no split `{split}`: the task has files of {}", named(available))]
    NoSuchSplit {
        /// The split.
        split: String,
        /// The splits there are.
        available: Vec<String>,
    },
    /// One of a task's own files is not there.
    #[error("split `{split}` is read from {}, which is not there", missing.display())]
    NoFile {
        /// The split.
        split: String,
        /// The file.
        missing: PathBuf,
    },
    /// Some shards of a split are there, others are not.
    #[error("split `{split}` of `{dataset}` is incomplete: {} is missing", missing.display())]
    MissingShard {
        /// The data set's hub id.
        dataset: String,
        /// The split.
        split: String,
        /// The first missing file.
        missing: PathBuf,
    },
    /// The hub did not give a file, or the hub may not be asked and its cache has none.
    #[error(transparent)]
    Hub(#[from] gac_inference::HubError),
    /// A file does not parse as parquet.
    #[error("failed to read {} as parquet", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file's rows are no JSON.
    #[error("failed to read {} as JSON, one row per line or a list of rows", path.display())]
    ReadJson {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file has another checksum than it should have.
    #[error("{} is refused: its SHA-256 is {found}, not {expected}", path.display())]
    Damaged {
        /// The file, or where it was fetched from.
        path: PathBuf,
        /// The checksum it should have.
        expected: String,
        /// The checksum it has.
        found: String,
    },
    /// A file that is on no hub could not be fetched.
    #[error("failed to fetch {url}: {reason}")]
    Download {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A fetched file could not be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A column that the task needs is not there.
    #[error("{} has no column `{column}`; its columns are {}", path.display(), available.join(", "))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The columns there are.
        available: Vec<String>,
    },
    /// A column holds something that no task uses.
    #[error("{}: column `{column}` holds {kind}, which cannot be used", path.display())]
    UnsupportedColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
}

fn named(splits: &[String]) -> String {
    splits.iter().map(|split| format!("`{split}`")).collect::<Vec<_>>().join(" and ")
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}
