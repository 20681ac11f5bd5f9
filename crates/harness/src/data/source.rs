//! Where data comes from: a folder, or the hub.

use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::error::DataError;
use super::parquet::Row;
use super::{files, hub, local, parquet, verify};

/// Finds and reads the files of data sets.
#[derive(Clone, Debug, Default)]
pub struct DataSource {
    dir: Option<PathBuf>,
}

impl DataSource {
    /// Reads from `data_dir`, laid out as the hub is (`DIR/openai/gsm8k/main/test-00000-of-00001.parquet`), and from
    /// nowhere else; or, without one, from the hub's local cache and the hub.
    pub fn new(data_dir: Option<PathBuf>) -> Self {
        Self { dir: data_dir }
    }

    /// The data folder; `None` where data come from the hub.
    pub fn folder(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Where a file that is on no hub is: in the data folder, or beside the hub's cache.
    pub fn file(&self, relative: &str) -> PathBuf {
        self.dir.clone().unwrap_or_else(hub::neighbour).join(relative)
    }

    /// A data set's own folder: in the data folder, or in the hub's cache. It may not exist.
    pub(super) fn root(&self, id: &str, revision: &str) -> PathBuf {
        self.dir.as_ref().map_or_else(|| hub::cached(id, revision), |dir| dir.join(id))
    }

    /// A file of lm-evaluation-harness, checked against its checksum.
    ///
    /// # Errors
    /// When its checksum is another.
    pub(crate) fn checked_file(&self, relative: &str) -> Result<PathBuf, DataError> {
        let path = self.file(relative);
        // Whoever reads it says that it is missing.
        if path.is_file() {
            verify::source_file(relative, &path)?;
        }
        Ok(path)
    }

    /// The files of a split that are on this machine; `None` when there are none.
    pub(super) fn local_files(&self, dataset: &Dataset, split: &str) -> Result<Option<Vec<PathBuf>>, DataError> {
        if !dataset.files.is_empty() {
            let named = dataset.files.get(split).ok_or_else(|| DataError::NoSuchSplit {
                split: split.to_owned(),
                available: dataset.files.keys().cloned().collect(),
            })?;
            return Ok(named.iter().all(|path| path.is_file()).then(|| named.clone()));
        }
        files::find(&self.root(&dataset.id, &dataset.revision), dataset, split)
    }

    /// The files of a split, in order.
    ///
    /// # Errors
    /// When the folder lacks them (the error names the paths looked for), or the hub does not give them.
    pub fn files(&self, dataset: &Dataset, split: &str) -> Result<Vec<PathBuf>, DataError> {
        if self.dir.is_none() && dataset.files.is_empty() {
            return hub::fetch(dataset, split);
        }
        self.local_files(dataset, split)?.ok_or_else(|| self.not_here(dataset, split))
    }

    /// The rows of a split, in order, with the named columns only, or with all where none is named.
    ///
    /// # Errors
    /// As [`files`](Self::files); and when a file fails its checksum, does not parse or lacks a column.
    pub fn rows(&self, dataset: &Dataset, split: &str, columns: &[String]) -> Result<Vec<Row>, DataError> {
        self.read_each(dataset, self.files(dataset, split)?, columns)
    }

    /// The rows of a split that is on this machine, in order, with all of their columns.
    ///
    /// # Errors
    /// As [`rows`](Self::rows), but that the hub is not asked.
    pub(crate) fn whole_rows(&self, dataset: &Dataset, split: &str) -> Result<Vec<Row>, DataError> {
        let files = self.local_files(dataset, split)?.ok_or_else(|| self.not_here(dataset, split))?;
        self.read_each(dataset, files, &[])
    }

    /// The file of a split on this machine that holds its row `number`, and the row's number in it.
    pub(crate) fn place_of_row(&self, dataset: &Dataset, split: &str, number: usize) -> Option<(PathBuf, usize)> {
        let mut left = number;
        for path in self.local_files(dataset, split).ok()?? {
            let rows = parquet::height(&path).ok()?;
            if left < rows {
                return Some((path, left));
            }
            left -= rows;
        }
        None
    }

    fn read_each(&self, dataset: &Dataset, files: Vec<PathBuf>, columns: &[String]) -> Result<Vec<Row>, DataError> {
        let mut rows = Vec::new();
        let root = self.root(&dataset.id, &dataset.revision);
        for path in files {
            if dataset.files.is_empty() {
                verify::dataset_file(&dataset.id, &root, &path)?;
            }
            rows.extend(local::read(&path, columns)?);
        }
        Ok(rows)
    }

    fn not_here(&self, dataset: &Dataset, split: &str) -> DataError {
        if let Some(missing) = dataset.files.get(split).and_then(|files| files.iter().find(|path| !path.is_file())) {
            return DataError::NoFile { split: split.to_owned(), missing: missing.clone() };
        }
        DataError::NotInFolder {
            dataset: dataset.id.clone(),
            split: split.to_owned(),
            looked_for: files::expected(&self.root(&dataset.id, &dataset.revision), dataset, split),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::dataset::main_branch;
    use super::*;

    #[test]
    fn a_folder_without_the_file_names_the_paths_looked_for() {
        let source = DataSource::new(Some("/nowhere".into()));
        let dataset = Dataset {
            id: "a/b".to_owned(),
            config: "main".to_owned(),
            revision: main_branch(),
            files: BTreeMap::new(),
        };
        let error = source.rows(&dataset, "test", &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the data folder has no split `test` of `a/b`: looked for \
             /nowhere/a/b/main/test-00000-of-00001.parquet and /nowhere/a/b/main/test/0000.parquet"
        );
    }
}
