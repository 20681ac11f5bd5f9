//! What kernels on a GPU are told of a batch.

use candle_core::{Device, Result, Tensor};

use super::batch::RaggedBatch;
use super::rope::Factors;

#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "only kernels read all of them"))]
/// A batch on a device, in one piece, for all layers. All of type u32.
pub(crate) struct StepTables {
    /// Token ids, `(T,)`.
    pub(crate) tokens: Tensor,
    /// The slot that each token's key and value go to, `(T,)`.
    pub(crate) slots: Tensor,
    /// The row of cosines and sines that each token is turned by, `(T,)`.
    pub(crate) angles: Tensor,
    /// Rows whose logits are wanted, `(wanted,)`.
    pub(crate) wanted: Tensor,
    /// Some tokens of a sequence each: the first one's row, how many, the first one's position, and where the sequence's
    /// blocks begin, `(tile_count * 4,)`.
    pub(crate) tiles: Tensor,
    pub(crate) tile_count: usize,
    /// The blocks of all sequences, one after the other.
    pub(crate) blocks: Tensor,
}

/// What [`StepTables`] are made of, one after the other.
pub(crate) struct StepNumbers {
    pub(crate) all: Vec<u32>,
    /// Of tokens, slots, angles, wanted rows, tiles and blocks.
    lengths: [usize; 6],
}

impl StepNumbers {
    /// A tile has at most `rows` tokens. Rows of angles are positions; those that are turned by the long factors come behind
    /// `positions` others.
    pub(crate) fn new(batch: &RaggedBatch, rows: usize, positions: usize) -> Self {
        let tokens = batch.tokens.len();
        let mut all = batch.tokens.clone();
        for run in &batch.runs {
            all.extend((run.slot..run.slot + run.length).map(|slot| slot as u32));
        }
        let factors = batch.positions.iter().zip(&batch.factors);
        all.extend(factors.map(|(&position, factors)| match factors {
            Factors::Short => position,
            Factors::Long => position + positions as u32,
        }));
        all.extend_from_slice(&batch.wanted);
        let (mut tiles, mut blocks) = (0, Vec::new());
        for segment in batch.segments.iter() {
            for from in (0..segment.length).step_by(rows) {
                let place = [segment.start + from, rows.min(segment.length - from), segment.past + from, blocks.len()];
                all.extend(place.map(|number| number as u32));
                tiles += 1;
            }
            blocks.extend_from_slice(&segment.blocks);
        }
        let lengths = [tokens, tokens, tokens, batch.wanted.len(), 4 * tiles, blocks.len()];
        all.extend(blocks);
        Self { all, lengths }
    }
}

impl StepTables {
    /// Brings numbers to `device`.
    pub(crate) fn new(numbers: &StepNumbers, device: &Device) -> Result<Self> {
        Self::over(&Tensor::new(numbers.all.as_slice(), device)?, numbers)
    }

    /// Tables for numbers that are to be at the beginning of `all`. What is behind belongs to the blocks.
    pub(crate) fn over(all: &Tensor, numbers: &StepNumbers) -> Result<Self> {
        let mut from = 0;
        let mut lengths = numbers.lengths;
        lengths[5] += all.dim(0)? - numbers.all.len();
        let [tokens, slots, angles, wanted, tiles, blocks] = lengths.map(|length| {
            from += length;
            all.narrow(0, from - length, length)
        });
        Ok(Self {
            tokens: tokens?,
            slots: slots?,
            angles: angles?,
            wanted: wanted?,
            tiles: tiles?,
            tile_count: lengths[4] / 4,
            blocks: blocks?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decoder::batch::{Segment, SlotRun};

    #[test]
    fn a_batch_is_told_by_token_by_tile_and_by_block() -> Result<()> {
        let batch = RaggedBatch {
            tokens: vec![7, 8, 9, 5],
            positions: vec![20, 21, 22, 3],
            factors: vec![Factors::Long, Factors::Long, Factors::Long, Factors::Short],
            segments: Arc::new(vec![
                Segment { start: 0, length: 3, past: 20, blocks: vec![4, 6] },
                Segment { start: 3, length: 1, past: 3, blocks: vec![1] },
            ]),
            runs: vec![SlotRun { row: 0, slot: 100, length: 3 }, SlotRun { row: 3, slot: 19, length: 1 }],
            wanted: vec![2, 3],
        };
        let tables = StepTables::new(&StepNumbers::new(&batch, 2, 1000), &Device::Cpu)?;
        assert_eq!(tables.tokens.to_vec1::<u32>()?, [7, 8, 9, 5]);
        assert_eq!(tables.slots.to_vec1::<u32>()?, [100, 101, 102, 19]);
        assert_eq!(tables.angles.to_vec1::<u32>()?, [1020, 1021, 1022, 3]);
        assert_eq!(tables.wanted.to_vec1::<u32>()?, [2, 3]);
        assert_eq!(tables.tiles.to_vec1::<u32>()?, [0, 2, 20, 0, 2, 1, 22, 0, 3, 1, 3, 2]);
        assert_eq!((tables.tile_count, tables.blocks.to_vec1::<u32>()?), (3, vec![4, 6, 1]));
        Ok(())
    }
}
