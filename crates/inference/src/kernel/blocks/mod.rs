//! Weights of few bits, in blocks that share scales, as GGUF files have them.
//!
//! A weight is a code times its scale plus an offset; or, instead of the code, what that stands for in a table. All
//! products are exact in f32 (a scale of at most 11 bits, another of at most 7, a code of at most 6, or of 8 without the
//! other scale), so that a weight is the number that ggml's `dequantize_row_*` give, whichever way it is computed.
//!
//! A new type is an implementation of [`Format`] and a line in each table of this file.

mod codes;
mod four;
mod k;
mod kind;
mod legacy;
mod scales;
#[cfg(test)]
mod tests;

pub(super) use codes::{Codes, GROUP};
pub(crate) use kind::BlockType;
pub(super) use scales::Lane;

use super::vector::{Table, Vector};

/// Most weights of a block.
pub(super) const MOST_WEIGHTS: usize = 256;

/// How a type's blocks are stored, and how they lie in panels.
pub(super) trait Format {
    /// Weights of a block, a multiple of [`GROUP`].
    const WEIGHTS: usize;
    /// Bytes of a stored block.
    const BYTES: usize;
    /// Where numbers of several bytes are in it, and how many bytes they have.
    const NUMBERS: &'static [(usize, usize)];
    /// Bits of a code: 2 to 6, or 8. A code of eight bits is signed.
    const BITS: usize;
    /// What codes of four bits stand for, where that is not the code itself.
    const TABLE: Option<&'static Table> = None;
    /// Weights that share a scale, a multiple of [`DEPTH`](super::panels::DEPTH).
    const SHARE: usize;
    /// Bytes of one lane's scales of a block.
    const SCALES: usize;

    /// Takes a stored block apart: its scales go to a lane, the code of each of its weights to `codes`.
    fn split(block: &[u8], scales: &mut Lane<'_>, codes: &mut [u8]);

    /// Scale and offset of the weights that have the `share`-th of a block's scales.
    ///
    /// # Safety
    /// As of [`Vector`]; `scales` are those of all lanes.
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats);
}

/// The formats of [`BlockType`]s.
pub(super) mod types {
    pub(in crate::kernel) use super::four::{Iq4Nl, Iq4Xs, Mxfp4};
    pub(in crate::kernel) use super::k::{Q2K, Q3K, Q4K, Q5K, Q6K};
    pub(in crate::kernel) use super::legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
}

/// Evaluates an expression in which a name is the [`Format`] of a [`BlockType`].
macro_rules! with_format {
    ($kind:expr, $format:ident => $body:expr) => {
        $crate::kernel::blocks::with_format!(@ $kind, $format, $body, Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2K Q3K Q4K Q5K Q6K Iq4Nl Iq4Xs Mxfp4)
    };
    (@ $kind:expr, $format:ident, $body:expr, $($of:ident)*) => {
        match $kind {
            $($crate::kernel::blocks::BlockType::$of => {
                type $format = $crate::kernel::blocks::types::$of;
                $body
            })*
        }
    };
}
pub(super) use with_format;
