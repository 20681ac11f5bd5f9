//! Splits from the Hugging Face hub and its local cache.

use std::env;
use std::path::{Path, PathBuf};

use gac_inference::{HubError, HubRepository, RepositoryKind};

use super::dataset::Dataset;
use super::error::DataError;
use super::files;

/// The files of a split: from the cache where they are all there, else fetched into it.
///
/// # Errors
/// When the files are not in the cache and cannot be fetched.
pub(super) fn fetch(dataset: &Dataset, split: &str) -> Result<Vec<PathBuf>, DataError> {
    let repository =
        HubRepository { kind: RepositoryKind::Dataset, id: dataset.id.clone(), revision: dataset.revision.clone() };
    if let Some(files) = files::find(&repository.cached(), dataset, split).ok().flatten() {
        return Ok(files);
    }
    let file = format!("{}/{split}-*.parquet", dataset.config);
    let listed = repository.list(&file)?;
    let names = files::of_split(listed.iter().map(String::as_str), dataset, split);
    if names.is_empty() {
        return Err(HubError::NotThere { file, id: repository.to_string(), place: gac_inference::LookedIn::Hub }.into());
    }
    Ok(names.into_iter().map(|name| repository.fetch(name)).collect::<Result<_, _>>()?)
}

/// The folder that holds what was fetched of a data set; it may not exist.
pub(super) fn cached(id: &str, revision: &str) -> PathBuf {
    HubRepository { kind: RepositoryKind::Dataset, id: id.to_owned(), revision: revision.to_owned() }.cached()
}

/// A folder of our own beside the hub's cache, for files that are on no hub.
pub(super) fn neighbour() -> PathBuf {
    let home = || Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache/huggingface");
    env::var_os("HF_HOME").map_or_else(home, PathBuf::from).join("gac")
}
