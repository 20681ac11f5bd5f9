//! Files of the Hugging Face hub: its cache, its environment variables, its network.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

/// One repository of the hub at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRepository {
    /// Models and data sets live in different places.
    pub kind: RepositoryKind,
    /// `org/name`.
    pub id: String,
    /// Branch, tag or commit.
    pub revision: String,
}

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

impl HubRepository {
    /// Parses `org/name` or `org/name@revision`; the default revision is `main`.
    pub fn parse(kind: RepositoryKind, text: &str) -> Option<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let (organisation, name) = id.split_once('/')?;
        let sound = !revision.is_empty() && revision.split('/').all(&plain);
        (plain(organisation) && plain(name) && sound).then(|| Self {
            kind,
            id: id.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The path of `file` in the hub's cache on this machine, if it is there. Asks nobody.
    pub fn cached_file(&self, file: &str) -> Option<PathBuf> {
        Cache::from_env().repo(self.repo()).get(file)
    }

    /// The path of `file` on this machine: from the hub's cache, or fetched into it.
    ///
    /// `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` are honoured.
    ///
    /// # Errors
    /// [`HubError::NotThere`] when the hub has no such file (or offline, the cache has none), [`HubError::Failed`]
    /// when the hub could not be asked.
    pub fn fetch(&self, file: &str) -> Result<PathBuf, HubError> {
        if let Some(path) = self.cached_file(file) {
            return Ok(path);
        }
        tracing::info!(repository = %self, file, "fetching from the hub");
        self.ask(file, |hub| hub.get(file))
    }

    /// The names of all files, as the hub lists them.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch); `file` is what the caller is looking for and is named in errors.
    pub fn list(&self, file: &str) -> Result<Vec<String>, HubError> {
        let info = self.ask(file, ApiRepo::info)?;
        Ok(info.siblings.into_iter().map(|sibling| sibling.rfilename).collect())
    }

    /// The folder of the cache that holds what was fetched of this revision; it may not exist.
    pub fn cached(&self) -> PathBuf {
        self.cached_in(Cache::from_env().path())
    }

    fn cached_in(&self, cache: &Path) -> PathBuf {
        let folder = cache.join(self.repo().folder_name());
        let commit = std::fs::read_to_string(folder.join("refs").join(&self.revision))
            .map_or_else(|_| self.revision.clone(), |commit| commit.trim().to_owned());
        folder.join("snapshots").join(commit)
    }

    fn repo(&self) -> Repo {
        let kind = match self.kind {
            RepositoryKind::Model => RepoType::Model,
            RepositoryKind::Dataset => RepoType::Dataset,
        };
        Repo::with_revision(self.id.clone(), kind, self.revision.clone())
    }

    /// Asks the hub, unless `HF_HUB_OFFLINE` forbids it.
    fn ask<T>(&self, file: &str, question: impl FnOnce(&ApiRepo) -> Result<T, ApiError>) -> Result<T, HubError> {
        let not_there = |place: LookedIn| HubError::NotThere { file: file.to_owned(), id: self.to_string(), place };
        if offline() {
            return Err(not_there(LookedIn::Cache(Cache::from_env().path().clone())));
        }
        let failed = |source: ApiError| HubError::Failed {
            file: file.to_owned(),
            id: self.to_string(),
            reason: one_line(&source.to_string()),
        };
        let mut builder = ApiBuilder::from_env().with_progress(false);
        if let Some(token) = std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty()) {
            builder = builder.with_token(Some(token));
        }
        let hub = builder.build().map_err(failed)?.repo(self.repo());
        question(&hub).map_err(|source| if is_missing(&source) { not_there(LookedIn::Hub) } else { failed(source) })
    }
}

impl std::fmt::Display for HubRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

fn offline() -> bool {
    std::env::var("HF_HUB_OFFLINE")
        .is_ok_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"))
}

fn is_missing(error: &ApiError) -> bool {
    match error {
        ApiError::RequestError(request) => request.to_string().contains("404"),
        ApiError::TooManyRetries(last) => is_missing(last),
        _ => false,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where a file was looked for in vain.
#[derive(Debug)]
pub enum LookedIn {
    /// The hub itself.
    Hub,
    /// The cache on this machine, `HF_HUB_OFFLINE` being set.
    Cache(PathBuf),
}

impl std::fmt::Display for LookedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub => f.write_str("on the hub"),
            Self::Cache(path) => write!(f, "in the cache `{}` (HF_HUB_OFFLINE is set)", path.display()),
        }
    }
}

/// A file of the hub that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// There is none.
    #[error("`{file}` of `{id}` is not {place}")]
    NotThere {
        /// The file's name in the repository.
        file: String,
        /// The repository.
        id: String,
        /// Where it was looked for.
        place: LookedIn,
    },
    /// The hub could not be asked.
    #[error("failed to fetch `{file}` of `{id}` from the hub: {reason}")]
    Failed {
        /// The file's name in the repository.
        file: String,
        /// The repository.
        id: String,
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_id_may_name_a_revision() {
        let repo = HubRepository::parse(RepositoryKind::Model, "org/name-1.5@abc123").unwrap();
        assert_eq!((repo.id.as_str(), repo.revision.as_str()), ("org/name-1.5", "abc123"));
        assert_eq!(repo.to_string(), "org/name-1.5@abc123");
    }

    #[test]
    fn paths_are_not_hub_ids() {
        for text in ["./models/a", "../a", "/a/b", "a/b/c", "name", "a/", "/b", "a/..", "a b/c", "a/b@", "a/b@../c"] {
            assert_eq!(HubRepository::parse(RepositoryKind::Model, text), None, "{text}");
        }
    }

    #[test]
    fn the_cached_folder_is_found_by_branch_and_by_commit() {
        let cache = tempfile::tempdir().unwrap();
        let root = cache.path().join("datasets--a--b");
        std::fs::create_dir_all(root.join("refs")).unwrap();
        std::fs::write(root.join("refs/main"), "0123abc\n").unwrap();
        for text in ["a/b", "a/b@0123abc"] {
            let repo = HubRepository::parse(RepositoryKind::Dataset, text).unwrap();
            assert_eq!(repo.cached_in(cache.path()), root.join("snapshots/0123abc"));
        }
    }
}
