//! Weights: safetensors files, checked against what the configuration asks for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Shape, Tensor};
use safetensors::Dtype;

use super::block_rows::BlockRows;
use super::error::CheckpointError;
use super::file_kind::Expected;
use super::gguf::Gguf;
use super::multimodal::language_name;
use super::quantised::refuse_named;
use super::refuse::refuse_others;
use super::tensor_header::TensorHeader;
use super::tensor_type::TensorType;
use crate::compute_type::ComputeType;
use crate::cpu::fused;
use crate::dtype::{Quantization, WeightType};

/// A checkpoint's tensors by name. Nothing is read before it is asked for.
#[derive(Clone)]
pub(crate) struct CheckpointTensors {
    files: Arc<Files>,
    model: String,
    /// Where tensors are read to.
    device: Device,
    weight_type: WeightType,
    quantization: Option<Quantization>,
    /// The type of activations elsewhere than on the CPU, once it is known.
    activations: Option<DType>,
    /// What linear layers on the CPU multiply in.
    compute: ComputeType,
}

enum Files {
    Safetensors {
        files: MmapedSafetensors,
        /// What is stored of a language model, by the names that its tensors have where it stands by itself.
        types: HashMap<String, Stored>,
    },
    Gguf(Arc<Gguf>),
}

/// A tensor of a safetensors file.
struct Stored {
    /// Its name in the file.
    name: String,
    dtype: Dtype,
    dims: Vec<usize>,
}

/// A matrix of a linear layer, `(output, input)`.
pub(crate) enum LinearWeight {
    Plain(Tensor),
    Blocks(BlockRows),
}

impl CheckpointTensors {
    /// The tensors of a GGUF file.
    pub(crate) fn of_gguf(
        gguf: Gguf,
        device: Device,
        weight_type: WeightType,
        quantization: Option<Quantization>,
    ) -> Self {
        let model = gguf.path().display().to_string();
        Self {
            files: Arc::new(Files::Gguf(Arc::new(gguf))),
            model,
            device,
            weight_type,
            quantization,
            activations: None,
            compute: ComputeType::default(),
        }
    }

