//! The bookkeeping of a paged KV cache: which block holds which tokens of which sequence.
//!
//! Blocks are counted references. Forking a sequence and sharing a prompt's prefix are the same thing: two tables
//! naming the same blocks. A full block is remembered by its tokens and everything before them, so that a later
//! sequence with the same beginning finds it; unused remembered blocks are given away, oldest first, when room is
//! needed. Keys that were turned by other factors are other keys: they are remembered apart.

use std::collections::{BTreeMap, HashMap};

use super::rope::Factors;
use crate::id::{SequenceId, TokenId};
use crate::kernel::BLOCK;
use crate::language_model::ModelError;

/// Index of a block in the cache.
pub(crate) type BlockId = u32;

/// What identifies a full block: the block before it (by serial number; for the first one, by what its positions are
/// turned by) and its own tokens.
pub(crate) type BlockKey = (u64, [TokenId; BLOCK]);

#[derive(Default)]
struct CacheBlock {
    references: u32,
    /// Key under which the full block is remembered, and its serial number as a parent.
    remembered: Option<(BlockKey, u64)>,
    /// When it was last given up; orders eviction.
    idle_since: u64,
}

/// One sequence: its tokens and the blocks that hold their keys and values.
#[derive(Clone, Default)]
pub(crate) struct Sequence {
    pub(crate) tokens: Vec<TokenId>,
    pub(crate) blocks: Vec<BlockId>,
    /// What the positions in its blocks are turned by.
    pub(crate) factors: Factors,
    /// The length of the pass that it is read in, as far as that was said.
    pub(crate) pass: usize,
}

impl Factors {
    /// What stands for the block before the first one.
    fn root(self) -> u64 {
        match self {
            Self::Short => 0,
            Self::Long => 1,
        }
    }
}

/// A block whose first `tokens` slots are to be copied before a sequence writes into its own copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockCopy {
    pub(crate) from: BlockId,
    pub(crate) to: BlockId,
    pub(crate) tokens: usize,
}

/// All blocks and all sequences.
pub(crate) struct BlockTable {
    blocks: Vec<CacheBlock>,
    free: Vec<BlockId>,
    idle: BTreeMap<u64, BlockId>,
    remembered: HashMap<BlockKey, BlockId>,
    sequences: HashMap<SequenceId, Sequence>,
    next_sequence: u64,
    next_serial: u64,
    clock: u64,
}

impl BlockTable {
    pub(crate) fn new(blocks: usize) -> Self {
        Self {
            blocks: std::iter::repeat_with(CacheBlock::default).take(blocks).collect(),
            free: (0..blocks as BlockId).rev().collect(),
            idle: BTreeMap::new(),
            remembered: HashMap::new(),
            sequences: HashMap::new(),
            next_sequence: 0,
            next_serial: 2,
            clock: 0,
        }
    }

    /// Blocks that can be had without closing a sequence.
    pub(crate) fn available(&self) -> usize {
        self.free.len() + self.idle.len()
    }

    pub(crate) fn get(&self, id: SequenceId) -> Result<&Sequence, ModelError> {
        self.sequences.get(&id).ok_or(ModelError::UnknownSequence(id))
    }

    pub(crate) fn length(&self, id: SequenceId) -> usize {
        self.sequences.get(&id).map_or(0, |sequence| sequence.tokens.len())
    }

    /// Opens a sequence that already holds the longest remembered prefix of `prompt`, its last token excluded.
    pub(crate) fn open(&mut self, prompt: &[TokenId], factors: Factors) -> SequenceId {
        let id = self.insert(Sequence { factors, pass: prompt.len(), ..Sequence::default() });
        self.adopt(id, &prompt[..prompt.len().saturating_sub(1)]);
        id
    }

    /// Appends to a sequence what is remembered of the beginning of `tokens`: whole blocks, found by their tokens and
    /// all before them. Gives the number of tokens appended.
    pub(crate) fn adopt(&mut self, id: SequenceId, tokens: &[TokenId]) -> usize {
        let Some(mut parent) = self.whole_parent(id) else { return 0 };
        let mut adopted = 0;
        for tokens in tokens.as_chunks::<BLOCK>().0 {
            let Some(&block) = self.remembered.get(&(parent, *tokens)) else { break };
            parent = self.serial(block);
            self.acquire(block);
            if let Some(sequence) = self.sequences.get_mut(&id) {
                sequence.blocks.push(block);
                sequence.tokens.extend_from_slice(tokens);
            }
            adopted += BLOCK;
        }
        adopted
    }

    /// What identifies the block after the last one of a sequence of whole remembered blocks, should it hold `tokens`:
    /// two sequences with the same key are about to compute the same.
    pub(crate) fn next_key(&self, id: SequenceId, tokens: &[TokenId]) -> Option<BlockKey> {
        Some((self.whole_parent(id)?, *tokens.first_chunk::<BLOCK>()?))
    }

