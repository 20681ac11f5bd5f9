//! Data sets by their contents.

use std::collections::BTreeSet;

use gac_systems::{FileHash, HashCache, IdentityError};
use serde::{Deserialize, Serialize};

use crate::data::DataSource;
use crate::data::{DataError, Dataset};

/// A split that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFiles {
    /// The data set's hub id.
    pub dataset: String,
    /// Its configuration.
    pub config: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The split.
    pub split: String,
    /// Its files, in order.
    pub files: Vec<FileHash>,
}

/// A file of lm-evaluation-harness that shots or descriptions were read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFile {
    /// Its place in a data folder.
    pub place: String,
    /// What it holds.
    #[serde(flatten)]
    pub hash: FileHash,
}

/// Hashes files of lm-evaluation-harness, or remembers their hashes; each place once.
///
/// # Errors
/// When a file cannot be read.
pub fn task_files(
    places: impl IntoIterator<Item = String>,
    data: &DataSource,
    cache: &mut HashCache,
) -> Result<Vec<TaskFile>, IdentityError> {
    let places: BTreeSet<String> = places.into_iter().collect();
    let hashed = places.into_iter().map(|place| {
        let path = data.file(&place);
        let hash = cache.hash(&path).map_err(|source| IdentityError::Read { path, source })?;
        Ok(TaskFile { place, hash })
    });
    hashed.collect()
}

/// Hashes the files of splits, or remembers their hashes; each split once.
///
/// # Errors
/// When a file cannot be found or read.
pub fn data_files<'a>(
    splits: impl IntoIterator<Item = (&'a Dataset, &'a str)>,
    data: &DataSource,
    cache: &mut HashCache,
) -> Result<Vec<DataFiles>, DataFilesError> {
    let mut found: Vec<DataFiles> = Vec::new();
    for (dataset, split) in splits {
        let is_split = |files: &DataFiles| {
            (files.dataset.as_str(), files.config.as_str(), files.split.as_str())
                == (dataset.id.as_str(), dataset.config.as_str(), split)
        };
        if found.iter().any(is_split) {
            continue;
        }
        let files = data.files(dataset, split)?.into_iter().map(|path| {
            let hash = cache.hash(&path);
            hash.map_err(|source| IdentityError::Read { path, source })
        });
        found.push(DataFiles {
            dataset: dataset.id.clone(),
            config: dataset.config.clone(),
            revision: dataset.revision.clone(),
            split: split.to_owned(),
            files: files.collect::<Result<_, _>>()?,
        });
    }
    Ok(found)
}

/// What data were read cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum DataFilesError {
    /// The data cannot be found.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] IdentityError),
}