    /// Maps the files and reads their headers.
    pub(crate) fn open(
        paths: &[PathBuf],
        model: String,
        device: Device,
        weight_type: WeightType,
        quantization: Option<Quantization>,
    ) -> Result<Self, CheckpointError> {
        for path in paths {
            std::fs::File::open(path).map_err(|source| CheckpointError::read(path, &source))?;
            refuse_others(path, Expected::Safetensors)?;
        }
        // SAFETY: the files are mapped read-only. Another process that shortens one while it is mapped would end this
        // one with a bus error, as with every memory-mapped checkpoint reader; tensors are copied out right away.
        let map = |paths: &[PathBuf]| unsafe { MmapedSafetensors::multi(paths) };
        let files = map(paths).map_err(|source| {
            let damaged = paths.iter().find(|path| map(std::slice::from_ref(path)).is_err());
            CheckpointError::Unreadable {
                path: damaged.map_or_else(|| model.clone(), |path| path.display().to_string()),
                reason: first_line(&source),
            }
        })?;
        let types: HashMap<String, Stored> = files
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let stored = Stored { dtype: view.dtype(), dims: view.shape().to_vec(), name };
                (language_name(&stored.name).into_owned(), stored)
            })
            .collect();
        refuse_named(types.keys().map(String::as_str), &model)?;
        let files = Arc::new(Files::Safetensors { files, types });
        Ok(Self { files, model, device, weight_type, quantization, activations: None, compute: ComputeType::default() })
    }

    /// The same tensors, read to `device`.
    pub(crate) fn on(&self, device: &Device) -> Self {
        Self { device: device.clone(), ..self.clone() }
    }

    /// The same tensors for activations of type `dtype`. Checkpoints mix types, norms in f32 beside matrices in f16, and
    /// only the CPU's kernels take two at once.
    pub(crate) fn for_activations(self, dtype: DType) -> Self {
        Self { activations: Some(dtype), ..self }
    }

    /// The same tensors for linear layers that multiply in `compute`.
    pub(crate) fn computing_in(self, compute: ComputeType) -> Self {
        Self { compute, ..self }
    }

    /// What linear layers on the CPU multiply in.
    pub(crate) fn compute(&self) -> ComputeType {
        self.compute
    }

    /// The type that a linear layer's weights are kept in, of those that are in `weights`: where they are multiplied in
    /// bfloat16, they are rounded to it once.
    pub(crate) fn multiplied_type(&self, weights: DType) -> DType {
        if fused(&self.device) { self.compute.of_weights(weights) } else { weights }
    }

    /// Where tensors are read to.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Headers of the tensors whose type is supported, in no particular order.
    pub(crate) fn headers(&self) -> Box<dyn Iterator<Item = TensorHeader<'_>> + '_> {
        match &*self.files {
            Files::Safetensors { types, .. } => {
                Box::new(types.iter().filter_map(|(name, Stored { dtype, dims, .. })| {
                    let stored = match dtype {
                        Dtype::F32 => TensorType::F32,
                        Dtype::F16 => TensorType::F16,
                        Dtype::BF16 => TensorType::BF16,
                        _ => return None,
                    };
                    Some(TensorHeader { name, dims, stored })
                }))
            }
            Files::Gguf(gguf) => {
                Box::new(gguf.headers().filter(|header| !matches!(header.stored, TensorType::Other(_))))
            }
        }
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &*self.files {
            Files::Safetensors { types, .. } => types.contains_key(name),
            Files::Gguf(gguf) => gguf.has(name),
        }
    }

    /// The tensor `name`, which must have `shape`; rounded to the weight type, then in the type we compute in.
    pub(crate) fn get(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, CheckpointError> {
        let rounded = self.matrix(name, shape)?;
        rounded.to_dtype(self.compute_type(rounded.dtype())).map_err(|source| self.unreadable(&source))
    }

    /// The tensor `name`, which must have `shape`, in the weight type.
    pub(crate) fn matrix(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, CheckpointError> {
        let shape = shape.into();
        let value = match self.linear(name, shape.clone())? {
            LinearWeight::Plain(value) => value,
            LinearWeight::Blocks(rows) => {
                let wide = rows.dequantise().and_then(|wide| wide.reshape(&shape)?.to_device(&self.device));
                wide.map_err(|source| self.unreadable(&source))?
            }
        };
        let value = value.to_dtype(self.weight_type.resolve(value.dtype()));
        value.and_then(|value| value.to_device(&self.device)).map_err(|source| self.unreadable(&source))
    }

    /// Where the matrices of linear layers are read to: what is quantised is so by the CPU, and goes to its device then.
    fn linear_device(&self) -> &Device {
        if self.quantization.is_some() { &Device::Cpu } else { &self.device }
    }

    /// The tensor `name`, which must have `shape`, quantised as it is stored, or else in the weight type; elsewhere than
    /// on the CPU in the type of activations. What is about to be quantised is on the CPU.
    pub(crate) fn linear(&self, name: &str, shape: impl Into<Shape>) -> Result<LinearWeight, CheckpointError> {
        let expected = shape.into();
        if !self.has(name) {
            return Err(self.missing(name));
        }
        let check = |found: &Shape| {
            if found == &expected {
                return Ok(());
            }
            Err(CheckpointError::TensorShape {
                tensor: name.to_owned(),
                model: self.model.clone(),
                found: found.dims().to_vec(),
                expected: expected.dims().to_vec(),
            })
        };
        match &*self.files {
            Files::Safetensors { files, types } => {
                // It is there.
                let Some(stored) = types.get(name) else { return Err(self.missing(name)) };
                if !matches!(stored.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                    return Err(CheckpointError::TensorType {
                        tensor: name.to_owned(),
                        model: self.model.clone(),
                        found: format!("{:?}", stored.dtype),
                    });
                }
                let value =
                    files.load(&stored.name, self.linear_device()).map_err(|source| self.unreadable(&source))?;
                check(value.shape())?;
                Ok(LinearWeight::Plain(self.round(&value, value.dtype()).map_err(|e| self.unreadable(&e))?))
            }
            Files::Gguf(gguf) => {
                // It is there.
                let Some(header) = gguf.header(name) else { return Err(self.missing(name)) };
                check(&Shape::from(header.dims))?;
                let read = || -> candle_core::Result<Tensor> {
                    let bytes = gguf.bytes(&header)?;
                    if let Some(dtype) = header.stored.float() {
                        return Tensor::from_raw_buffer(&bytes, dtype, header.dims, self.linear_device());
                    }
                    let storage = QStorage::from_data(bytes.into(), &Device::Cpu, GgmlDType::Q8K)?;
                    QTensor::new(storage, header.dims)?.dequantize(self.linear_device())
                };
                match header.stored {
                    TensorType::Other(_) => Err(CheckpointError::GgufType {
                        tensor: name.to_owned(),
                        model: self.model.clone(),
                        found: header.stored.to_string(),
                    }),
                    TensorType::Blocks(kind) => {
                        Ok(LinearWeight::Blocks(BlockRows::of_file(gguf, name, kind, header.dims)))
                    }
                    TensorType::F32 | TensorType::F16 | TensorType::BF16 | TensorType::Q8K => {
                        let plain = read().and_then(|plain| self.round(&plain, plain.dtype()));
                        Ok(LinearWeight::Plain(plain.map_err(|source| self.unreadable(&source))?))
                    }
                }
            }
        }
    }

    /// The matrices that the tensor `name` of shape `(count, output, input)` consists of, each as it is stored.
    pub(crate) fn stack(
        &self,
        name: &str,
        (count, output, input): (usize, usize, usize),
    ) -> Result<Vec<LinearWeight>, CheckpointError> {
        let matrices: candle_core::Result<Vec<LinearWeight>> = match self.linear(name, (count, output, input))? {
            LinearWeight::Plain(all) => {
                // Not `copy`, which clones all of the storage behind a view.
                (0..count).map(|at| Ok(LinearWeight::Plain(all.get(at)?.force_contiguous()?))).collect()
            }
            LinearWeight::Blocks(all) => Ok(all.each(output).into_iter().map(LinearWeight::Blocks).collect()),
        };
        matrices.map_err(|source| self.unreadable(&source))
    }

    /// How linear layers are quantised.
    pub(crate) fn quantization(&self) -> Option<Quantization> {
        self.quantization
    }

    /// The type of activations with weights of type `weights`: f32 on the CPU, elsewhere the weights' own unless another
    /// is known.
    pub(crate) fn compute_type(&self, weights: DType) -> DType {
        if fused(&self.device) { DType::F32 } else { self.activations.unwrap_or(weights) }
    }

    /// A tensor stored as `stored`, in the weight type and then in one that activations can be multiplied with.
    fn round(&self, value: &Tensor, stored: DType) -> candle_core::Result<Tensor> {
        let rounded = value.to_dtype(self.weight_type.resolve(stored))?;
        if fused(&self.device) { Ok(rounded) } else { rounded.to_dtype(self.compute_type(rounded.dtype())) }
    }

    fn missing(&self, name: &str) -> CheckpointError {
        CheckpointError::MissingTensor { tensor: name.to_owned(), model: self.model.clone() }
    }

    /// The error for a tensor that could not be read or converted.
    pub(crate) fn unreadable(&self, source: &candle_core::Error) -> CheckpointError {
        CheckpointError::Unreadable { path: self.model.clone(), reason: first_line(source) }
    }
}

fn first_line(source: &candle_core::Error) -> String {
    source.to_string().lines().next().unwrap_or_default().to_owned()
}
