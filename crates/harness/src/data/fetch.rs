//! Data brought to this machine: once, file by file, so that a broken fetch goes on where it ended.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gac_inference::{HubRepository, RepositoryKind};
use gac_systems::sha256;

use super::manifest::{DataManifest, DatasetEntry, FileEntry, SourceEntry, SourceFile};
use super::verify::{self, FileState};
use super::{DataError, DataSource, Dataset, hub};

/// A file that some tasks need.
#[derive(Clone, Debug)]
pub struct NeededFile {
    /// Where it is: `id/path` for the hub's, its place in a data folder for lm-evaluation-harness's.
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Hub {
        entry: &'static DatasetEntry,
        file: &'static FileEntry,
    },
    Source {
        entry: &'static SourceEntry,
        file: &'static SourceFile,
    },
    /// A split of a data set that the manifest does not have.
    Unknown {
        dataset: Dataset,
        split: String,
    },
}

/// How a needed file stands.
#[derive(Debug)]
pub enum Standing {
    /// It is there.
    There {
        /// Where.
        path: PathBuf,
        /// What it is.
        state: FileState,
        /// Its rows, for data.
        rows: Option<usize>,
        /// The rows it should have, where that is known.
        expected_rows: Option<usize>,
    },
    /// It is not there.
    Missing,
    /// It is there and cannot be used.
    Refused(DataError),
}

/// What tasks need: splits of data sets, and files of lm-evaluation-harness by their place in a data folder.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    pub(crate) splits: BTreeSet<(Dataset, String)>,
    pub(crate) sources: BTreeSet<String>,
}

impl Needs {
    /// The files that hold it, in alphabetical order.
    pub fn files(&self) -> Vec<NeededFile> {
        let manifest = DataManifest::built_in();
        let mut files = Vec::new();
        for (dataset, split) in &self.splits {
            let Dataset { id, config, revision, .. } = dataset;
            if let Some(entry) = manifest.dataset(id, config).filter(|entry| entry.revision == *revision) {
                let of_split = entry.files.iter().filter(|file| file.split == *split);
                files.extend(
                    of_split.map(|file| NeededFile {
                        name: format!("{id}/{}", file.path),
                        kind: Kind::Hub { entry, file },
                    }),
                );
            } else {
                let name = format!("{id}/{config}/{split}");
                let kind = Kind::Unknown { dataset: dataset.clone(), split: split.clone() };
                files.push(NeededFile { name, kind });
            }
        }
        for place in &self.sources {
            files.extend(
                manifest
                    .source(place)
                    .map(|(entry, file)| NeededFile { name: place.clone(), kind: Kind::Source { entry, file } }),
            );
        }
        files
    }
}

impl NeededFile {
    /// How the file stands in `data`, without asking any network.
    pub fn standing(&self, data: &DataSource) -> Standing {
        let found = match &self.kind {
            Kind::Hub { entry, file } => known(data, entry, file),
            Kind::Source { .. } => {
                let path = data.file(&self.name);
                if path.is_file() {
                    verify::source_file(&self.name, &path)
                        .map(|state| Some(Standing::There { path, state, rows: None, expected_rows: None }))
                } else {
                    Ok(None)
                }
            }
            Kind::Unknown { dataset, split } => data.local_files(dataset, split).map(|found| {
                let path = found?.into_iter().next()?;
                Some(Standing::There { path, state: FileState::Other, rows: None, expected_rows: None })
            }),
        };
        match found {
            Ok(Some(standing)) => standing,
            Ok(None) => Standing::Missing,
            Err(error) => Standing::Refused(error),
        }
    }

    /// Brings the file to `data`: a data folder, or the hub's cache and its neighbour. A file that is there is left
    /// alone. `false` when there was nothing to do.
    ///
    /// # Errors
    /// When it is there and damaged, cannot be fetched or written, or arrives with another checksum.
    pub fn fetch(&self, data: &DataSource) -> Result<bool, DataError> {
        match self.standing(data) {
            Standing::There { .. } => return Ok(false),
            Standing::Refused(error) => return Err(error),
            Standing::Missing => {}
        }
        match &self.kind {
            Kind::Hub { entry, file } => {
                let repository = HubRepository {
                    kind: RepositoryKind::Dataset,
                    id: entry.id.clone(),
                    revision: entry.revision.clone(),
                };
                let cached = repository.fetch(&file.path)?;
                verify::dataset_file(&entry.id, &repository.cached(), &cached)?;
                if let Some(folder) = data.folder() {
                    let bytes = fs::read(&cached)
                        .map_err(|source| DataError::Read { path: cached.clone(), source: source.into() })?;
                    place(&folder.join(&self.name), &bytes)?;
                }
            }
            Kind::Source { entry, file } => {
                let bytes = download(entry, file)?;
                place(&data.file(&self.name), &bytes)?;
            }
            Kind::Unknown { dataset, split } => {
                for path in hub::fetch(dataset, split)? {
                    if let (Some(folder), Some(name)) = (data.folder(), path.file_name()) {
                        let bytes = fs::read(&path)
                            .map_err(|source| DataError::Read { path: path.clone(), source: source.into() })?;
                        place(&folder.join(&dataset.id).join(&dataset.config).join(name), &bytes)?;
                    }
                }
            }
        }
        Ok(true)
    }
}

/// How a file that the manifest has stands; `None` when it is not there.
fn known(data: &DataSource, entry: &DatasetEntry, file: &FileEntry) -> Result<Option<Standing>, DataError> {
    let root = data.root(&entry.id, &entry.revision);
    let path = root.join(&file.path);
    if !path.is_file() {
        return Ok(None);
    }
    let state = verify::dataset_file(&entry.id, &root, &path)?;
    let rows = verify::rows(&path)?;
    Ok(Some(Standing::There { path, state, rows: Some(rows), expected_rows: verify::expected_rows(file, state) }))
}

/// A file of a GitHub repository, checked. `GAC_GITHUB_ENDPOINT` names another server.
fn download(entry: &SourceEntry, file: &SourceFile) -> Result<Vec<u8>, DataError> {
    let endpoint = env::var("GAC_GITHUB_ENDPOINT").unwrap_or_else(|_| "https://raw.githubusercontent.com".to_owned());
    let url = format!("{endpoint}/{}/{}/{}", entry.repository, entry.revision, file.path);
    let failed = |reason: String| DataError::Download { url: url.clone(), reason };
    let is_set = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
    if env::var("HF_HUB_OFFLINE").is_ok_and(is_set) {
        return Err(failed("HF_HUB_OFFLINE is set".to_owned()));
    }
    tracing::info!(url, "fetching");
    let mut response = ureq::get(&url).call().map_err(|error| failed(error.to_string()))?;
    let bytes = response.body_mut().read_to_vec().map_err(|error| failed(error.to_string()))?;
    let found = sha256::of_bytes(&bytes);
    if found != file.sha256 {
        return Err(DataError::Damaged { path: PathBuf::from(url), expected: file.sha256.clone(), found });
    }
    Ok(bytes)
}

/// Puts a file in its place, whole or not at all.
fn place(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        fs::write(&part, bytes)?;
        fs::rename(&part, path)
    };
    write().map_err(|source| DataError::Write { path: path.to_owned(), source })
}
