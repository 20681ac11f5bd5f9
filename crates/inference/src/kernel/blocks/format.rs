//! How the blocks of a type are stored, and how they lie in panels.

use super::scales::LaneScales;
use crate::kernel::decoded_range::DecodedRange;
use crate::kernel::vector::{Codebook, Vector};

/// Most weights of a block.
pub(in crate::kernel) const MOST_WEIGHTS: usize = 256;

/// How a type's blocks are stored, and how they lie in panels.
pub(in crate::kernel) trait BlockFormat {
    /// Weights of a block, a multiple of [`GROUP`](super::codes::GROUP).
    const WEIGHTS: usize;
    /// Bytes of a stored block.
    const BYTES: usize;
    /// Where numbers of several bytes are in it, and how many bytes they have.
    const NUMBERS: &'static [(usize, usize)];
    /// Bits of a code: 2 to 6, or 8. A code of eight bits is signed.
    const BITS: usize;
    /// What codes of four bits stand for, where that is not the code itself.
    const TABLE: Option<&'static Codebook> = None;
    /// Weights that share a scale, a multiple of [`DEPTH`](crate::kernel::layout::DEPTH).
    const SHARE: usize;
    /// Bytes of one lane's scales of a block.
    const SCALES: usize;
    /// What weights are: numbers of few bits times a scale in f16.
    const RANGE: DecodedRange = DecodedRange::Moderate;

    /// Takes a stored block apart: its scales go to a lane, the code of each of its weights to `codes`.
    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]);

    /// Scale and offset of the weights that have the `share`-th of a block's scales.
    ///
    /// # Safety
    /// As of [`Vector`]; `scales` are those of all lanes.
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats);
}
