//! Data sets by their contents.

use serde::{Deserialize, Serialize};

use super::file_hash::{FileHash, HashCache};
use super::model::IdentityError;
use crate::tasks::task_definition;
use crate::{DataSource, TaskError};

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

/// The splits that tasks read, documents and shots, each once.
///
/// # Errors
/// When a task is unknown, or a file cannot be found or read.
pub fn data_files(tasks: &[&str], data: &DataSource, cache: &mut HashCache) -> Result<Vec<DataFiles>, DataFilesError> {
    let mut found: Vec<DataFiles> = Vec::new();
    for task in tasks {
        let definition = task_definition(task)?;
        for split in [&definition.split, &definition.fewshot.split] {
            let dataset = &definition.dataset;
            let known = |files: &DataFiles| {
                (&files.dataset, &files.config, &files.split) == (&dataset.id, &dataset.config, split)
            };
            if found.iter().any(known) {
                continue;
            }
            let paths = match data.files(dataset, split) {
                Ok(paths) => paths,
                // Shots come from a split that a run without shots does not need.
                Err(_) if split == &definition.fewshot.split && split != &definition.split => continue,
                Err(source) => return Err(TaskError::Data { task: definition.name.clone(), source }.into()),
            };
            let files = paths
                .iter()
                .map(|path| cache.hash(path).map_err(|source| IdentityError::Read { path: path.clone(), source }));
            found.push(DataFiles {
                dataset: dataset.id.clone(),
                config: dataset.config.clone(),
                revision: dataset.revision.clone(),
                split: split.clone(),
                files: files.collect::<Result<_, _>>()?,
            });
        }
    }
    Ok(found)
}

/// What data were read cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum DataFilesError {
    /// The task or its data cannot be found.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] IdentityError),
}
