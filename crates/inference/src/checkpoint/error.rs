//! What is wrong with a checkpoint.

use std::path::Path;

use super::file_kind::FileKind;
use super::hub::HubError;
use super::other_weights::OtherWeights;
use super::tensor_type::TensorType;

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Neither a folder nor a hub id.
    #[error("no model folder `{path}`, and it is no hub id either (`org/name` or `org/name@revision`)")]
    NoSuchFolder {
        /// What was given.
        path: String,
    },
    /// A file where a folder was expected.
    #[error("`{path}` is a file; a model is a folder with config.json, a GGUF file (`.gguf`), or a hub id")]
    NotAFolder {
        /// What was given.
        path: String,
    },
    /// A file is missing.
    #[error("the model `{model}` has no `{file}`")]
    MissingFile {
        /// The file.
        file: String,
        /// The model.
        model: String,
    },
    /// There are no weights in a format we read.
    #[error("the model `{model}` has neither `model.safetensors` nor `model.safetensors.index.json`")]
    NoWeights {
        /// The model.
        model: String,
    },
    /// There are weights, but none that are read.
    #[error("the model `{model}` has no safetensors; `{file}` is {kind}")]
    OtherWeights {
        /// The model.
        model: String,
        /// What it has.
        file: String,
        /// What that is.
        kind: OtherWeights,
    },
    /// Files that the index of the weights names are not there.
    #[error("the model `{model}` lacks files that `model.safetensors.index.json` names: {}", .missing.join(", "))]
    MissingShards {
        /// The model.
        model: String,
        /// The files.
        missing: Vec<String>,
    },
    /// The weights are quantised in a way that is not read.
    #[error(
        "the weights are quantised ({method}), as {place} says; gac reads weights in f32, f16 and bf16, and GGUF files"
    )]
    Quantised {
        /// What the way is called.
        method: String,
        /// What says so.
        place: String,
    },
    /// Something else lies where a file should be.
    #[error("`{path}` is {found}")]
    WrongKind {
        /// The file.
        path: String,
        /// What it is.
        found: FileKind,
    },
    /// The system did not give a file.
    #[error("failed to read `{path}`: {reason}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A field of a JSON file cannot be.
    #[error("`{field}` in `{path}` {problem}")]
    Field {
        /// The field, with the fields and places that lead to it.
        field: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What a file holds cannot be read: it is cut off or damaged.
    #[error("failed to read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A GGUF file is of a version that is not read.
    #[error("failed to read `{path}`: {reason}")]
    GgufVersion {
        /// The file.
        path: String,
        /// Its version, and those that are read.
        reason: String,
    },
    /// A part of a model in several GGUF files is missing, or is another one than its name says.
    #[error("`{file}` {problem}")]
    Part {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor of a GGUF file is stored in a type that is not read.
    #[error("tensor `{tensor}` of `{model}` is stored as {found}; those that are read are {}", TensorType::read())]
    GgufType {
        /// Its name.
        tensor: String,
        /// The model.
        model: String,
        /// The type in the file.
        found: String,
    },
    /// The hub did not give a file.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The configuration names an architecture that is not known.
    #[error("unknown architecture `{name}` in `{path}`; known are {}", .known.join(", "))]
    UnknownArchitecture {
        /// The `model_type`.
        name: String,
        /// The file.
        path: String,
        /// What is known.
        known: Vec<&'static str>,
    },
    /// A field of the configuration is missing or cannot be.
    #[error("`{field}` in `{path}` {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it and what would be valid.
        problem: String,
    },
    /// A weight is missing.
    #[error("the weights of `{model}` lack the tensor `{tensor}`")]
    MissingTensor {
        /// Its name.
        tensor: String,
        /// The model.
        model: String,
    },
    /// A weight has another shape than the configuration says.
    #[error("tensor `{tensor}` of `{model}` has shape {found:?}, but config.json asks for {expected:?}")]
    TensorShape {
        /// Its name.
        tensor: String,
        /// The model.
        model: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape by the configuration.
        expected: Vec<usize>,
    },
    /// Weights were to be quantised that the native decoder does not run.
    #[error(
        "a model of type `{architecture}` runs through candle-transformers, which cannot quantise it to {quantization}"
    )]
    NotQuantisable {
        /// The `model_type`.
        architecture: String,
        /// What was asked for.
        quantization: String,
    },
    /// Linear layers were to multiply in a type that the native decoder has on the CPU alone.
    #[error("linear layers are computed in {compute} by the native decoder on the CPU alone, not {place}")]
    ComputesElsewhere {
        /// What was asked for.
        compute: &'static str,
        /// On which device, or by what.
        place: String,
    },
    /// A weight is stored in a type that is not supported.
    #[error("tensor `{tensor}` of `{model}` is stored as {found}; supported are f32, f16 and bf16")]
    TensorType {
        /// Its name.
        tensor: String,
        /// The model.
        model: String,
        /// The type in the file.
        found: String,
    },
}

impl CheckpointError {
    /// The system did not give `path`.
    pub(super) fn read(path: &Path, source: &std::io::Error) -> Self {
        Self::Read { path: path.display().to_string(), reason: source.to_string() }
    }
}
