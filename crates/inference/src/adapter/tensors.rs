//! A checkpoint's tensors as candle-transformers asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::CheckpointTensors;

/// How a family's tensors are called in files, by the name that candle asks for.
pub(super) type Rename = fn(&str) -> String;

/// What a family changes of a tensor, by the name that candle asks for.
pub(super) type Adjust = Box<dyn Fn(&str, Tensor) -> Result<Tensor> + Send + Sync>;

/// Gives tensors in f32, whatever they are stored in: several models make rotary positions in the weights' type, and
/// bf16 rounds whole numbers above 256.
struct Tensors {
    weights: CheckpointTensors,
    rename: Rename,
    adjust: Option<Adjust>,
    /// Tensors that were given out, for models that are made anew for every sequence.
    known: Option<Mutex<HashMap<String, Tensor>>>,
    failed: FailedTensor,
}

/// The first tensor that could not be given, for an error that says more than candle's.
#[derive(Clone, Default)]
pub(super) struct FailedTensor(Arc<Mutex<Option<CheckpointError>>>);

impl FailedTensor {
    pub(super) fn take(&self) -> Option<CheckpointError> {
        lock(&self.0).take()
    }
}

/// A builder over `weights` on `device`, and where it reports what failed.
pub(super) fn builder(
    weights: CheckpointTensors,
    (rename, adjust): (Rename, Option<Adjust>),
    device: Device,
    remember: bool,
) -> (VarBuilder<'static>, FailedTensor) {
    let failed = FailedTensor::default();
    let known = remember.then(Mutex::default);
    let tensors = Tensors { weights, rename, adjust, known, failed: failed.clone() };
    (VarBuilder::from_backend(Box::new(tensors), DType::F32, device), failed)
}

impl SimpleBackend for Tensors {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, _: &Device) -> Result<Tensor> {
        let asked = name;
        let name = self.name(asked);
        if let Some(tensor) = self.known.as_ref().and_then(|known| lock(known).get(&name).cloned()) {
            return Ok(tensor);
        }
        let tensor = self.weights.matrix(&name, shape).map_err(|error| {
            let message = error.to_string();
            lock(&self.failed.0).get_or_insert(error);
            Error::Msg(message)
        })?;
        let tensor = tensor.to_dtype(dtype)?;
        let tensor = if let Some(adjust) = &self.adjust { adjust(asked, tensor)? } else { tensor };
        if let Some(known) = &self.known {
            lock(known).insert(name, tensor.clone());
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        Err(Error::Msg(format!("the shape of `{name}` is not known")))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.has(&self.name(name))
    }
}

impl Tensors {
    /// The name in the files. A tied output layer is not stored: it is what the family renames it to.
    fn name(&self, name: &str) -> String {
        if self.weights.has(name) { name.to_owned() } else { (self.rename)(name) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
