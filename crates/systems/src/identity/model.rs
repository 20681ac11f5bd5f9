//! A model by its contents.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use gac_inference::remote::ServerIdentity;
use gac_inference::{Artifacts, ModelSource, TemplateChoice};
use serde::{Deserialize, Serialize};

use super::file_hash::FileHash;
use crate::files::sha256;
use crate::plan::model::ModelPlan;
use gac_inference::Dtype;

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
    /// What a server says that it serves; none for a model that computes here. Its weights are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerIdentity>,
    /// Its files; empty for a system that has none.
    pub files: Vec<ModelFile>,
}

/// Gives a file's hash.
pub type HashFile<'a> = dyn FnMut(&Path) -> io::Result<FileHash> + 'a;

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
    /// Hashes a model's files by `hash`: by their contents ([`HashCache::hash`](super::HashCache::hash)), or by size, times
    /// and place on the disk ([`FileHash::stamp`]), which is good for as long as they stay where they are.
    ///
    /// # Errors
    /// When a file is missing or cannot be read.
    pub fn of(plan: &ModelPlan, source: &ModelSource, hash: &mut HashFile<'_>) -> Result<Self, IdentityError> {
        let Artifacts { configuration, weights, tokenizer, commit } = source.artifacts()?;
        let roles =
            [(FileRole::Configuration, configuration), (FileRole::Weights, weights), (FileRole::Tokenizer, tokenizer)];
        let files = hashes(roles.into_iter().chain([own_template(plan)]), hash)?;
        Ok(Self { commit, files, ..Self::planned(plan) })
    }

    /// A model on a server: what that says of itself, and the files of the tokenizer.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_server(
        plan: &ModelPlan,
        server: &ServerIdentity,
        tokenizer: &ModelSource,
        hash: &mut HashFile<'_>,
    ) -> Result<Self, IdentityError> {
        let files = hashes([(FileRole::Tokenizer, tokenizer.text_files()?), own_template(plan)], hash)?;
        Ok(Self { server: Some(server.clone()), files, ..Self::planned(plan) })
    }

    fn planned(plan: &ModelPlan) -> Self {
        Self {
            source: plan.source.to_string(),
            dtype: plan.dtype,
            settings: settings(plan),
            ..Self::unhashed(&plan.name)
        }
    }

    /// A model without files: what it is, is its name.
    pub fn unhashed(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: name.to_owned(),
            commit: None,
            dtype: None,
            settings: serde_json::Value::Null,
            server: None,
            files: Vec::new(),
        }
    }

    /// Its name with what its server says of itself; none where it computes here.
    pub fn served(&self) -> Option<String> {
        self.server.as_ref().map(|server| format!("{} ({server})", self.name))
    }

    /// Hash of everything that its answers depend on: contents of files and the type, but no name and no place. A
    /// model without files is known by its name.
    pub fn contents(&self) -> String {
        let mut text = format!("dtype {:?}\nsettings {}\n", self.dtype, self.settings);
        for ModelFile { role, hash, .. } in &self.files {
            let _ = writeln!(text, "{role:?} {} {}", hash.bytes, hash.sha256);
        }
        if let Some(server) = &self.server {
            let _ = writeln!(text, "server {}", serde_json::to_string(server).unwrap_or_default());
        }
        if self.files.is_empty() {
            text.push_str(&self.name);
        }
        sha256::of_bytes(text)
    }
}

/// The chat template that a recipe gives in place of the model's own.
fn own_template(plan: &ModelPlan) -> (FileRole, Vec<PathBuf>) {
    let template = match &plan.chat_template {
        Some(TemplateChoice::File(path)) => vec![path.clone()],
        Some(TemplateChoice::Name(_)) | None => Vec::new(),
    };
    (FileRole::ChatTemplate, template)
}

fn hashes(
    roles: impl IntoIterator<Item = (FileRole, Vec<PathBuf>)>,
    hash: &mut HashFile<'_>,
) -> Result<Vec<ModelFile>, IdentityError> {
    let mut files = Vec::new();
    for (role, paths) in roles {
        for path in paths {
            let hash = hash(&path).map_err(|source| IdentityError::Read { path: path.clone(), source })?;
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(ModelFile { file, role, hash });
        }
    }
    Ok(files)
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
