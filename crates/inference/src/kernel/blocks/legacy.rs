//! The types of ggml's beginnings: blocks of 32 weights with a scale, some with an offset besides.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::format::BlockFormat;
use super::scales::LaneScales;
use super::scales::{centred, from_least};
use crate::kernel::vector::Vector;

/// Weights of a block.
const WEIGHTS: usize = 32;

/// Four bits, less 8, times a scale.
pub(in crate::kernel) struct Q4_0;
/// Four bits times a scale, plus an offset.
pub(in crate::kernel) struct Q4_1;
/// Five bits, less 16, times a scale.
pub(in crate::kernel) struct Q5_0;
/// Five bits times a scale, plus an offset.
pub(in crate::kernel) struct Q5_1;
/// A signed byte times a scale.
pub(in crate::kernel) struct Q8_0;

/// Codes of four bits: a byte has the `i`-th and the one half a block further on.
pub(super) fn halves(bytes: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(bytes.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

/// Adds a fifth bit to codes: the `i`-th of four bytes, from the lowest on.
fn fifth_bits(bytes: &[u8], codes: &mut [u8]) {
    for (at, code) in codes.iter_mut().enumerate() {
        *code |= (bytes[at / 8] >> (at % 8) & 1) << 4;
    }
}

impl BlockFormat for Q4_0 {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 18;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2)];
    const BITS: usize = 4;
    const SHARE: usize = WEIGHTS;
    const SCALES: usize = 2;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        halves(&block[2..], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { centred::<V, 8>(scales) }
    }
}

impl BlockFormat for Q4_1 {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 20;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2), (2, 2)];
    const BITS: usize = 4;
    const SHARE: usize = WEIGHTS;
    const SCALES: usize = 4;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        scales.put(&block[2..4]);
        halves(&block[4..], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { from_least::<V>(scales) }
    }
}

impl BlockFormat for Q5_0 {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 22;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2)];
    const BITS: usize = 5;
    const SHARE: usize = WEIGHTS;
    const SCALES: usize = 2;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        halves(&block[6..], codes);
        fifth_bits(&block[2..6], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { centred::<V, 16>(scales) }
    }
}

impl BlockFormat for Q5_1 {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 24;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2), (2, 2)];
    const BITS: usize = 5;
    const SHARE: usize = WEIGHTS;
    const SCALES: usize = 4;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        scales.put(&block[2..4]);
        halves(&block[8..], codes);
        fifth_bits(&block[4..8], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { from_least::<V>(scales) }
    }
}

impl BlockFormat for Q8_0 {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 34;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2)];
    const BITS: usize = 8;
    const SHARE: usize = WEIGHTS;
    const SCALES: usize = 2;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        codes.copy_from_slice(&block[2..]);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { centred::<V, 0>(scales) }
    }
}