    /// Serial number of the last block of a sequence of whole remembered blocks; that of no block when it is empty.
    fn whole_parent(&self, id: SequenceId) -> Option<u64> {
        let sequence = self.sequences.get(&id)?;
        let (whole, []) = sequence.tokens.as_chunks::<BLOCK>() else { return None };
        let root = sequence.factors.root();
        whole.iter().try_fold(root, |parent, tokens| Some(self.serial(*self.remembered.get(&(parent, *tokens))?)))
    }

    pub(crate) fn fork(&mut self, id: SequenceId) -> Result<SequenceId, ModelError> {
        let copy = self.get(id)?.clone();
        for &block in &copy.blocks {
            self.acquire(block);
        }
        Ok(self.insert(copy))
    }

    pub(crate) fn truncate(&mut self, id: SequenceId, length: usize) -> Result<(), ModelError> {
        let sequence = self.sequences.get_mut(&id).ok_or(ModelError::UnknownSequence(id))?;
        if length > sequence.tokens.len() {
            return Err(ModelError::TruncateBeyondEnd { length: sequence.tokens.len(), requested: length });
        }
        sequence.tokens.truncate(length);
        let given_up = sequence.blocks.split_off(length.div_ceil(BLOCK));
        self.release_all(&given_up);
        Ok(())
    }

    pub(crate) fn close(&mut self, id: SequenceId) {
        if let Some(sequence) = self.sequences.remove(&id) {
            self.release_all(&sequence.blocks);
        }
    }

    /// Says how long the pass is that a sequence is read in.
    pub(crate) fn announce(&mut self, id: SequenceId, pass: usize) {
        if let Some(sequence) = self.sequences.get_mut(&id) {
            sequence.pass = pass;
        }
    }

    /// Empties a sequence, to be read again with its positions turned by `factors`. Gives the tokens that it held.
    pub(crate) fn rewind(&mut self, id: SequenceId, factors: Factors) -> Result<Vec<TokenId>, ModelError> {
        let tokens = self.get(id)?.tokens.clone();
        self.truncate(id, 0)?;
        if let Some(sequence) = self.sequences.get_mut(&id) {
            sequence.factors = factors;
        }
        Ok(tokens)
    }

    /// Blocks that [`rewind`](Self::rewind) and then reading so many tokens would take.
    pub(crate) fn blocks_needed_anew(&self, id: SequenceId, tokens: usize) -> Result<usize, ModelError> {
        let given_up =
            self.get(id)?.blocks.iter().filter(|&&block| self.blocks[block as usize].references == 1).count();
        Ok(tokens.div_ceil(BLOCK).saturating_sub(given_up))
    }

    /// Blocks that [`reserve`](Self::reserve) would take for `more` tokens.
    pub(crate) fn blocks_needed(&self, id: SequenceId, more: usize) -> Result<usize, ModelError> {
        let sequence = self.get(id)?;
        let length = sequence.tokens.len();
        let grown = (length + more).div_ceil(BLOCK) - length.div_ceil(BLOCK);
        Ok(grown + usize::from(self.must_copy_last(sequence)))
    }

    /// Appends `tokens` to a sequence and takes the blocks they need. The caller has checked
    /// [`blocks_needed`](Self::blocks_needed) against [`available`](Self::available), and carries out the copy before
    /// it writes.
    pub(crate) fn reserve(&mut self, id: SequenceId, tokens: &[TokenId]) -> Result<Option<BlockCopy>, ModelError> {
        let copy_last = self.must_copy_last(self.get(id)?);
        let mut copied = None;
        if copy_last {
            let to = self.take()?;
            let sequence = self.sequences.get_mut(&id).ok_or(ModelError::UnknownSequence(id))?;
            let tokens = sequence.tokens.len() % BLOCK;
            if let Some(last) = sequence.blocks.last_mut() {
                let from = std::mem::replace(last, to);
                copied = Some(BlockCopy { from, to, tokens });
                self.release_all(&[from]);
            }
        }
        let sequence = self.get(id)?;
        let grown = (sequence.tokens.len() + tokens.len()).div_ceil(BLOCK) - sequence.blocks.len();
        let fresh = (0..grown).map(|_| self.take()).collect::<Result<Vec<_>, _>>()?;
        let sequence = self.sequences.get_mut(&id).ok_or(ModelError::UnknownSequence(id))?;
        sequence.blocks.extend(fresh);
        sequence.tokens.extend_from_slice(tokens);
        Ok(copied)
    }

