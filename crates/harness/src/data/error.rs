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

impl DataError {
    /// A way out, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotInFolder { dataset, .. } => Some(format!(
                "a data folder is laid out as the hub is: DIR/{dataset}/<config>/<split>-00000-of-00001.parquet"
            )),
            Self::Hub(_) => Some("`--data-dir DIR` reads the data from a folder laid out as the hub is".to_owned()),
            Self::MissingShard { .. } | Self::Read { .. } => Some("fetch the file again".to_owned()),
            Self::MissingColumn { .. } | Self::UnsupportedColumn { .. } => None,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}
