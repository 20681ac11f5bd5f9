//! Files from the Hugging Face hub and its local cache.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

use super::{DataError, Dataset, files};

/// The files of a split: from the cache where they are all there, else fetched into it.
///
/// `HF_HOME` says where the cache is, `HF_HUB_OFFLINE` forbids the network, `HF_TOKEN` (or the token file in the cache)
/// opens gated data, `HF_ENDPOINT` names another hub.
///
/// # Errors
/// When the files are not in the cache and cannot be fetched.
pub(super) fn fetch(dataset: &Dataset, split: &str) -> Result<Vec<PathBuf>, DataError> {
    let cache = Cache::from_env();
    if let Some(files) = cached(&cache, dataset, split) {
        return Ok(files);
    }
    let file = format!("{}/{split}-*.parquet", dataset.config);
    if offline() {
        return Err(DataError::Offline { dataset: dataset.id.clone(), file, cache: cache.path().clone() });
    }
    let failed = |file: &str, source: Box<dyn Error + Send + Sync>| DataError::Hub {
        dataset: dataset.id.clone(),
        file: file.to_owned(),
        source,
    };

    let mut builder = ApiBuilder::from_env().with_progress(false);
    if let Some(token) = env::var("HF_TOKEN").ok().filter(|token| !token.is_empty()) {
        builder = builder.with_token(Some(token));
    }
    let api = builder.build().map_err(|source| failed(&file, source.into()))?.repo(repo(dataset));
    let info = api.info().map_err(|source| failed(&file, source.into()))?;
    let names = files::of_split(info.siblings.iter().map(|sibling| sibling.rfilename.as_str()), dataset, split);
    if names.is_empty() {
        return Err(DataError::NotOnHub { dataset: dataset.id.clone(), revision: dataset.revision.clone(), file });
    }
    names
        .into_iter()
        .map(|name| {
            tracing::info!(dataset = dataset.id, file = name, "fetching from the hub");
            api.get(name).map_err(|source| failed(name, source.into()))
        })
        .collect()
}

/// A folder of our own beside the cache, for files that are on no hub.
pub(super) fn neighbour() -> PathBuf {
    let cache = Cache::from_env().path().clone();
    cache.parent().map_or_else(|| cache.join("gac"), |folder| folder.join("gac"))
}

fn repo(dataset: &Dataset) -> Repo {
    Repo::with_revision(dataset.id.clone(), RepoType::Dataset, dataset.revision.clone())
}

/// The split's files in the cache; `None` unless all are there.
fn cached(cache: &Cache, dataset: &Dataset, split: &str) -> Option<Vec<PathBuf>> {
    let folder = cache.path().join(repo(dataset).folder_name());
    let commit = fs::read_to_string(folder.join("refs").join(&dataset.revision))
        .map_or_else(|_| dataset.revision.clone(), |commit| commit.trim().to_owned());
    let snapshot: &Path = &folder.join("snapshots").join(commit);
    files::find(snapshot, dataset, split).ok().flatten()
}

/// Whether `HF_HUB_OFFLINE` is set, as `huggingface_hub` reads it.
fn offline() -> bool {
    env::var("HF_HUB_OFFLINE")
        .is_ok_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_split_is_found_by_branch_and_by_commit() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("datasets--a--b");
        let snapshot = root.join("snapshots/0123abc/main");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(root.join("refs")).unwrap();
        fs::write(root.join("refs/main"), "0123abc\n").unwrap();
        fs::write(snapshot.join("test-00000-of-00001.parquet"), "").unwrap();

        let cache = Cache::new(folder.path().to_owned());
        for revision in ["main", "0123abc"] {
            let dataset = Dataset { id: "a/b".to_owned(), config: "main".to_owned(), revision: revision.to_owned() };
            assert_eq!(cached(&cache, &dataset, "test").map(|files| files.len()), Some(1), "{revision}");
            assert_eq!(cached(&cache, &dataset, "train"), None);
        }
    }
}
