//! Which files a model is, for those who record or compare models by their contents.

use std::path::{Path, PathBuf};

use super::error::CheckpointError;
use super::gguf::Gguf;
use super::shards::{INDEX, SINGLE, shards};
use super::source::ModelSource;

/// Every file that what a model answers depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifacts {
    /// `config.json` and, where there is one, `generation_config.json`.
    pub configuration: Vec<PathBuf>,
    /// The safetensors files, or the GGUF file or its parts, in order.
    pub weights: Vec<PathBuf>,
    /// `tokenizer.json` and, where there are any, the files that stand beside it: special tokens and chat templates.
    pub tokenizer: Vec<PathBuf>,
    /// The commit that a revision of the hub stands for; none for a folder.
    pub commit: Option<String>,
}

/// What tokenizers and chat templates are read from.
const TOKENIZER: [&str; 5] =
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json"];

impl ModelSource {
    /// The model's files, fetched where they are not here yet.
    ///
    /// # Errors
    /// When a required file is missing or cannot be fetched.
    pub fn artifacts(&self) -> Result<Artifacts, CheckpointError> {
        if let Self::Gguf(path) = self {
            // One file, or its parts, holds all three.
            let weights = Gguf::files(path)?;
            return Ok(Artifacts { configuration: Vec::new(), weights, tokenizer: Vec::new(), commit: None });
        }
        let configuration = self.there(&["config.json", "generation_config.json"])?;
        let commit = match self {
            Self::Folder(_) | Self::Gguf(_) => None,
            Self::Hub(_) => configuration.first().and_then(|path| snapshot(path)),
        };
        Ok(Artifacts { configuration, weights: self.weights()?, tokenizer: self.tokenizer_files()?, commit })
    }

    /// The files that the tokenizer, the chat template and the ends of a text are read from: those of a model that
    /// somebody else computes.
    ///
    /// # Errors
    /// When one cannot be fetched.
    pub fn text_files(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        if let Self::Gguf(path) = self {
            return Ok(vec![path.clone()]);
        }
        let mut files = self.tokenizer_files()?;
        files.extend(self.there(&["config.json", "generation_config.json"])?);
        Ok(files)
    }

    fn tokenizer_files(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        Ok([self.there(&TOKENIZER)?, self.additional_chat_templates()?].concat())
    }

    /// Those of these files that there are.
    fn there(&self, names: &[&str]) -> Result<Vec<PathBuf>, CheckpointError> {
        let files = names.iter().map(|name| self.find(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(files.into_iter().flatten().collect())
    }
}

impl ModelSource {
    /// Names of required files that are not on this machine; none when the model loads without the network. Asks
    /// nobody.
    pub fn missing(&self) -> Vec<String> {
        if let Self::Gguf(path) = self {
            // A file that is there but cannot be read is no missing one: loading says what is wrong with it.
            let files = if path.is_file() { Gguf::files(path).unwrap_or_default() } else { vec![path.clone()] };
            let missing = files.into_iter().filter(|file| !file.is_file());
            return missing.map(|file| file.display().to_string()).collect();
        }
        let here = |file: &str| match self {
            Self::Gguf(path) => Some(path.clone()),
            Self::Folder(folder) => Some(folder.join(file)).filter(|path| path.is_file()),
            Self::Hub(repository) => repository.cached_file(file),
        };
        let mut required = vec!["config.json".to_owned(), "tokenizer.json".to_owned()];
        if here(SINGLE).is_none() {
            match here(INDEX).and_then(|index| shards(&index).ok()) {
                Some(shards) => required.extend(shards),
                None => required.push(SINGLE.to_owned()),
            }
        }
        required.retain(|file| here(file).is_none());
        required
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
        let extra = "additional_chat_templates/rag.jinja";
        std::fs::create_dir(folder.path().join("additional_chat_templates")).unwrap();
        let beside = ["special_tokens_map.json", extra, "additional_chat_templates/README.md"];
        for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md"].into_iter().chain(beside) {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let found = ModelSource::Folder(folder.path().to_owned()).artifacts().unwrap();
        assert_eq!(found.configuration, [folder.path().join("config.json")]);
        assert_eq!(found.weights, [folder.path().join("model.safetensors")]);
        let expected = ["tokenizer.json", "special_tokens_map.json", extra].map(|name| folder.path().join(name));
        assert_eq!(found.tokenizer, expected);
        assert_eq!(found.commit, None);
    }

    #[test]
    fn missing_files_are_named_shards_by_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let source = ModelSource::Folder(folder.path().to_owned());
        assert_eq!(source.missing(), ["config.json", "tokenizer.json", "model.safetensors"]);
        let index = r#"{"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "a.safetensors"}}"#;
        for (name, text) in [("config.json", "{}"), ("b.safetensors", ""), ("model.safetensors.index.json", index)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(source.missing(), ["tokenizer.json", "a.safetensors"]);
    }
}
