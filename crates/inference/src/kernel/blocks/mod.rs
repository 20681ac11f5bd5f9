//! Weights of few bits, in blocks that share scales, as GGUF files have them.
//!
//! A weight is a code times its scale plus an offset; or, instead of the code, what that stands for in a table. All
//! products are exact in f32 (a scale of at most 11 bits, another of at most 7, a code of at most 6, or of 8 without the
//! other scale), so that a weight is the number that ggml's `dequantize_row_*` give, whichever way it is computed.
//!
//! A new type is an implementation of [`BlockFormat`](format::BlockFormat) and a line in each table of `kind`.

mod codebook;
mod codes;
mod format;
mod k_quants;
pub(super) mod kind;
mod legacy;
mod quantise;
mod scales;
#[cfg(test)]
mod tests;

pub(super) use codes::{BlockCodes, Codes, GROUP};
pub(super) use format::{BlockFormat, MOST_WEIGHTS};
pub(crate) use kind::BlockType;
pub(super) use kind::with_format;
pub(crate) use quantise::quantise_q8_0;
pub(super) use scales::LaneScales;
