//! `config.json` as it is written, read once for whoever runs the model.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::CheckpointError;
use super::json::read_object;

/// A configuration's fields, and where they stand.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    fields: Map<String, Value>,
    path: PathBuf,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or holds no JSON object.
    pub(crate) fn read(path: &Path) -> Result<Self, CheckpointError> {
        Ok(Self::new(read_object(path)?, path))
    }

    /// Fields that stand at `path`.
    pub(crate) fn new(fields: Map<String, Value>, path: &Path) -> Self {
        Self { fields, path: path.to_owned() }
    }

    /// The architecture, where it is named.
    pub(crate) fn model_type(&self) -> Option<&str> {
        self.fields.get("model_type").and_then(Value::as_str)
    }

    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_parts(self) -> (Map<String, Value>, PathBuf) {
        (self.fields, self.path)
    }
}
