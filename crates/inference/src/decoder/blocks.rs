//! The bookkeeping of a paged KV cache: which block holds which tokens of which sequence.
//!
//! Blocks are counted references. Forking a sequence and sharing a prompt's prefix are the same thing: two tables
//! naming the same blocks. A full block is remembered by its tokens and everything before them, so that a later
//! sequence with the same beginning finds it; unused remembered blocks are given away, oldest first, when room is
//! needed, or before memory is claimed for more of them than were ever in use at once. Keys that were turned by other
//! factors are other keys: they are remembered apart.

use std::collections::{BTreeMap, HashMap};

use super::rope::Factors;
use crate::engine_options::Keeping;
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
    /// Blocks that were given up and hold nothing.
    free: Vec<BlockId>,
    /// Blocks from this one on were never taken: no memory is claimed for them yet.
    untouched: usize,
    idle: BTreeMap<u64, BlockId>,
    /// Which idle blocks are kept where there are untouched ones.
    keeping: Keeping,
    in_use: usize,
    most_in_use: usize,
    remembered: HashMap<BlockKey, BlockId>,
    sequences: HashMap<SequenceId, Sequence>,
    next_sequence: u64,
    next_serial: u64,
    clock: u64,
}

impl BlockTable {
    pub(crate) fn new(blocks: usize, keeping: Keeping) -> Self {
        Self {
            blocks: std::iter::repeat_with(CacheBlock::default).take(blocks).collect(),
            free: Vec::new(),
            untouched: 0,
            idle: BTreeMap::new(),
            keeping,
            in_use: 0,
            most_in_use: 0,
            remembered: HashMap::new(),
            sequences: HashMap::new(),
            next_sequence: 0,
            next_serial: 2,
            clock: 0,
        }
    }

    /// Blocks that can be had without closing a sequence.
    pub(crate) fn available(&self) -> usize {
        self.free.len() + self.idle.len() + self.blocks.len() - self.untouched
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

    /// Forgets every block: a sequence to come finds nothing of its beginning. Where none is open, blocks are taken from the
    /// first one on again, so that memory that was claimed is used before more is.
    pub(crate) fn forget(&mut self) {
        self.remembered.clear();
        for block in &mut self.blocks {
            block.remembered = None;
        }
        self.free.extend(std::mem::take(&mut self.idle).into_values());
        self.most_in_use = self.in_use;
        if self.in_use == 0 {
            self.free.clear();
            self.untouched = 0;
        }
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
            self.use_one_more();
        }
        self.blocks[block as usize].references += 1;
    }

    fn use_one_more(&mut self) {
        self.in_use += 1;
        self.most_in_use = self.most_in_use.max(self.in_use);
    }

    fn release_all(&mut self, blocks: &[BlockId]) {
        // Back to front: the end of a sequence is less worth keeping than its beginning.
        for &block in blocks.iter().rev() {
            let entry = &mut self.blocks[block as usize];
            entry.references -= 1;
            if entry.references > 0 {
                continue;
            }
            self.in_use -= 1;
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
        let block = self.free.pop().or_else(|| self.touch()).or_else(|| self.evict());
        let block = block.ok_or(ModelError::CacheFull { needed: 1, free: 0 })?;
        self.blocks[block as usize].references = 1;
        self.use_one_more();
        Ok(block)
    }

    /// A block for which memory has to be claimed; none where an idle one is to be given away before.
    fn touch(&mut self) -> Option<BlockId> {
        let kept = match self.keeping {
            Keeping::AsUsed => self.idle.len() <= self.most_in_use,
            Keeping::Everything => true,
        };
        let fresh = self.untouched;
        let is_there = fresh < self.blocks.len() && kept;
        is_there.then(|| {
            self.untouched += 1;
            fresh as BlockId
        })
    }

    /// The block that was idle for longest, forgotten.
    fn evict(&mut self) -> Option<BlockId> {
        let (_, block) = self.idle.pop_first()?;
        if let Some((key, _)) = self.blocks[block as usize].remembered.take() {
            self.remembered.remove(&key);
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests;
