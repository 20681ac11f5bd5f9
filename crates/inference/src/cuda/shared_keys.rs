//! How blocks of a step's attention share out the keys of a sequence.

use candle_core::{DType, Device, Result, Tensor};

/// Queries that a block answers at most, as the kernels have it.
pub(super) const QUERIES: usize = 16;

/// Blocks that a step is to have for each head of the cache.
const BLOCKS_OF_HEAD: usize = 32;

/// How many blocks share out the keys of each of so many sequences. The same for those that one graph takes.
pub(super) fn splits(sequences: usize) -> usize {
    (BLOCKS_OF_HEAD / sequences.next_power_of_two()).max(1)
}

/// Zeros by which blocks that share out keys count who has done, in layers of such heads.
pub(crate) fn counters(heads: usize, kv_heads: usize, device: &Device) -> Result<Tensor> {
    let units = BLOCKS_OF_HEAD * kv_heads * (heads / kv_heads).div_ceil(QUERIES);
    Tensor::zeros(units, DType::U32, device)
}
