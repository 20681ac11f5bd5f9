//! Which files a model is, for those who record or compare models by their contents.

use std::path::{Path, PathBuf};

use super::files::{CheckpointError, ModelSource};

/// Every file that what a model answers depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifacts {
    /// `config.json` and, where there is one, `generation_config.json`.
    pub configuration: Vec<PathBuf>,
    /// The safetensors files, in order.
    pub weights: Vec<PathBuf>,
    /// `tokenizer.json` and, where there is one, `tokenizer_config.json`.
    pub tokenizer: Vec<PathBuf>,
    /// The commit that a revision of the hub stands for; none for a folder.
    pub commit: Option<String>,
}

impl ModelSource {
    /// The model's files, fetched where they are not here yet.
    ///
    /// # Errors
    /// When a required file is missing or cannot be fetched.
    pub fn artifacts(&self) -> Result<Artifacts, CheckpointError> {
        if let Self::Gguf(path) = self {
            // One file holds all three.
            let weights = vec![path.clone()];
            return Ok(Artifacts { configuration: Vec::new(), weights, tokenizer: Vec::new(), commit: None });
        }
        let there = |names: [&str; 2]| -> Result<Vec<PathBuf>, CheckpointError> {
            let files = names.into_iter().map(|name| self.find(name)).collect::<Result<Vec<_>, _>>()?;
            Ok(files.into_iter().flatten().collect())
        };
        let configuration = there(["config.json", "generation_config.json"])?;
        let commit = match self {
            Self::Folder(_) | Self::Gguf(_) => None,
            Self::Hub(_) => configuration.first().and_then(|path| snapshot(path)),
        };
        Ok(Artifacts {
            configuration,
            weights: self.weights()?,
            tokenizer: there(["tokenizer.json", "tokenizer_config.json"])?,
            commit,
        })
    }
}

/// The commit in `.../snapshots/<commit>/config.json`, the layout of the hub's cache.
fn snapshot(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let is_snapshot = folder.parent()?.file_name()? == "snapshots";
    is_snapshot.then(|| folder.file_name().map(|name| name.to_string_lossy().into_owned())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_read_off_the_caches_layout() {
        let cached = Path::new("/hub/models--org--name/snapshots/0123abcd/config.json");
        assert_eq!(snapshot(cached).as_deref(), Some("0123abcd"));
        assert_eq!(snapshot(Path::new("models/mini/config.json")), None);
    }

    #[test]
    fn a_folders_artifacts_are_the_files_it_has() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let found = ModelSource::Folder(folder.path().to_owned()).artifacts().unwrap();
        assert_eq!(found.configuration, [folder.path().join("config.json")]);
        assert_eq!(found.weights, [folder.path().join("model.safetensors")]);
        assert_eq!(found.tokenizer, [folder.path().join("tokenizer.json")]);
        assert_eq!(found.commit, None);
    }
}
