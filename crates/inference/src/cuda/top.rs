//! The most probable tokens of logits that stay on their device.

use candle_core::{DType, Result, Tensor};

use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, to_fill};
use super::logit_places::{BEFORE, CHUNK, LogitPlace};

/// Bytes that the kernel keeps for each chunk of a row, and all that it may.
const OFFER: usize = size_of::<u64>();
const SHARED: usize = 46 << 10;

/// The best token of every chunk of logits `(R, V)`, f32, and the chunk's share of the normaliser.
#[derive(Debug)]
pub(crate) struct TopTokens {
    logits: Tensor,
    best: Tensor,
    sums: Tensor,
    chunks: usize,
    /// Where all that is in is kept.
    place: Option<LogitPlace>,
}

/// What a device tells of a row.
#[derive(Debug)]
pub(crate) struct ToldRow {
    /// `log p = logit - log_normalizer`; not finite where the row has no probabilities.
    pub(crate) log_normalizer: f64,
    /// Token ids and logits, the most probable first; of equals the lowest id.
    pub(crate) tokens: Vec<(u32, f32)>,
}

impl TopTokens {
    /// Whether rows of so many logits fit into the kernel's memory.
    pub(crate) fn takes(vocabulary: usize) -> bool {
        vocabulary.div_ceil(CHUNK) * OFFER <= SHARED
    }

    /// Finds the best token of every chunk, of logits that may have a place.
    pub(crate) fn new(logits: &Tensor, place: Option<LogitPlace>) -> Result<Self> {
        let (rows, vocabulary) = logits.dims2()?;
        let (device, logits) = (logits.device(), logits.contiguous()?);
        let chunks = vocabulary.div_ceil(CHUNK);
        let (best, sums) = match &place {
            Some(place) => (place.best.clone(), place.sums.clone()),
            None => (to_fill((rows, chunks), DType::I64, device)?, to_fill((rows, chunks), DType::F32, device)?),
        };
        let arguments = [address(&logits)?, address(&best)?, address(&sums)?, vocabulary.into(), chunks.into()];
        let shape = LaunchShape { blocks: (chunks.div_ceil(4), rows, 1), threads: 128, shared: 0 };
        launch(device, (KernelFile::Top, DType::F32), "chunks_of_logits", shape, &arguments)?;
        Ok(Self { logits, best, sums, chunks, place })
    }

    /// Tells `count` tokens of some rows, of all where none are named: `(rows, 3 + 2 count)` words, for
    /// [`ToldRow::read`].
    pub(crate) fn tell(&self, rows: Option<&[u32]>, count: usize) -> Result<Tensor> {
        let (all, vocabulary) = self.logits.dims2()?;
        let device = self.logits.device();
        let named = rows.map(|rows| Tensor::new(rows, device)).transpose()?;
        let rows = rows.map_or(all, <[u32]>::len);
        let size = (rows, BEFORE + 2 * count);
        let told = match &self.place {
            Some(place) if place.told.dims2()? == size => place.told.clone(),
            _ => to_fill(size, DType::U32, device)?,
        };
        let arguments: [Argument; 8] = [
            address(&self.logits)?,
            address(&self.best)?,
            address(&self.sums)?,
            address_or_null(named.as_ref())?,
            address(&told)?,
            vocabulary.into(),
            self.chunks.into(),
            count.into(),
        ];
        let shape = LaunchShape { blocks: (rows, 1, 1), threads: 256, shared: self.chunks * OFFER };
        launch(device, (KernelFile::Top, DType::F32), "top_tokens", shape, &arguments)?;
        Ok(told)
    }
}

impl ToldRow {
    /// Reads what was told of one row.
    pub(crate) fn read(words: &[u32]) -> Self {
        let (before, tokens) = words.split_at(BEFORE);
        let sum = f64::from_bits(u64::from(before[1]) | u64::from(before[2]) << 32);
        let log_normalizer = f64::from(f32::from_bits(before[0])) + sum.ln();
        let (pairs, _) = tokens.as_chunks::<2>();
        Self { log_normalizer, tokens: pairs.iter().map(|&[token, logit]| (token, f32::from_bits(logit))).collect() }
    }
}
