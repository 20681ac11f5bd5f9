//! Any model by its checkpoint: the native decoder where it knows the architecture, else candle-transformers.

use serde::Serialize;

use crate::adapter::{self, CandleModel, Fields};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::source::ModelSource;
use crate::engine::Engine;
use crate::engine_error::EngineError;
use crate::engine_options::EngineOptions;
use crate::{LanguageModel, Placement, architectures};

/// What computes a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The native decoder: batches, a shared cache, quantised weights, GGUF.
    Native,
    /// candle-transformers: one sequence at a time, in f32, from safetensors.
    Candle,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Candle => "candle",
        })
    }
}

/// Every value of `model_type` that runs, in alphabetical order, with what computes it.
pub fn model_types() -> Vec<(&'static str, Backend)> {
    let native = architectures().map(|name| (name, Backend::Native));
    let mut all: Vec<_> = native.chain(adapter::model_types().map(|name| (name, Backend::Candle))).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}

/// What computes the model of a checkpoint.
///
/// # Errors
/// When its configuration cannot be read, or the architecture is unknown.
pub fn backend_of(source: &ModelSource) -> Result<Backend, CheckpointError> {
    Ok(if candle_fields(source)?.is_some() { Backend::Candle } else { Backend::Native })
}

/// Loads a checkpoint with whatever runs its architecture.
///
/// # Errors
/// When the device cannot be used, a file is missing or damaged, the architecture is unknown, a tensor does not fit the
/// configuration, or weights were to be quantised that candle-transformers runs.
pub fn load_model(source: &ModelSource, options: &EngineOptions) -> Result<Box<dyn LanguageModel>, EngineError> {
    Ok(match candle_fields(source)? {
        Some(fields) => Box::new(CandleModel::load(source, fields, options)?),
        None => Box::new(Engine::load(source, options)?),
    })
}

/// Finds out cheaply whether [`load_model`] could load a checkpoint.
///
/// # Errors
/// As [`load_model`], but for the shapes of tensors.
pub fn check_model(source: &ModelSource, options: &EngineOptions) -> Result<(), EngineError> {
    match candle_fields(source)? {
        Some(fields) => CandleModel::check(source, fields, options),
        None => Engine::check(source, options),
    }
}

/// Which layers of a checkpoint would go to which device, and the memory that they would take there: from headers alone.
///
/// # Errors
/// When a file is missing or damaged, the architecture is unknown, or the model cannot be split over so many devices.
pub fn placement(source: &ModelSource, options: &EngineOptions) -> Result<Placement, EngineError> {
    match candle_fields(source)? {
        Some(_) => CandleModel::placement(source, options),
        None => Engine::placement(source, options),
    }
}

/// The configuration of a model that candle-transformers runs; none where the native decoder is to read it.
fn candle_fields(source: &ModelSource) -> Result<Option<Fields>, CheckpointError> {
    if matches!(source, ModelSource::Gguf(_)) {
        return Ok(None);
    }
    let path = source.config()?;
    let fields = Fields::read(&path)?;
    let name = fields.model_type();
    if architectures().any(|known| known == name) {
        return Ok(None);
    }
    if adapter::is_known(name) {
        return Ok(Some(fields));
    }
    Err(CheckpointError::UnknownArchitecture {
        name: if name.is_empty() { "(no `model_type`)".to_owned() } else { name.to_owned() },
        path: path.display().to_string(),
        known: model_types().into_iter().map(|(name, _)| name).collect(),
    })
}
