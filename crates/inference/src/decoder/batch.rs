//! A flat ragged batch: tokens of many sequences packed one after the other, each with its position.

use std::sync::Arc;

use super::blocks::{BlockId, BlockTable};
use super::rope::Factors;
use crate::id::{SequenceId, TokenId};
use crate::kernel::BLOCK;
use crate::language_model::ModelError;

/// The new tokens of one sequence within a batch.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Row of its first token in the batch.
    pub(crate) start: usize,
    /// Its tokens in the batch.
    pub(crate) length: usize,
    /// Tokens of the sequence before them.
    pub(crate) past: usize,
    /// The sequence's blocks, those of the new tokens included.
    pub(crate) blocks: Vec<BlockId>,
}

/// Rows of the batch that go to consecutive slots of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRun {
    pub(crate) row: usize,
    pub(crate) slot: usize,
    pub(crate) length: usize,
}

/// `T` tokens of several sequences, without padding.
#[derive(Clone, Debug, Default)]
pub(crate) struct RaggedBatch {
    /// Token ids, `(T,)`.
    pub(crate) tokens: Vec<u32>,
    /// Positions, `(T,)`.
    pub(crate) positions: Vec<u32>,
    /// What they are turned by, `(T,)`.
    pub(crate) factors: Vec<Factors>,
    /// Which rows belong to which sequence.
    pub(crate) segments: Arc<Vec<Segment>>,
    /// Where keys and values are written.
    pub(crate) runs: Vec<SlotRun>,
    /// Rows whose logits are wanted, ascending.
    pub(crate) wanted: Vec<u32>,
}

impl RaggedBatch {
    /// Whether it is one token of each sequence.
    #[cfg(feature = "cuda")]
    pub(crate) fn is_one_token_each(&self) -> bool {
        self.segments.len() == self.tokens.len()
    }

    /// Whether the logits of all rows are wanted, in order.
    pub(crate) fn wants_all(&self) -> bool {
        self.wanted.len() == self.tokens.len()
    }

    /// The wanted rows alone, in order: neighbours of one sequence are a segment.
    pub(crate) fn wanted_segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut wanted = self.wanted.iter().map(|&row| row as usize).enumerate().peekable();
        for Segment { start, length, past, blocks } in self.segments.iter() {
            let mut end = None;
            while let Some((at, row)) = wanted.next_if(|(_, row)| *row < start + length) {
                match segments.last_mut().filter(|_| end == Some(row)) {
                    Some(before) => before.length += 1,
                    None => segments.push(Segment {
                        start: at,
                        length: 1,
                        past: past + row - start,
                        blocks: blocks.clone(),
                    }),
                }
                end = Some(row + 1);
            }
        }
        segments
    }

    /// One token of each sequence, all wanted, with more rows that write into `block`, which is nobody's.
    #[cfg(feature = "cuda")]
    pub(crate) fn padded(&self, rows: usize, block: BlockId) -> Self {
        let mut padded = self.clone();
        let mut segments = self.segments.to_vec();
        for row in self.tokens.len()..rows {
            padded.tokens.push(0);
            padded.positions.push(0);
            padded.factors.push(Factors::Short);
            padded.wanted.push(row as u32);
            padded.runs.push(SlotRun { row, slot: block as usize * BLOCK, length: 1 });
            segments.push(Segment { start: row, length: 1, past: 0, blocks: vec![block] });
        }
        Self { segments: Arc::new(segments), ..padded }
    }

    /// Packs `parts`: a sequence, the new tokens that the table already holds for it at `past..past + tokens`, and
    /// which of them are wanted.
    pub(crate) fn new(table: &BlockTable, parts: &[BatchPart<'_>]) -> Result<Self, ModelError> {
        let mut batch = Self::default();
        let mut segments = Vec::with_capacity(parts.len());
        for part in parts {
            let sequence = table.get(part.sequence)?;
            let blocks = sequence.blocks[..(part.past + part.tokens.len()).div_ceil(BLOCK)].to_vec();
            let start = batch.tokens.len();
            batch.tokens.extend(part.tokens.iter().map(|token| token.0));
            batch.positions.extend((part.past..part.past + part.tokens.len()).map(|position| position as u32));
            batch.factors.extend(std::iter::repeat_n(sequence.factors, part.tokens.len()));
            batch.wanted.extend(part.wanted.iter().map(|&index| (start + index) as u32));
            push_runs(&mut batch.runs, start, part.past, part.tokens.len(), &blocks);
            segments.push(Segment { start, length: part.tokens.len(), past: part.past, blocks });
        }
        batch.segments = Arc::new(segments);
        Ok(batch)
    }
}

/// One sequence's share of a batch.
pub(crate) struct BatchPart<'a> {
    pub(crate) sequence: SequenceId,
    pub(crate) past: usize,
    pub(crate) tokens: &'a [TokenId],
    /// Indices into `tokens`.
    pub(crate) wanted: Vec<usize>,
}

fn push_runs(runs: &mut Vec<SlotRun>, start: usize, past: usize, length: usize, blocks: &[BlockId]) {
    let mut done = 0;
    while done < length {
        let position = past + done;
        let slot = blocks[position / BLOCK] as usize * BLOCK + position % BLOCK;
        let step = (BLOCK - position % BLOCK).min(length - done);
        match runs.last_mut() {
            Some(last) if last.slot + last.length == slot && last.row + last.length == start + done => {
                last.length += step;
            }
            _ => runs.push(SlotRun { row: start + done, slot, length: step }),
        }
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_rows_that_are_neighbours_in_a_sequence_are_a_segment_of_their_own() {
        let segment = |start, length, past| Segment { start, length, past, blocks: vec![start as BlockId] };
        let wanted = vec![1, 2, 4, 5, 6, 10];
        let segments = Arc::new(vec![segment(0, 5, 3), segment(5, 3, 0), segment(8, 1, 7), segment(9, 2, 9)]);
        let batch = RaggedBatch { segments, wanted, ..RaggedBatch::default() };
        let found = batch.wanted_segments();
        let found: Vec<_> = found.iter().map(|it| (it.start, it.length, it.past, it.blocks[0])).collect();
        assert_eq!(found, [(0, 2, 4, 0), (2, 1, 7, 0), (3, 2, 0, 5), (5, 1, 10, 9)]);
    }

    #[test]
    fn rows_of_neighbouring_blocks_are_written_in_one_run() {
        let mut runs = Vec::new();
        // From the last two tokens of block 4 through block 5 into block 2.
        push_runs(&mut runs, 0, BLOCK - 2, BLOCK + 5, &[4, 5, 2]);
        let second = SlotRun { row: BLOCK + 2, slot: 2 * BLOCK, length: 3 };
        assert_eq!(runs, [SlotRun { row: 0, slot: 5 * BLOCK - 2, length: BLOCK + 2 }, second]);
    }
}
