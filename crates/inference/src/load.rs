//! Any model by its checkpoint: the native decoder where it knows the architecture, else candle-transformers.

use serde::Serialize;

use crate::adapter::{self, CandleFields, CandleModel};
use crate::checkpoint::config::architectures;
use crate::checkpoint::config_file::ConfigFile;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::opened::Checkpoint;
use crate::checkpoint::source::ModelSource;
use crate::engine::Engine;
use crate::engine_error::EngineError;
use crate::engine_options::EngineOptions;
use crate::language_model::LanguageModel;
use crate::placement::Placement;

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
    match source {
        ModelSource::Gguf(_) => Ok(Backend::Native),
        ModelSource::Folder(_) | ModelSource::Hub(_) => backend(&ConfigFile::read(&source.config()?)?),
    }
}

/// Loads a checkpoint with whatever runs its architecture.
///
/// # Errors
/// When the device cannot be used, a file is missing or damaged, the architecture is unknown, a tensor does not fit the
/// configuration, or weights were to be quantised that candle-transformers runs.
pub fn load_model(source: &ModelSource, options: &EngineOptions) -> Result<Box<dyn LanguageModel>, EngineError> {
    Ok(match open(source)? {
        Opened::Candle(fields) => Box::new(CandleModel::load(source, fields, options)?),
        Opened::Native(checkpoint) => Box::new(Engine::load_checkpoint(checkpoint, options)?),
    })
}

/// Finds out cheaply whether [`load_model`] could load a checkpoint.
///
/// # Errors
/// As [`load_model`], but for the shapes of tensors.
pub fn check_model(source: &ModelSource, options: &EngineOptions) -> Result<(), EngineError> {
    match open(source)? {
        Opened::Candle(fields) => CandleModel::check(source, fields, options),
        Opened::Native(checkpoint) => Engine::check_checkpoint(checkpoint, options),
    }
}

/// Which layers of a checkpoint would go to which device, and the memory that they would take there: from headers alone.
///
/// # Errors
/// When a file is missing or damaged, the architecture is unknown, or the model cannot be split over so many devices.
pub fn placement(source: &ModelSource, options: &EngineOptions) -> Result<Placement, EngineError> {
    match open(source)? {
        Opened::Candle(_) => CandleModel::placement(source, options),
        Opened::Native(checkpoint) => Engine::placement_of(checkpoint, options),
    }
}

/// A checkpoint, by what computes its model.
enum Opened<'s> {
    Native(Checkpoint<'s>),
    Candle(CandleFields),
}

/// Opens a checkpoint for whatever runs it.
fn open(source: &ModelSource) -> Result<Opened<'_>, CheckpointError> {
    match Checkpoint::open(source)? {
        Checkpoint::Safetensors { config, .. } if backend(&config)? == Backend::Candle => {
            Ok(Opened::Candle(CandleFields::of(config)?))
        }
        native => Ok(Opened::Native(native)),
    }
}

/// What runs the architecture of a `config.json`.
fn backend(config: &ConfigFile) -> Result<Backend, CheckpointError> {
    let name = config.model_type().unwrap_or_default();
    let known = model_types();
    let found = known.iter().find(|(known, _)| *known == name).map(|(_, backend)| *backend);
    found.ok_or_else(|| CheckpointError::UnknownArchitecture {
        name: if name.is_empty() { "(no `model_type`)".to_owned() } else { name.to_owned() },
        path: config.path().display().to_string(),
        known: known.into_iter().map(|(name, _)| name).collect(),
    })
}
