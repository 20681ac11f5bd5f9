//! What comes down from the device that computed it.

use candle_core::{DType, Device, Result, Storage, Tensor};
use rayon::prelude::*;

use crate::distribution::Distribution;

/// Counts what comes down.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    pub(crate) bytes: u64,
}

impl Downloads {
    /// The numbers of a tensor of f32, row by row.
    pub(crate) fn numbers(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        self.count(tensor);
        tensor.flatten_all()?.to_vec1()
    }

    /// The words of a tensor of u32, row by row.
    #[cfg(feature = "cuda")]
    pub(crate) fn words(&mut self, tensor: &Tensor) -> Result<Vec<u32>> {
        self.count(tensor);
        tensor.flatten_all()?.to_vec1()
    }

    /// The dense distributions of logits `(R, V)`.
    pub(crate) fn distributions(&mut self, logits: &Tensor) -> Result<Vec<Distribution>> {
        self.count(logits);
        let logits = logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?;
        let (storage, layout) = logits.storage_and_layout();
        let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            candle_core::bail!("logits that are not in one piece");
        };
        let rows = storage.as_slice::<f32>()?[from..to].par_chunks_exact(logits.dim(1)?);
        Ok(rows.map(|row| Distribution::dense(row.to_vec())).collect())
    }

    fn count(&mut self, tensor: &Tensor) {
        self.bytes += bytes(tensor) as u64;
    }
}

/// The size of a tensor.
pub(crate) fn bytes(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}
