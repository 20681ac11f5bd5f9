//! What comes down from the device that computed it.

use candle_core::{DType, Result, Storage, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use crate::cuda::pinned::PinnedWords;
use crate::distribution::Distribution;

/// Words that come down from a GPU in one piece.
#[cfg(feature = "cuda")]
const PIECE: usize = 4 << 20;

/// Brings things down, and counts what comes.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    pub(crate) bytes: u64,
    /// Where it comes by from an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    pinned: Option<PinnedWords>,
}

impl Downloads {
    /// The numbers of a tensor of f32, row by row.
    pub(crate) fn numbers(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        self.count(tensor);
        #[cfg(feature = "cuda")]
        if tensor.device().is_cuda() {
            return self.pieces(tensor, f32::from_bits);
        }
        tensor.flatten_all()?.to_vec1()
    }

    /// The words of a tensor of u32, row by row.
    #[cfg(feature = "cuda")]
    pub(crate) fn words(&mut self, tensor: &Tensor) -> Result<Vec<u32>> {
        self.count(tensor);
        self.pieces(tensor, |word| word)
    }

    /// The dense distributions of logits `(R, V)`.
    pub(crate) fn distributions(&mut self, logits: &Tensor) -> Result<Vec<Distribution>> {
        let width = logits.dim(1)?;
        if !logits.device().is_cpu() {
            let logits = self.numbers(&logits.to_dtype(DType::F32)?)?;
            return Ok(logits.par_chunks_exact(width).map(|row| Distribution::dense(row.to_vec())).collect());
        }
        self.count(logits);
        let logits = logits.to_dtype(DType::F32)?.contiguous()?;
        let (storage, layout) = logits.storage_and_layout();
        let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            candle_core::bail!("logits that are not in one piece");
        };
        let rows = storage.as_slice::<f32>()?[from..to].par_chunks_exact(width);
        Ok(rows.map(|row| Distribution::dense(row.to_vec())).collect())
    }

    /// The words of a tensor on an NVIDIA GPU, each made into a number.
    #[cfg(feature = "cuda")]
    fn pieces<N>(&mut self, tensor: &Tensor, number: fn(u32) -> N) -> Result<Vec<N>> {
        let flat = tensor.contiguous()?.flatten_all()?;
        let count = flat.elem_count();
        let piece = count.min(PIECE);
        let pinned = match self.pinned.take() {
            Some(pinned) if pinned.is_for(tensor.device()) && pinned.capacity() >= piece => pinned,
            _ => PinnedWords::new(piece.next_power_of_two(), tensor.device())?,
        };
        let pinned = self.pinned.insert(pinned);
        let mut numbers = Vec::with_capacity(count);
        for from in (0..count).step_by(PIECE) {
            let words = pinned.download(&flat.narrow(0, from, PIECE.min(count - from))?)?;
            numbers.extend(words.iter().map(|&word| number(word)));
        }
        Ok(numbers)
    }

    fn count(&mut self, tensor: &Tensor) {
        self.bytes += bytes(tensor) as u64;
    }
}

/// The size of a tensor.
pub(crate) fn bytes(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}
