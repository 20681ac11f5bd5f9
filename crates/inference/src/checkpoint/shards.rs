//! Where a checkpoint's safetensors files are.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::error::CheckpointError;
use super::json::read_value;
use super::other_weights::OtherWeights;
use super::source::ModelSource;

/// The file of a checkpoint that has one.
pub(super) const SINGLE: &str = "model.safetensors";
/// The file that names those of a checkpoint that has several.
pub(super) const INDEX: &str = "model.safetensors.index.json";

impl ModelSource {
    /// The safetensors files, one or the shards that the index names.
    pub(crate) fn weights(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        if let Some(single) = self.find(SINGLE)? {
            return Ok(vec![single]);
        }
        let Some(index) = self.find(INDEX)? else {
            return Err(self.without_weights());
        };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for shard in shards(&index)? {
            match self.find(&shard)? {
                Some(path) => found.push(path),
                None => missing.push(shard),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        Err(CheckpointError::MissingShards { model: self.to_string(), missing })
    }

    /// What a model without safetensors has instead.
    fn without_weights(&self) -> CheckpointError {
        let model = self.to_string();
        let files: Vec<String> = match self {
            Self::Folder(folder) => {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            }
            Self::Gguf(_) => Vec::new(),
            Self::Hub(repository) => repository.list(SINGLE).unwrap_or_default(),
        };
        match files.iter().filter_map(|file| Some((OtherWeights::of(file)?, file))).min() {
            Some((kind, file)) => CheckpointError::OtherWeights { model, file: file.clone(), kind },
            None => CheckpointError::NoWeights { model },
        }
    }
}

/// The files that an index names, each once, as paths within the model.
pub(super) fn shards(index: &Path) -> Result<Vec<String>, CheckpointError> {
    let field = |field: &str, problem: &str| CheckpointError::Field {
        field: field.to_owned(),
        path: index.display().to_string(),
        problem: problem.to_owned(),
    };
    let json = read_value(index)?;
    let map = json.get("weight_map").and_then(Value::as_object).filter(|map| !map.is_empty());
    let map = map.ok_or_else(|| field("weight_map", "is missing or empty: it says which file holds which tensor"))?;
    let mut files = BTreeSet::new();
    for (tensor, file) in map {
        let name = || format!("weight_map.{tensor}");
        let file = file.as_str().ok_or_else(|| field(&name(), "must be the name of a file"))?;
        let inside = inside(file).ok_or_else(|| {
            field(&name(), &format!("is `{file}`, which is not within the model's folder: it must be a relative path"))
        })?;
        files.insert(inside);
    }
    Ok(files.into_iter().collect())
}

/// A relative path without `.`; none where it leads elsewhere.
fn inside(file: &str) -> Option<String> {
    let mut parts = Vec::new();
    for component in Path::new(file).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn model(files: &[(&str, &str)]) -> (tempfile::TempDir, ModelSource) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let source = ModelSource::Folder(folder.path().to_owned());
        (folder, source)
    }

    #[test]
    fn shards_may_lie_in_folders_within_the_models() {
        let index = r#"{"weight_map": {"a": "./model-1.safetensors", "b": "weights/./model-2.safetensors", "c": "model-1.safetensors"}}"#;
        let (folder, source) =
            model(&[(INDEX, index), ("model-1.safetensors", "x"), ("weights/model-2.safetensors", "x")]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(source.weights().unwrap(), [at("model-1.safetensors"), at("weights/model-2.safetensors")]);
    }

    #[test]
    fn an_index_that_leads_out_of_the_folder_or_says_nothing_is_refused_with_the_reason() {
        for (index, said) in [
            (r#"{"weight_map": {"a": "../../etc/passwd"}}"#, "is `../../etc/passwd`, which is not within"),
            (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "is `/etc/passwd`, which is not within"),
            (r#"{"weight_map": {"a": 3}}"#, "`weight_map.a`"),
            (r#"{"weight_map": {}}"#, "`weight_map`"),
            (r#"{"metadata": {}}"#, "`weight_map`"),
        ] {
            let (_folder, source) = model(&[(INDEX, index)]);
            let error = source.weights().unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(!matches!(error, CheckpointError::Unreadable { .. }));
        }
    }

    #[test]
    fn every_missing_shard_is_named() {
        let index = r#"{"weight_map": {"a": "a.safetensors", "b": "b.safetensors", "c": "c.safetensors"}}"#;
        let (_folder, source) = model(&[(INDEX, index), ("b.safetensors", "x")]);
        let error = source.weights().unwrap_err().to_string();
        assert!(error.contains("a.safetensors, c.safetensors") && !error.contains("b.safetensors"), "{error}");
    }

    #[test]
    fn weights_of_other_kinds_are_said_to_be_that() {
        for (file, said) in [
            ("pytorch_model.bin", "pickle"),
            ("pytorch_model.bin.index.json", "pickle"),
            ("consolidated.00.pth", "Mistral"),
            ("adapter_model.safetensors", "adapter"),
            ("model-00001-of-00002.safetensors", "index is missing"),
            ("m.Q4_K_M.gguf", "GGUF"),
            ("tf_model.h5", "another framework"),
        ] {
            let (_folder, source) = model(&[(file, "x"), ("config.json", "{}")]);
            let error = source.weights().unwrap_err();
            assert!(error.to_string().contains(file) && error.to_string().contains(said), "{error}");
        }
        let (_folder, source) = model(&[("config.json", "{}")]);
        assert!(matches!(source.weights(), Err(CheckpointError::NoWeights { .. })));
    }
}
