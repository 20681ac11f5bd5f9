//! Where a model comes from: a folder, a GGUF file, or a repository of the hub.

use std::path::{Path, PathBuf};

use super::error::CheckpointError;
use super::hub::{HubError, HubRepository, RepositoryKind};

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A GGUF file on this machine.
    Gguf(PathBuf),
    /// A repository of the hub.
    Hub(HubRepository),
}

impl ModelSource {
    /// A folder or a GGUF file where `text` names one, else a hub id `org/name[@revision]`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if path.exists() {
            return Self::local(path);
        }
        HubRepository::parse(RepositoryKind::Model, text)
            .map(Self::Hub)
            .ok_or_else(|| CheckpointError::NoSuchFolder { path: text.to_owned() })
    }

    /// A folder or a GGUF file that has to be there.
    ///
    /// # Errors
    /// When it is not, or is neither.
    pub fn local(path: &Path) -> Result<Self, CheckpointError> {
        let text = || path.display().to_string();
        match path.metadata() {
            Ok(found) if found.is_dir() => Ok(Self::Folder(path.to_owned())),
            Ok(_) if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) => {
                Ok(Self::Gguf(path.to_owned()))
            }
            Ok(_) => Err(CheckpointError::NotAFolder { path: text() }),
            Err(_) => Err(CheckpointError::NoSuchFolder { path: text() }),
        }
    }

    /// A required file.
    fn require(&self, file: &str) -> Result<PathBuf, CheckpointError> {
        match self {
            Self::Folder(_) | Self::Gguf(_) => self
                .find(file)?
                .ok_or_else(|| CheckpointError::MissingFile { file: file.to_owned(), model: self.to_string() }),
            Self::Hub(repository) => Ok(repository.fetch(file)?),
        }
    }

    /// A file that a checkpoint may lack; one on the hub is fetched.
    ///
    /// # Errors
    /// When the hub cannot be asked.
    pub fn find(&self, file: &str) -> Result<Option<PathBuf>, CheckpointError> {
        match self {
            Self::Folder(folder) => Ok(Some(folder.join(file)).filter(|path| path.is_file())),
            Self::Gguf(_) => Ok(None),
            Self::Hub(repository) => match repository.fetch(file) {
                Ok(path) => Ok(Some(path)),
                Err(HubError::NotThere { .. }) => Ok(None),
                Err(failed @ HubError::Failed { .. }) => Err(failed.into()),
            },
        }
    }

    /// The files `additional_chat_templates/NAME.jinja`, by name. Of a model on the hub, those that were fetched before
    /// where the hub cannot be asked.
    pub(crate) fn additional_chat_templates(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        const FOLDER: &str = "additional_chat_templates";
        let in_folder = |folder: &Path| {
            let entries = std::fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
            let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_template(path)).collect();
            found.sort();
            found
        };
        match self {
            Self::Folder(folder) => Ok(in_folder(folder)),
            Self::Gguf(_) => Ok(Vec::new()),
            Self::Hub(repository) => match repository.list(FOLDER) {
                Ok(files) => {
                    let ours = files.iter().filter(|file| {
                        file.strip_prefix(FOLDER).is_some_and(|name| name.starts_with('/'))
                            && is_template(Path::new(file))
                    });
                    ours.map(|file| Ok(repository.fetch(file)?)).collect()
                }
                Err(HubError::NotThere { .. }) => Ok(in_folder(&repository.cached())),
                Err(failed @ HubError::Failed { .. }) => Err(failed.into()),
            },
        }
    }

    /// `config.json`.
    pub(crate) fn config(&self) -> Result<PathBuf, CheckpointError> {
        self.require("config.json")
    }
}

impl std::fmt::Display for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub(repository) => repository.fmt(f),
        }
    }
}

fn is_template(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jinja")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_not_taken_for_a_hub_id_when_it_cannot_be_one() {
        let error = ModelSource::parse("./no/such/folder").unwrap_err();
        assert!(error.to_string().contains("./no/such/folder"), "{error}");
        assert!(matches!(ModelSource::parse("org/name"), Ok(ModelSource::Hub(_))));
    }
}