    /// Remembers the blocks of `id` that are full and computed, for later sequences with the same beginning.
    pub(crate) fn remember(&mut self, id: SequenceId) {
        let Some(sequence) = self.sequences.get(&id) else { return };
        let mut parent = sequence.factors.root();
        for (tokens, &block) in sequence.tokens.as_chunks::<BLOCK>().0.iter().zip(&sequence.blocks) {
            let key = (parent, *tokens);
            if let Some((_, serial)) = &self.blocks[block as usize].remembered {
                parent = *serial;
                continue;
            }
            if let Some(&twin) = self.remembered.get(&key) {
                // Computed twice side by side; the first stays the remembered one.
                parent = self.blocks[twin as usize].remembered.as_ref().map_or(0, |(_, serial)| *serial);
                continue;
            }
            let serial = self.next_serial;
            self.next_serial += 1;
            self.remembered.insert(key, block);
            self.blocks[block as usize].remembered = Some((key, serial));
            parent = serial;
        }
    }

    /// Forgets every block: a sequence to come finds nothing of its beginning.
    pub(crate) fn forget(&mut self) {
        self.remembered.clear();
        for block in &mut self.blocks {
            block.remembered = None;
        }
        self.free.extend(std::mem::take(&mut self.idle).into_values());
    }

    /// Whether the last block is partly filled and another may read it: then it is copied before it is written.
    fn must_copy_last(&self, sequence: &Sequence) -> bool {
        !sequence.tokens.len().is_multiple_of(BLOCK)
            && sequence.blocks.last().is_some_and(|&last| {
                let block = &self.blocks[last as usize];
                block.references > 1 || block.remembered.is_some()
            })
    }

    fn serial(&self, block: BlockId) -> u64 {
        self.blocks[block as usize].remembered.as_ref().map_or(0, |(_, serial)| *serial)
    }

    fn insert(&mut self, sequence: Sequence) -> SequenceId {
        let id = SequenceId(self.next_sequence);
        self.next_sequence += 1;
        self.sequences.insert(id, sequence);
        id
    }

    fn acquire(&mut self, block: BlockId) {
        let entry = &mut self.blocks[block as usize];
        if entry.references == 0 {
            self.idle.remove(&entry.idle_since);
        }
        entry.references += 1;
    }

    fn release_all(&mut self, blocks: &[BlockId]) {
        // Back to front: the end of a sequence is less worth keeping than its beginning.
        for &block in blocks.iter().rev() {
            let entry = &mut self.blocks[block as usize];
            entry.references -= 1;
            if entry.references > 0 {
                continue;
            }
            if entry.remembered.is_some() {
                self.clock += 1;
                entry.idle_since = self.clock;
                self.idle.insert(self.clock, block);
            } else {
                self.free.push(block);
            }
        }
    }

