//! A model by its contents.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use gac_inference::{Artifacts, ModelSource, TemplateChoice};
use serde::{Deserialize, Serialize};

use super::file_hash::{FileHash, HashCache};
use crate::files::sha256;
use crate::plan::model::ModelPlan;
use crate::spec::file::Dtype;

/// A model as it was used: which files, with which contents, computed in which type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The name that systems call it.
    pub name: String,
    /// The folder or hub id.
    pub source: String,
    /// The hub's commit; none for a folder.
    pub commit: Option<String>,
    /// The type to compute in; as stored when absent.
    pub dtype: Option<Dtype>,
    /// Everything else that a plan says of it, but for name, source and device: whatever is added to plans is part of
    /// a model's identity without being named here.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// Its files; empty for a system that has none.
    pub files: Vec<ModelFile>,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its name, without folders.
    pub file: String,
    /// What it is for.
    pub role: FileRole,
    /// Size and SHA-256.
    #[serde(flatten)]
    pub hash: FileHash,
}

/// What a model's file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// Shape and special tokens.
    Configuration,
    /// Parameters.
    Weights,
    /// Vocabulary and how text becomes ids.
    Tokenizer,
    /// A chat template that is none of the model's own.
    ChatTemplate,
}

impl ModelIdentity {
    /// Hashes a model's files, or remembers their hashes.
    ///
    /// # Errors
    /// When a file is missing or cannot be read.
    pub fn of(plan: &ModelPlan, source: &ModelSource, cache: &mut HashCache) -> Result<Self, IdentityError> {
        Self::by(plan, source, &mut |path| cache.hash(path))
    }

    /// As [`of`](Self::of), but nothing is read: files are told apart by size, times and place on the disk. Good for as
    /// long as they stay where they are.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn stamped(plan: &ModelPlan, source: &ModelSource) -> Result<Self, IdentityError> {
        Self::by(plan, source, &mut FileHash::stamp)
    }

    fn by(
        plan: &ModelPlan,
        source: &ModelSource,
        hash: &mut dyn FnMut(&Path) -> io::Result<FileHash>,
    ) -> Result<Self, IdentityError> {
        let Artifacts { configuration, weights, tokenizer, commit } = source.artifacts()?;
        let roles =
            [(FileRole::Configuration, configuration), (FileRole::Weights, weights), (FileRole::Tokenizer, tokenizer)];
        let template = match &plan.chat_template {
            Some(TemplateChoice::File(path)) => vec![path.clone()],
            Some(TemplateChoice::Name(_)) | None => Vec::new(),
        };
        let mut files = Vec::new();
        for (role, paths) in roles.into_iter().chain([(FileRole::ChatTemplate, template)]) {
            for path in paths {
                let hash = hash(&path).map_err(|source| IdentityError::Read { path: path.clone(), source })?;
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push(ModelFile { file, role, hash });
            }
        }
        Ok(Self {
            name: plan.name.clone(),
            source: plan.source.to_string(),
            commit,
            dtype: plan.dtype,
            settings: settings(plan),
            files,
        })
    }

    /// A model without files: what it is, is its name.
    pub fn unhashed(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: name.to_owned(),
            commit: None,
            dtype: None,
            settings: serde_json::Value::Null,
            files: Vec::new(),
        }
    }

    /// Hash of everything that its answers depend on: contents of files and the type, but no name and no place. A
    /// model without files is known by its name.
    pub fn contents(&self) -> String {
        let mut text = format!("dtype {:?}\nsettings {}\n", self.dtype, self.settings);
        for ModelFile { role, hash, .. } in &self.files {
            let _ = writeln!(text, "{role:?} {} {}", hash.bytes, hash.sha256);
        }
        if self.files.is_empty() {
            text.push_str(&self.name);
        }
        sha256::of_bytes(text)
    }
}

fn settings(plan: &ModelPlan) -> serde_json::Value {
    let mut settings = serde_json::to_value(plan).unwrap_or_default();
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|name, _| !matches!(name.as_str(), "name" | "source" | "device"));
        // A file is known by its contents.
        if matches!(plan.chat_template, Some(TemplateChoice::File(_))) {
            settings.remove("chat_template");
        }
    }
    settings
}

/// A model's files cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is missing.
    #[error(transparent)]
    Checkpoint(#[from] gac_inference::CheckpointError),
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
