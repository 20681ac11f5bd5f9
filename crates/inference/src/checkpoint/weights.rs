//! Weights: safetensors files, checked against what the configuration asks for.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Shape, Tensor};
use safetensors::Dtype;

use super::files::CheckpointError;
use crate::device::{Quantization, WeightType};

/// A checkpoint's tensors by name. Nothing is read before it is asked for.
pub(crate) struct Weights {
    files: MmapedSafetensors,
    /// Types by name: the error of an unsupported one should name it.
    types: HashMap<String, Dtype>,
    model: String,
    device: Device,
    weight_type: WeightType,
    quantization: Option<Quantization>,
}

impl Weights {
    /// Maps the files and reads their headers.
    pub(crate) fn open(
        paths: &[PathBuf],
        model: String,
        device: Device,
        weight_type: WeightType,
        quantization: Option<Quantization>,
    ) -> Result<Self, CheckpointError> {
        for path in paths {
            let readable = std::fs::File::open(path).and_then(|file| file.metadata());
            if let Err(source) = readable {
                return Err(CheckpointError::Unreadable {
                    path: path.display().to_string(),
                    reason: source.to_string(),
                });
            }
        }
        // SAFETY: the files are mapped read-only. Another process that shortens one while it is mapped would end this
        // one with a bus error, as with every memory-mapped checkpoint reader; tensors are copied out right away.
        let files = unsafe { MmapedSafetensors::multi(paths) }.map_err(|source| CheckpointError::Unreadable {
            path: paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
            reason: first_line(&source),
        })?;
        let types = files.tensors().into_iter().map(|(name, view)| (name, view.dtype())).collect();
        Ok(Self { files, types, model, device, weight_type, quantization })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    /// The tensor `name`, which must have `shape`; rounded to the weight type, then in the type we compute in.
    pub(crate) fn get(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, CheckpointError> {
        let rounded = self.matrix(name, shape)?;
        rounded.to_dtype(self.compute_type(rounded.dtype())).map_err(|source| self.unreadable(&source))
    }

    /// The tensor `name`, which must have `shape`, in the weight type.
    pub(crate) fn matrix(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, CheckpointError> {
        let expected = shape.into();
        let model = || self.model.clone();
        let tensor = || name.to_owned();
        let Some(stored) = self.types.get(name) else {
            return Err(CheckpointError::MissingTensor { tensor: tensor(), model: model() });
        };
        if !matches!(stored, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(CheckpointError::TensorType { tensor: tensor(), model: model(), found: format!("{stored:?}") });
        }
        let value = self.files.load(name, &self.device).map_err(|source| self.unreadable(&source))?;
        if value.shape() != &expected {
            return Err(CheckpointError::TensorShape {
                tensor: tensor(),
                model: model(),
                found: value.dims().to_vec(),
                expected: expected.dims().to_vec(),
            });
        }
        value.to_dtype(self.weight_type.resolve(value.dtype())).map_err(|source| self.unreadable(&source))
    }

    /// How linear layers are quantised.
    pub(crate) fn quantization(&self) -> Option<Quantization> {
        self.quantization
    }

    /// The type of activations with weights of type `weights`: f32 on the CPU, the weights' own elsewhere.
    pub(crate) fn compute_type(&self, weights: DType) -> DType {
        if self.device.is_cpu() { DType::F32 } else { weights }
    }

    /// The error for a tensor that could not be read or converted.
    pub(crate) fn unreadable(&self, source: &candle_core::Error) -> CheckpointError {
        CheckpointError::Unreadable { path: self.model.clone(), reason: first_line(source) }
    }
}

fn first_line(source: &candle_core::Error) -> String {
    source.to_string().lines().next().unwrap_or_default().to_owned()
}