    fn take(&mut self) -> Result<BlockId, ModelError> {
        let block = if let Some(block) = self.free.pop() {
            block
        } else {
            let (_, block) = self.idle.pop_first().ok_or(ModelError::CacheFull { needed: 1, free: 0 })?;
            if let Some((key, _)) = self.blocks[block as usize].remembered.take() {
                self.remembered.remove(&key);
            }
            block
        };
        self.blocks[block as usize].references = 1;
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: u32 = BLOCK as u32;
    /// Two whole blocks and a half.
    const HALF: u32 = 5 * WHOLE / 2;

    fn ids(range: std::ops::Range<u32>) -> Vec<TokenId> {
        range.map(TokenId).collect()
    }

    #[test]
    fn a_closed_sequence_gives_every_block_back() {
        let mut table = BlockTable::new(4);
        let id = table.open(&[], Factors::Short);
        table.reserve(id, &ids(0..HALF)).unwrap();
        assert_eq!(table.available(), 1);
        table.remember(id);
        table.close(id);
        assert_eq!(table.available(), 4);
    }

    #[test]
    fn a_prompt_finds_its_remembered_prefix_but_never_its_last_token() {
        let mut table = BlockTable::new(8);
        let first = table.open(&[], Factors::Short);
        table.reserve(first, &ids(0..HALF)).unwrap();
        table.remember(first);
        let same = table.open(&ids(0..HALF), Factors::Short);
        assert_eq!(table.length(same), 2 * BLOCK);
        let exactly_two_blocks = table.open(&ids(0..2 * WHOLE), Factors::Short);
        assert_eq!(table.length(exactly_two_blocks), BLOCK);
        let mut other = ids(0..HALF);
        other[3] = TokenId(99);
        let other = table.open(&other, Factors::Short);
        assert_eq!(table.length(other), 0);
    }

    #[test]
    fn a_prefix_is_found_by_sequences_with_the_same_factors_alone() {
        let mut table = BlockTable::new(12);
        for factors in [Factors::Short, Factors::Long] {
            let first = table.open(&ids(0..HALF), factors);
            assert_eq!(table.length(first), 0, "{factors:?}");
            table.reserve(first, &ids(0..HALF)).unwrap();
            table.remember(first);
        }
        let (short, long) = (table.open(&ids(0..HALF), Factors::Short), table.open(&ids(0..HALF), Factors::Long));
        assert_eq!([short, long].map(|id| table.length(id)), [2 * BLOCK; 2]);
        assert!(table.get(short).unwrap().blocks.iter().all(|block| !table.get(long).unwrap().blocks.contains(block)));

        // Read anew, it finds what was computed with the other factors.
        let available = table.available();
        assert_eq!(table.rewind(short, Factors::Long).unwrap(), ids(0..2 * WHOLE));
        assert_eq!(
            (table.length(short), table.available()),
            (0, available),
            "the first sequence still holds its blocks"
        );
        assert_eq!(table.adopt(short, &ids(0..HALF)), 2 * BLOCK);
        assert_eq!(table.get(short).unwrap().blocks, table.get(long).unwrap().blocks);
    }

    #[test]
    fn what_is_forgotten_is_not_found_and_its_blocks_are_free() {
        let mut table = BlockTable::new(6);
        let (closed, open) = (table.open(&[], Factors::Short), table.open(&[], Factors::Short));
        for (sequence, first) in [(closed, 0), (open, 100)] {
            table.reserve(sequence, &ids(first..first + HALF)).unwrap();
            table.remember(sequence);
        }
        table.close(closed);
        table.forget();
        assert_eq!(table.available(), 3);
        for first in [0, 100] {
            let again = table.open(&ids(first..first + HALF), Factors::Short);
            assert_eq!(table.length(again), 0);
        }
        table.close(open);
        assert_eq!(table.available(), 6, "an open sequence gives its blocks back as ever");
    }

    #[test]
    fn an_open_sequence_adopts_what_another_has_computed_since() {
        let mut table = BlockTable::new(8);
        let (first, second) = (table.open(&ids(0..HALF), Factors::Short), table.open(&ids(0..HALF), Factors::Short));
        assert_eq!(table.next_key(first, &ids(0..HALF)), table.next_key(second, &ids(0..HALF - 1)));
        table.reserve(first, &ids(0..HALF)).unwrap();
        assert_eq!(table.adopt(second, &ids(0..HALF)), 0, "nothing is computed yet");
        table.remember(first);
        assert_eq!(table.adopt(second, &ids(0..HALF)), 2 * BLOCK);
        assert_eq!(table.get(second).unwrap().blocks, table.get(first).unwrap().blocks[..2]);
        table.reserve(second, &ids(2 * WHOLE..2 * WHOLE + 3)).unwrap();
        assert_eq!(table.adopt(second, &ids(2 * WHOLE + 3..4 * WHOLE)), 0, "the last block is not whole");
    }

    #[test]
    fn a_fork_that_writes_into_a_shared_block_gets_its_own_copy() {
        let mut table = BlockTable::new(4);
        let first = table.open(&[], Factors::Short);
        table.reserve(first, &ids(0..WHOLE + 4)).unwrap();
        let second = table.fork(first).unwrap();
        assert_eq!(table.blocks_needed(second, 1).unwrap(), 1);
        let copy = table.reserve(second, &ids(100..101)).unwrap().unwrap();
        assert_eq!(copy.tokens, 4);
        assert_eq!(copy.from, table.get(first).unwrap().blocks[1]);
        assert_eq!(copy.to, table.get(second).unwrap().blocks[1]);
        // The first now owns its last block alone again.
        assert_eq!(table.reserve(first, &ids(101..102)).unwrap(), None);
    }

    #[test]
    fn a_remembered_block_is_not_overwritten_after_a_truncation() {
        let mut table = BlockTable::new(4);
        let id = table.open(&[], Factors::Short);
        table.reserve(id, &ids(0..WHOLE)).unwrap();
        table.remember(id);
        table.truncate(id, 10).unwrap();
        assert!(table.reserve(id, &ids(100..101)).unwrap().is_some());
    }

    #[test]
    fn idle_blocks_are_evicted_oldest_first_and_forgotten() {
        let mut table = BlockTable::new(2);
        for start in [0, 100] {
            let id = table.open(&[], Factors::Short);
            table.reserve(id, &ids(start..start + WHOLE)).unwrap();
            table.remember(id);
            table.close(id);
        }
        let id = table.open(&[], Factors::Short);
        table.reserve(id, &ids(200..200 + WHOLE)).unwrap();
        let evicted = table.open(&ids(0..WHOLE + 1), Factors::Short);
        assert_eq!(table.length(evicted), 0);
        let kept = table.open(&ids(100..100 + WHOLE + 1), Factors::Short);
        assert_eq!(table.length(kept), BLOCK);
        assert_eq!(table.available(), 0);
        assert!(matches!(table.reserve(id, &ids(0..1)), Err(ModelError::CacheFull { .. })));
    }
}
