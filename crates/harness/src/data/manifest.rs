//! What is known of the public data: revisions, files, checksums, licences, row counts.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

static BUILT_IN: LazyLock<DataManifest> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../datasets/manifest.toml")).expect("the built-in manifest parses")
});

/// Every data set and file that the built-in tasks read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataManifest {
    /// Data sets of the hub.
    #[serde(rename = "dataset")]
    pub datasets: Vec<DatasetEntry>,
    /// Files from elsewhere.
    #[serde(rename = "source")]
    pub sources: Vec<SourceEntry>,
}

/// One configuration of a data set of the hub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetEntry {
    /// `organisation/name`.
    pub id: String,
    /// The folder its files are in.
    pub config: String,
    /// Commit, or branch where none is pinned.
    pub revision: String,
    /// SPDX identifier.
    pub licence: String,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
}

/// A file of a data set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The split it holds.
    pub split: String,
    /// Its place in the data set's folder.
    pub path: String,
    /// Rows of the hub's file, where a public source states them.
    pub rows: Option<usize>,
    /// SHA-256 of the hub's file, where a public source states it.
    pub sha256: Option<String>,
    /// The same split as rebuilt from public GitHub repositories.
    pub rebuilt: Option<RebuiltFile>,
}

/// A file that was rebuilt: known by its size and its checksum.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuiltFile {
    /// Rows; fewer than the hub's where not all could be had.
    pub rows: usize,
    /// Size.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// Files of a GitHub repository at one revision.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Their place in the data folder.
    pub folder: String,
    /// `owner/name` on GitHub.
    pub repository: String,
    /// Tag or commit.
    pub revision: String,
    /// SPDX identifier.
    pub licence: String,
    /// The files.
    pub files: Vec<SourceFile>,
}

/// A file of a repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its place in the repository, and in the folder.
    pub path: String,
    /// SHA-256.
    pub sha256: String,
}

impl DataManifest {
    /// The manifest that is part of this program.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// What is known of a configuration of a data set.
    pub fn dataset(&self, id: &str, config: &str) -> Option<&DatasetEntry> {
        self.datasets.iter().find(|entry| entry.id == id && entry.config == config)
    }

    /// What is known of a file of a data set.
    pub(super) fn file(&self, id: &str, path: &str) -> Option<&FileEntry> {
        let mut files = self.datasets.iter().filter(|entry| entry.id == id).flat_map(|entry| &entry.files);
        files.find(|file| file.path == path)
    }

    /// What is known of a file of a repository, by its place in the data folder.
    pub fn source(&self, place: &str) -> Option<(&SourceEntry, &SourceFile)> {
        self.sources.iter().find_map(|source| {
            let path = place.strip_prefix(&source.folder)?.strip_prefix('/')?;
            source.files.iter().find(|file| file.path == path).map(|file| (source, file))
        })
    }
}

impl SourceEntry {
    /// A file's place in the data folder.
    pub fn place(&self, file: &SourceFile) -> String {
        format!("{}/{}", self.folder, file.path)
    }
}

/// A file's path inside the data set's folder, as the manifest writes it.
pub(super) fn inner_path(root: &Path, path: &Path) -> Option<String> {
    let inner: PathBuf = path.strip_prefix(root).ok()?.to_owned();
    let parts: Option<Vec<&str>> = inner.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::task_names;

    #[test]
    fn every_built_in_tasks_data_are_in_the_manifest_at_the_tasks_revision() {
        for task in task_names() {
            let definition = crate::tasks::task_definition(task.name).unwrap();
            let own_files = definition.subjects.as_ref().filter(|subjects| subjects.column.is_none());
            let names = own_files.map_or(&[][..], |subjects| &subjects.names);
            let configs: Vec<String> =
                if names.is_empty() { vec![definition.dataset.config.clone()] } else { names.to_vec() };
            for config in configs {
                let entry = BUILT_IN.dataset(&definition.dataset.id, &config).unwrap();
                assert_eq!(entry.revision, definition.dataset.revision, "{}", task.name);
                assert!(entry.files.iter().any(|file| file.split == definition.split), "{} {config}", task.name);
            }
        }
    }

    #[test]
    fn checksums_are_64_hexadecimal_digits_and_licences_are_stated() {
        let is_checksum = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for entry in &BUILT_IN.datasets {
            assert!(!entry.licence.is_empty());
            for file in &entry.files {
                assert!(file.path.starts_with(&entry.config) && file.rows != Some(0), "{}", file.path);
                assert!(file.sha256.as_deref().is_none_or(is_checksum), "{}", file.path);
                assert!(file.rebuilt.as_ref().is_none_or(|it| is_checksum(&it.sha256) && Some(it.rows) <= file.rows));
            }
        }
        let files: Vec<&SourceFile> = BUILT_IN.sources.iter().flat_map(|source| &source.files).collect();
        assert_eq!(files.len(), 2 * 28 + 27 + 3);
        assert!(files.iter().all(|file| is_checksum(&file.sha256)));
    }
}
